# Everything an administrator, a packager or a developer starts from here.
#
#   make demo [KEEP=1]    three nodes on this machine play five demonstrations (root)
#   make demo-often [RUNS=20] [BUSY=4]    the demo again and again, beside busy processes (root)
#   make check            all tests, in stages; installs what they need with apt (root)
#   make check-fast       the tests that need no root
#   make check-all        make check, and what takes too long for every change (root)
#   make faults [ONLY=4,13] [WATCH=no]    what was broken, and the result: docs/reliability.md
#                         (root); with WATCH=no without the watcher (crash_watch=false)
#   make machines [ONLY=panic,pause]    the quick start and faults on three QEMU guests with systemd:
#                         trials/machines/README.md (root)
#   make containers [ONLY=health]       the same on containers with systemd: quick, what needs no kernel (root)
#   make matrix [CELL=debian13] [REFRESH=1]    each release and version played: docs/support.md (root)
#   make elections [HISTORIES=10000]    elections over generated histories, with the agent's own code
#   make soak [MINUTES=20] [SEED=1]    faults drawn at random until the time is up (root)
#   make explore [MINUTES=30] [SEED=1]    states of nodes crossed with events, until the time is up (root)
#   make partitions [ROUNDS=20] [SYNC=1] [FENCING=no] [DELAY=2]    the primary is cut off under load, again and
#                         again; which rounds end without an administrator (root)
#   make tokens [MINUTES=5]    corosync's token on bad networks: docs/configuration.md (root)
#   make bench [RUNS=7] [QUICK=1] [PEER=pgsql]    outages and costs beside the Perl agent's, or the
#                         pgsql agent's: docs/performance.md (root); fails if it misses a target
#   make bench SYNC=1|LOAD=1 [RUNS=7] [QUICK=1]    outages where commits wait for a standby, or with
#                         pgbench beside them: docs/performance-sync.md, docs/performance-load.md
#   make bench LOAD=kinds [RUNS=7] [QUICK=1]    with hundreds of sessions, long transactions, and replay
#                         that is behind: docs/performance-load-kinds.md
#   make bench PEER=patroni [LOAD=1] [RUNS=7] [QUICK=1]    outages beside Patroni's with etcd, as it comes
#                         and tuned: docs/performance-patroni.md, docs/performance-load-patroni.md
#   make bench PEER=all [LOAD=1] [RUNS=7] [QUICK=1]    outages beside all of them in one run (an hour):
#                         docs/performance-all.md, docs/performance-load-all.md
#   make format           all Python in the one format that make lint checks
#   make lint             style, format, types, spelling of Python 2.6, layers, words, shell scripts
#   make coverage [TESTS=tests/unit]    lines of paf/ that no test runs (root)
#   make docs             the documentation as a site, in build/docs/html
#   make install DESTDIR= VARIANT= PYTHON=    the one place that knows the layout
#   make deb [VARIANT=]   the package for Debian, in dist/VARIANT/
#   make rpm [VARIANT=] [RHEL=6..10]   the packages for Red Hat's family, in dist/VARIANT/
#   make release VERSION=3.0.0    all that a release has, in dist/VERSION/, and its tag

# Values that differ between distributions; a package's build sets them.
VARIANT ?= corosync2
PYTHON  ?= /usr/bin/python3
# auto: the words that the Pacemaker of the node knows, see paf/metadata.py
OCF     ?= $(if $(filter corosync1,$(VARIANT)),1.0,auto)
# not from the environment, where it is the server that a psql of the builder connects to
PGHOST   = $(if $(wildcard /etc/debian_version),/var/run/postgresql,/tmp)
DESTDIR ?=
RHEL    ?=
PYTEST   = /usr/bin/python3 -B -m pytest -q -p no:cacheprovider --durations=10

LIBRARY  = /usr/share/resource-agents-paf
AGENTS   = /usr/lib/ocf/resource.d/heartbeat
MANUALS  = /usr/share/man/man7
COMMANDS = /usr/sbin
COMMAND_MANUALS = /usr/share/man/man8
COMPLETIONS = /usr/share/bash-completion/completions
# programs that units start
PROGRAMS = /usr/libexec
# systemd's, for what listens and what comes at times; nothing is enabled. EL6 and Debian 7 have none
UNITS    = /usr/lib/systemd/system
# Packages have tools of their own for documents and set this to nothing.
DOCS    ?= /usr/share/doc/resource-agents-paf
# The pages, schemas and pictures; messages name them there. Nothing: they name those of a checkout.
PAGES   ?= /usr/share/doc/resource-agents-paf/docs

