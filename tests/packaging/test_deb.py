"""The Debian package: what is in it, what it asks for, what it leaves behind."""

import re
import xml.etree.ElementTree as etree

import pytest

from tests.packaging.support import (
    AGENT, ALERT, COMMAND, COMMAND_MANUAL, COMPLETION, LIBRARY, MANUAL, OTHER_BUILDER, PROGRAMS,
    REPOSITORY, UNITS, library_files, need, pages, run, units)

VARIANTS = ("corosync1", "corosync2")
SHEBANG = {"corosync1": "#!/usr/bin/python -ESsB", "corosync2": "#!/usr/bin/python3 -ISB"}
NAME = {"corosync1": "resource-agents-paf-corosync1", "corosync2": "resource-agents-paf"}
OCF = {"corosync1": "1.0", "corosync2": "auto"}
DEPENDS = {
    "corosync1": ["corosync (<< 2)", "pacemaker (<< 1.1.13)", "python (>= 2.6)", "resource-agents"],
    "corosync2": ["corosync (>= 2.0.0)", "pacemaker (>= 1.1.13) | pacemaker-remote (>= 1.1.13)",
                  "pacemaker-cli-utils", "python3:any", "resource-agents"],
}
RECOMMENDS = {"corosync1": ["python-lxml", "python-psycopg2"],
              "corosync2": ["python3-lxml", "python3-psycopg2"]}

# what `systemctl enable` makes of the two units that can be
LINKS = ("sockets.target.wants/paf-health.socket", "timers.target.wants/paf-metrics.timer")

# Compiles the library again when the distribution's python3 changes; dh_python3 adds it.
RTUPDATE = {"corosync1": set(),
            "corosync2": {"/usr/share/python3/runtime.d/resource-agents-paf.rtupdate"}}

# Debian 7 compiles for Python 2 with these; what they do there, for machines without them
PYCOMPILE = "#!/bin/sh\nexec /usr/bin/python -m compileall -q \"$3\"\n"
PYCLEAN = "#!/bin/sh\ndpkg -L \"$2\" | sed -n 's/\\.py$/.pyc/p' | xargs rm -f\n"


@pytest.fixture(params=VARIANTS)
def variant(request):
    """Each variant in turn."""
    return request.param


def test_it_is_built_also_where_programs_cannot_run_in_the_folder_for_temporary_files(tmp_path):
    """As where /tmp is mounted noexec: debian/rules is a program."""
    need("dpkg-buildpackage", "dpkg-dev")
    (tmp_path / "noexec").mkdir()
    run("unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o noexec tmpfs "$TMPDIR" && exec "$@"',
        "sh", REPOSITORY / "tools/build-deb.sh", "corosync2",
        env={"TMPDIR": str(tmp_path / "noexec"), "DIST": str(tmp_path), "UNCHECKED": "yes"})
    assert list((tmp_path / "corosync2").glob("*.deb"))
    assert not list((REPOSITORY / "build").glob("deb.*"))


def test_what_is_missing_to_build_with_is_named_with_a_cure(root):
    root.add("/usr/bin/dpkg-checkbuilddeps", "#!/bin/sh\n"
             "echo dpkg-checkbuilddeps: error: Unmet build dependencies: dh-python >&2\nexit 1\n")
    result = root.run(REPOSITORY / "tools/build-deb.sh", "corosync2", check=False)
    assert result.returncode
    assert "make deb: Unmet build dependencies: dh-python\n" in result.stderr
    assert f"apt-get build-dep {REPOSITORY}" in result.stderr


@pytest.fixture
def deb(build, variant):
    """The path of the variant's package."""
    need("dpkg-buildpackage", "dpkg-dev")
    need("dh_python3", "dh-python")
    return build("deb", f"VARIANT={variant}")


@pytest.fixture
def node(root, variant, pythons):
    """A root with the interpreter that nodes of the variant have."""
    root.run("dpkg", "--purge", *NAME.values())
    if variant == "corosync1":
        root.add("/usr/bin/python", link=pythons["2.7"])
        root.add("/usr/bin/pycompile", PYCOMPILE)
        root.add("/usr/bin/pyclean", PYCLEAN)
    return root


