#!/bin/sh
# Install with apt what the lab, the tests and the checks need, on a Debian 12 (root; git and
# nothing else is assumed).
#
#   tests/install-tools.sh [SET ...]        sets: lab unit lint packaging docs (these
#       without an argument), packaging-all, for `make check-all`, matrix, for roots of other
#       releases, machines, for lab/machines, and coverage, for `make check` and `make coverage`
#
# No service gets started or enabled, no database cluster is created; apt's
# settings are restored afterwards.
set -eu

POLICY=/usr/sbin/policy-rc.d
CREATE=/etc/postgresql-common/createcluster.conf
DEFAULT_CREATE=/usr/share/postgresql-common/createcluster.conf
KEEP=.before-paf
# service:package
SERVICES="corosync:corosync pacemaker:pacemaker pcsd:pcs pcsd-ruby:pcs logd:cluster-glue
    postgresql:postgresql-common prometheus:prometheus
    prometheus-node-exporter:prometheus-node-exporter haproxy:haproxy"

say() { echo "install-tools: $*"; }

packages() {
    case $1 in
        lab) echo "make python3 python3-psycopg2 iproute2 nftables util-linux procps psmisc strace" \
                  "corosync pacemaker pacemaker-cli-utils resource-agents pcs crmsh" \
                  "dpkg-dev debhelper dh-python" \
                  "postgresql-15 pgbackrest" ;;
        unit) echo "make python3 python3-pytest python3-pytest-xdist python3-hypothesis" \
                   "python3-greenlet" \
                   "python3-psycopg2 python3-lxml python3-jsonschema" \
                   "python3-venv" \
                   "postgresql-15 pgbackrest pacemaker-cli-utils resource-agents pcs libxml2-utils" \
                   "xsltproc" ;;
        packaging) echo "make python3 python3-venv python3-pytest python3-hypothesis util-linux" \
                        "build-essential debhelper dh-python lintian rpm rpmlint man-db" \
                        "perl postgresql pacemaker-cli-utils resource-agents" \
                        "python3-all python3-setuptools python3-pip python3-wheel tox" ;;
        matrix) echo "mmdebstrap python3-pip" ;;
        machines) echo "mmdebstrap e2fsprogs qemu-system-x86 qemu-utils ipxe-qemu seabios" ;;
        packaging-all) echo "autopkgtest mmdebstrap piuparts" ;;
        lint) echo "make python3 python3-venv python3-pip shellcheck codespell" ;;
        coverage) echo "python3-coverage python3-pytest-cov" ;;
        docs) echo "make python3 python3-sphinx python3-myst-parser prometheus" \
                   "prometheus-node-exporter haproxy" ;;
        *) say "no set '$1': lab, unit, packaging, packaging-all, lint, docs, coverage, machines or matrix" >&2
           exit 2 ;;
    esac
}

missing() {
    for package; do
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
        [ "$status" = installed ] || echo "$package"
    done
}

# Put a file of ours in place of one of the system's; a copy that is there already is an interrupted
# run's, and the right one
guard() {
    if [ ! -e "$1$KEEP" ] && [ ! -e "$1$KEEP-none" ]; then
        mkdir -p "$(dirname "$1")"
        if [ -e "$1" ]; then cp -p "$1" "$1$KEEP"; else : > "$1$KEEP-none"; fi
    fi
    printf '%s\n' "$2" > "$1"
}

restore() {
    if [ -e "$1$KEEP" ]; then
        mv "$1$KEEP" "$1"
    elif [ -e "$1$KEEP-none" ]; then
        rm -f "$1" "$1$KEEP-none"
    fi
}

restore_all() {
    restore "$POLICY"
    none=no
    [ ! -e "$CREATE$KEEP-none" ] || none=yes
    restore "$CREATE"
    # Had postgresql-common just been installed by hand, it would have brought its own file
    if [ $none = yes ] && [ -e "$DEFAULT_CREATE" ]; then
        cp "$DEFAULT_CREATE" "$CREATE"
        rm -f "$CREATE.ucf-dist"
    fi
    rmdir "$(dirname "$CREATE")" 2>/dev/null || :
}

disable_new_services() {
    command -v systemctl >/dev/null 2>&1 || return 0
    for one in $new; do
        systemctl disable --quiet "${one%:*}" >/dev/null 2>&1 || :
    done
}

wanted=
for set in "${@:-lab unit lint packaging docs}"; do
    for one in $set; do
        list=$(packages "$one")
        wanted="$wanted $list"
    done
done
# shellcheck disable=SC2086
wanted=$(printf '%s\n' $wanted | sort -u)
# shellcheck disable=SC2086
absent=$(missing $wanted)
if [ -z "$absent" ]; then
    say "all tools are there"
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    # shellcheck disable=SC2086
    say "these packages are missing, and only root can install them:" $absent >&2
    exit 1
fi

new=
for one in $SERVICES; do
    [ -z "$(missing "${one#*:}")" ] || new="$new $one"
done
trap restore_all EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
guard "$POLICY" '#!/bin/sh
exit 101'
chmod 755 "$POLICY"
guard "$CREATE" "create_main_cluster = false"

export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
say "installing with apt:" $absent
# a download that fails is tried again; a new machine may be installing updates of its own
apt() { apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=600 "$@"; }
# lists that could not be fetched are a warning to apt, and packages that it cannot find then
fetch_and_install() {
    # shellcheck disable=SC2086
    apt update && apt install -y --no-install-recommends \
        -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 $absent
}
fetch_and_install || fetch_and_install || {
    # shellcheck disable=SC2086
    say "apt failed. Is the archive reachable, and no other apt running? Then run this again, or" \
        "install by hand:" $absent >&2
    exit 1; }
disable_new_services
say "done"