# Runs the generator of the manual page; PYTHON is the nodes' and may be absent where we build.
BUILD_PYTHON ?= $(firstword $(shell for name in python3 python /usr/libexec/platform-python python2; \
	do command -v $$name; done; :))

# -I: no PYTHON* variables, no user site; -S: a broken .pth file cannot stop a monitor; -B: no
# bytecode is written by root at run time. Python 2 has no -I.
FLAGS = $(if $(findstring python2,$(PYTHON))$(filter %/python,$(PYTHON)),-ESsB,-ISB)
# The command for people sees the distribution's packages (psycopg2, lxml), so it has no -S.
COMMAND_FLAGS = $(if $(findstring python2,$(PYTHON))$(filter %/python,$(PYTHON)),-EsB,-IB)

# The site, and what installs its generator (the tests have it already).
SITE    ?= build/docs/html
TOOLS   ?= tests/install-tools.sh

.PHONY: all demo demo-often check check-fast check-all faults machines matrix containers elections soak explore partitions tokens bench lint format coverage docs docs-generated install check-values package-values deb rpm release clean

all:
	@sed -n '3,/^$$/s/^# *//p' Makefile

check-values:
	@case "$(VARIANT)" in corosync1|corosync2) ;; \
	*) echo "VARIANT must be corosync1 or corosync2, not '$(VARIANT)'" >&2; exit 1;; esac
	@case "$(OCF)" in 1.0|1.1|auto) ;; \
	*) echo "OCF must be 1.0, 1.1 or auto, not '$(OCF)'" >&2; exit 1;; esac
	@case "$(PYTHON)" in *[!A-Za-z0-9._/+-]*) false;; /*/python*|/*/platform-python*) ;; *) false;; esac \
	|| { echo "PYTHON must be the absolute path of a Python, not '$(PYTHON)'" >&2; exit 1; }
	@case "$(DESTDIR)" in *[!A-Za-z0-9._/+:=@~-]*) false;; /*|"") ;; *) false;; esac \
	|| { echo "DESTDIR must be an absolute path without spaces, not '$(DESTDIR)'" >&2; exit 1; }
	@case "$(RHEL)" in ""|6|7|8|9|10) ;; \
	*) echo "RHEL must be 6, 7, 8, 9 or 10, not '$(RHEL)'" >&2; exit 1;; esac

demo:
	@tests/install-tools.sh lab
	@exec /usr/bin/python3 -m trials.demo $(if $(KEEP),--keep)

# RUNS times the demo, with BUSY busy processes beside it
demo-often:
	@tests/install-tools.sh lab
	@exec /usr/bin/python3 -B -m trials.demo.often $(if $(RUNS),--runs "$(RUNS)") \
		$(if $(BUSY),--busy "$(BUSY)")

check:
	@tests/install-tools.sh unit coverage lab matrix lint packaging docs
	@tests/install-interpreters.sh
	@exec /usr/bin/python3 -B -m tests.stages

# what takes too long for every change: the long cluster tests, Debian's own checks of the package on
# bare systems, all component tests with the agent under each Python and with each PostgreSQL, and
# coverage
check-all: check
	@tests/install-tools.sh packaging-all matrix
	@tools/check-deb.sh bullseye bookworm trixie sid
	@$(PYTEST) -n 2 --dist loadgroup tests/cluster tests/component -m long
	@$(PYTEST) tests/broken tests/packaging -m long
	@/usr/bin/python3 -m tests.interpreters $(PYTEST) tests/component
	@/usr/bin/python3 -m tests.servers $(PYTEST) -n 2 --dist loadgroup tests/component -m "not long"
	@PAF_ALL_CUTS=1 $(PYTEST) tests/component -k cut_at_any_step
	@$(MAKE) --no-print-directory coverage
	@$(MAKE) --no-print-directory elections
	@exec /usr/bin/python3 -B -m trials.faults
	@exec /usr/bin/python3 -B -m trials.soak --minutes 5 --seed 1

faults:
	@tests/install-tools.sh unit lab
	@exec /usr/bin/python3 -B -m trials.faults $(if $(ONLY),--only "$(ONLY)") $(if $(filter no,$(WATCH)),--no-watch)

machines:
	@tests/install-tools.sh lab machines
	@exec /usr/bin/python3 -B -m trials.machines $(if $(ONLY),--only "$(ONLY)")

containers:
	@tests/install-tools.sh lab machines
	@exec /usr/bin/python3 -B -m trials.machines --containers $(if $(ONLY),--only "$(ONLY)")

# REFRESH=1 makes new roots of the distributions, and plays nothing
matrix:
	@tests/install-tools.sh unit lab matrix
	@exec /usr/bin/python3 -B -m trials.matrix $(if $(CELL),--cell "$(CELL)") $(if $(REFRESH),--refresh)

elections:
	@tests/install-tools.sh unit
	@PAF_HISTORIES=$(or $(HISTORIES),10000) $(PYTEST) -n 2 tests/unit/test_election_model.py \
		tests/unit/test_election_histories.py tests/unit/test_cluster_model.py

soak:
	@tests/install-tools.sh lab
	@exec /usr/bin/python3 -B -m trials.soak $(if $(MINUTES),--minutes "$(MINUTES)") \
		$(if $(SEED),--seed "$(SEED)")

explore:
	@tests/install-tools.sh lab
	@exec /usr/bin/python3 -B -m trials.explore $(if $(MINUTES),--minutes "$(MINUTES)") \
		$(if $(SEED),--seed "$(SEED)")

partitions:
	@tests/install-tools.sh lab
	@exec /usr/bin/python3 -B -m trials.partitions $(if $(ROUNDS),--rounds "$(ROUNDS)") \
		$(if $(SYNC),--synchronous) $(if $(filter no,$(FENCING)),--no-fencing) \
		$(if $(DELAY),--fence-delay "$(DELAY)")

tokens:
	@tests/install-tools.sh lab
	@exec /usr/bin/python3 -B -m trials.tokens $(if $(MINUTES),--minutes "$(MINUTES)")

bench:
	@tests/install-tools.sh lab
	@exec /usr/bin/python3 -B -m trials.bench $(if $(RUNS),--runs "$(RUNS)") $(if $(QUICK),--quick) \
		$(if $(PEER),--peer "$(PEER)") $(if $(SYNC),--sync) $(if $(LOAD),--load "$(LOAD)")

check-fast:
	@/usr/bin/python3 -B tests/fast.py

lint:
	@tests/lint.sh

format:
	@tests/lint.sh format

coverage:
	@tests/install-tools.sh unit coverage
	@/usr/bin/python3 -B -m tests.covered $(TESTS)

docs:
	@$(TOOLS) docs
	@/usr/bin/python3 -B -m sphinx -b html -W --keep-going -q -d "$(SITE)/../.doctrees" docs "$(SITE)"

# the pages and pictures in docs/ that are made from the code
docs-generated:
	@/usr/bin/python3 -B docs/generate.py docs
	@/usr/bin/python3 -B docs/transitions.py docs/pictures
	@/usr/bin/python3 -B docs/architecture.py docs/pictures
	@/usr/bin/python3 -B docs/promotion.py docs/pictures

# A package has the interpreter and the place of its distribution.
package-values: check-values
	@case "$(origin PYTHON) $(origin DESTDIR)" in *command*|*environment*) \
	echo "PYTHON and DESTDIR are for make install; a package has its distribution's" >&2; exit 1;; esac

deb: package-values
	@tools/build-deb.sh $(VARIANT)

# without VARIANT the distribution decides
rpm: package-values
	@tools/build-rpm.sh "$(if $(filter file,$(origin VARIANT)),,$(VARIANT))" "$(RHEL)"

release:
	@tools/release.sh "$(VERSION)"

# Written beside its place: a call that starts meanwhile reads the old program or the new one as a whole.
# Of an empty file Python makes a success. (source, options of the interpreter, folder, name)
program = sed -e '1s|.*|\#!$(PYTHON) $(2)|' -e 's|^LIBRARY = ""|LIBRARY = "$(LIBRARY)"|' $(1) \
	> "$(3)/.$(4).new" && chmod 0755 "$(3)/.$(4).new" && mv -f "$(3)/.$(4).new" "$(3)/$(4)"

install: check-values
	@test -n "$(BUILD_PYTHON)" || { echo "found no Python to make the manual page with: set BUILD_PYTHON \
	to one" >&2; exit 1; }
	@find paf -name '*.py' | while read -r file; do \
		install -D -p -m 0644 "$$file" "$(DESTDIR)$(LIBRARY)/$$file" || exit 1; done
	@sed -e 's|^NAME = "[^"]*"|NAME = "$(VARIANT)"|' -e 's|^OCF = "[^"]*"|OCF = "$(OCF)"|' \
		-e 's|^PGHOST = "[^"]*"|PGHOST = "$(PGHOST)"|' \
		-e 's|^PAGES = "[^"]*"|PAGES = "$(or $(PAGES),docs)"|' \
		paf/variant.py > "$(DESTDIR)$(LIBRARY)/paf/.variant.new"
	@chmod 0644 "$(DESTDIR)$(LIBRARY)/paf/.variant.new"
	@touch -r paf/variant.py "$(DESTDIR)$(LIBRARY)/paf/.variant.new"
	@mv -f "$(DESTDIR)$(LIBRARY)/paf/.variant.new" "$(DESTDIR)$(LIBRARY)/paf/variant.py"
	@find "$(DESTDIR)$(LIBRARY)/paf" -name '*.py[co]' -exec rm -f {} +
	@install -d "$(DESTDIR)$(AGENTS)"
	@$(call program,resource.d/pgsqlms,$(FLAGS),$(DESTDIR)$(AGENTS),pgsqlms)
	@install -d "$(DESTDIR)$(COMMANDS)"
	@$(call program,bin/paf,$(FLAGS),$(DESTDIR)$(COMMANDS),paf)
	@$(call program,bin/paf-alert,$(COMMAND_FLAGS),$(DESTDIR)$(LIBRARY),paf-alert)
	@test "$(VARIANT)" = corosync1 || for unit in units/*; do \
		install -D -p -m 0644 "$$unit" "$(DESTDIR)$(UNITS)/$${unit#units/}" || exit 1; done
	@test "$(VARIANT)" = corosync1 || \
		install -D -p -m 0755 bin/paf-health "$(DESTDIR)$(PROGRAMS)/paf-health"
	@install -d "$(DESTDIR)$(MANUALS)"
	@"$(BUILD_PYTHON)" -B docs/manpage.py "$(DESTDIR)$(LIBRARY)" \
		> "$(DESTDIR)$(MANUALS)/ocf_heartbeat_pgsqlms.7"
	@install -d "$(DESTDIR)$(COMMAND_MANUALS)" "$(DESTDIR)$(COMPLETIONS)"
	@"$(BUILD_PYTHON)" -B docs/command.py "$(DESTDIR)$(LIBRARY)" man \
		> "$(DESTDIR)$(COMMAND_MANUALS)/paf.8"
	@"$(BUILD_PYTHON)" -B docs/command.py "$(DESTDIR)$(LIBRARY)" bash \
		> "$(DESTDIR)$(COMPLETIONS)/paf"
	@chmod 0644 "$(DESTDIR)$(MANUALS)/ocf_heartbeat_pgsqlms.7" "$(DESTDIR)$(COMMAND_MANUALS)/paf.8" \
		"$(DESTDIR)$(COMPLETIONS)/paf"
	@test -z "$(DOCS)" || { install -d "$(DESTDIR)$(DOCS)" && \
		install -p -m 0644 README.md CHANGELOG.md LICENSE "$(DESTDIR)$(DOCS)"; }
	@test -z "$(PAGES)" || for file in docs/*.md docs/schemas/*.json docs/monitoring/* docs/pictures/*.svg; do \
		install -D -p -m 0644 "$$file" "$(DESTDIR)$(PAGES)/$${file#docs/}" || exit 1; done
	@echo "installed $(VARIANT), OCF $(OCF), for $(PYTHON) under $(DESTDIR)/"