def install(root, deb):
    """Install the package; a node has the cluster's packages, this machine need not."""
    root.run("dpkg", "--force-depends", "--install", f"/mnt/{deb.name}", share=deb.parent)


def field(deb, name):
    """Return a field of the package, a list of what is between its commas, sorted."""
    return sorted(run("dpkg-deb", "--field", deb, name).stdout.strip().split(", "))


def test_make_names_the_package(deb, variant):
    assert deb.parts[-2:] == (variant, f"{NAME[variant]}_3.0.0-1_all.deb")


def test_it_holds_the_agent_the_library_the_manual_and_documents(deb, variant, checkout):
    listed = {line.split()[5].lstrip("."): line.split()[:2]
              for line in run("dpkg-deb", "--contents", deb).stdout.splitlines()}
    files = {name for name in listed if not name.endswith("/")}
    documents = {f"/usr/share/doc/{NAME[variant]}/{name}" for name in (
        "README.md.gz", "changelog.gz", "changelog.Debian.gz", "copyright",
        *(["NEWS.Debian.gz"] if variant == "corosync2" else []))}
    documents |= pages(checkout, f"/usr/share/doc/{NAME[variant]}")
    assert files == library_files(checkout) | documents | RTUPDATE[variant] | {
        AGENT, ALERT, COMMAND, f"{MANUAL}.gz", f"{COMMAND_MANUAL}.gz", COMPLETION,
        f"/usr/share/lintian/overrides/{NAME[variant]}"} | (
            units() if variant == "corosync2" else set())
    for name in files:
        mode = "-rwxr-xr-x" if name in PROGRAMS | RTUPDATE[variant] else "-rw-r--r--"
        assert listed[name] == [mode, "root/root"], name


def test_it_depends_on_what_the_variant_needs(deb, variant):
    assert field(deb, "Depends") == DEPENDS[variant]
    assert field(deb, "Recommends") == RECOMMENDS[variant]


def test_it_has_the_name_of_the_perl_package_and_a_later_version(deb, variant):
    """Or takes its place: an archive holds one package of a name, and a node one of the two."""
    assert field(deb, "Package") == [NAME[variant]]
    assert run("dpkg", "--compare-versions", field(deb, "Version")[0], "gt", "2.3.0-1",
               check=False).returncode == 0
    other = next(name for name in NAME.values() if name != NAME[variant])
    assert field(deb, "Conflicts") == field(deb, "Replaces") == [other]
    assert field(deb, "Provides") == ([other] if variant == "corosync1" else [""])


@pytest.mark.parametrize("variant", [
    pytest.param("corosync1", marks=pytest.mark.long), "corosync2"], indirect=True)
def test_both_are_built_at_once_and_each_is_the_same_to_the_byte(deb, variant, checkout, tmp_path):
    run(*OTHER_BUILDER, "tools/build-deb.sh", "both", cwd=checkout,
        env={"DIST": str(tmp_path), "TZ": "Pacific/Kiritimati"})
    changes = next((tmp_path / "both").glob("*.changes")).read_text()
    assert all(f" {name}_3.0.0-1_all.deb\n" in changes for name in NAME.values())
    for first in [deb, *deb.parent.glob("*.tar.*")]:
        assert (tmp_path / "both" / first.name).read_bytes() == first.read_bytes(), first


@pytest.mark.long
@pytest.mark.parametrize("variant", ["corosync2"], indirect=True)
def test_its_source_package_builds_without_a_network(deb, variant, tmp_path):
    """As Debian's builders do it: what is needed comes with the source, or with Build-Depends."""
    dsc, = deb.parent.glob("*.dsc")
    run("dpkg-source", "--extract", dsc, tmp_path / "source")
    run("unshare", "--net", "dpkg-buildpackage", "-b", "-us", "-uc", cwd=tmp_path / "source")
    assert (tmp_path / deb.name).read_bytes() == deb.read_bytes()


def test_the_agent_is_built_for_the_variant(deb, variant, tmp_path):
    run("dpkg-deb", "--extract", deb, tmp_path)
    assert (tmp_path / AGENT[1:]).read_text().splitlines()[0] == SHEBANG[variant]
    values = (tmp_path / LIBRARY[1:] / "paf/variant.py").read_text()
    assert f'NAME = "{variant}"' in values
    assert f'OCF = "{OCF[variant]}"' in values
    assert 'PGHOST = "/var/run/postgresql"' in values
    assert f'PAGES = "/usr/share/doc/{NAME[variant]}/docs"' in values


@pytest.mark.long
def test_lintian_has_nothing_to_say(deb):
    need("lintian", "lintian")
    changes, = deb.parent.glob("*.changes")
    # systemd's units are extras, off until enabled. No override says so: the tag is gone from
    # lintian 2.143, for which an override of it is an error
    found = run("lintian", "--display-info", "--pedantic", "--suppress-tags",
                "package-supports-alternative-init-but-no-init.d-script", changes, check=False)
    assert not re.search(r"^[EWIP]: ", found.stdout, re.MULTILINE), found.stdout


def test_the_installed_agent_prints_its_meta_data(node, deb, variant):
    install(node, deb)
    printed = node.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                       "env", "-i", AGENT, "meta-data").stdout
    metadata = etree.fromstring(printed)
    assert metadata.findtext("version") == ("1.0" if variant == "corosync1" else "1.1")
    assert metadata.find("parameters/parameter[@name='pghost']/content").get(
        "default") == "/var/run/postgresql"


def test_the_installed_command_runs(node, deb):
    install(node, deb)
    assert "usage: paf" in node.run(COMMAND, "--help").stdout


def test_the_library_is_compiled_when_it_is_installed(node, deb, checkout):
    install(node, deb)
    compiled = {name for name in node.changes() if name.endswith(".pyc")}
    assert len(compiled) == len(library_files(checkout))


def test_running_writes_nothing(node, deb):
    install(node, deb)
    before = node.changes()
    node.run(AGENT, "meta-data")
    node.run(AGENT, "validate-all", check=False)
    assert node.changes() == before


@pytest.mark.parametrize("verb", [pytest.param("--remove", marks=pytest.mark.long), "--purge"])
def test_nothing_is_left_behind(node, deb, variant, verb):
    before = node.changes()
    install(node, deb)
    assert node.changes() != before
    node.run("dpkg", verb, NAME[variant])
    assert node.changes() == before


@pytest.mark.parametrize("variant", ["corosync2"], indirect=True)
def test_what_was_enabled_of_its_units_outlives_upgrades_and_goes_with_it(node, deb, variant):
    """Whatever system the package was built on; they are enabled by administrators alone."""
    for program in ("/usr/bin/deb-systemd-invoke", "/usr/bin/systemctl"):
        node.add(program, '#!/bin/sh\necho "$(basename "$0") $*" >> /run/asked\n')
    node.run("mkdir", "-p", "/run/systemd/system")
    before = node.changes()
    install(node, deb)
    assert node.changes() & {f"/etc/systemd/system/{name}" for name in LINKS} == set()
    for link in LINKS:
        node.run("mkdir", "-p", f"/etc/systemd/system/{link.rsplit('/', 1)[0]}")
        node.run("ln", "-s", f"{UNITS}/{link.rsplit('/', 1)[1]}", f"/etc/systemd/system/{link}")
    node.run("rm", "-f", "/run/asked")
    install(node, deb)
    assert {f"/etc/systemd/system/{link}" for link in LINKS} <= node.changes()
    asked = node.run("cat", "/run/asked").stdout.splitlines()
    invoked = [line for line in asked if line.startswith("deb-systemd-invoke ")]
    assert invoked == ["deb-systemd-invoke restart paf-health.socket paf-metrics.timer"]
    node.run("rm", "/run/asked")
    node.run("dpkg", "--purge", NAME[variant])
    asked = node.run("cat", "/run/asked").stdout.splitlines()
    assert "deb-systemd-invoke stop paf-health.socket paf-metrics.timer" in asked
    assert "systemctl --system daemon-reload" in asked
    assert node.changes() == before


def test_what_ran_after_the_bytecode_was_made_is_removed_too(node, deb, variant):
    """A Python without -B (an administrator's experiment) may write bytecode next to ours."""
    python = SHEBANG[variant][2:].split()[0]
    before = node.changes()
    install(node, deb)
    node.run(python, "-c", f"import sys; sys.path.insert(0, '{LIBRARY}'); import paf.agent")
    node.run("dpkg", "--purge", NAME[variant])
    assert node.changes() == before
