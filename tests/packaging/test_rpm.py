"""The rpm, for each distribution and variant: what is in it, what it asks for, what it leaves."""

import collections
import re
import xml.etree.ElementTree as etree

import pytest

from tests.packaging.support import (
    AGENT, ALERT, COMMAND, COMMAND_MANUAL, COMPLETION, DOCS, LIBRARY, MANUAL, OTHER_BUILDER,
    PROGRAMS, REPOSITORY, library_files, need, pages, run, units)

# rhel "": a distribution that is not Red Hat's, or Fedora
Target = collections.namedtuple("Target", "rhel asked variant interpreter flags ocf")

TARGETS = [
    Target("", "", "corosync2", "/usr/bin/python3", "-ISB", "1.1"),
    Target("", "corosync1", "corosync1", "/usr/bin/python3", "-ISB", "1.0"),
    Target("", "corosync2", "corosync2", "/usr/bin/python3", "-ISB", "1.1"),
    Target("6", "", "corosync1", "/usr/bin/python", "-ESsB", "1.0"),
    Target("6", "corosync1", "corosync1", "/usr/bin/python", "-ESsB", "1.0"),
    Target("6", "corosync2", "corosync2", "/usr/bin/python", "-ESsB", "1.0"),
    Target("7", "", "corosync2", "/usr/bin/python", "-ESsB", "1.0"),
    Target("7", "corosync1", "corosync1", "/usr/bin/python", "-ESsB", "1.0"),
    Target("8", "", "corosync2", "/usr/libexec/platform-python", "-ISB", "auto"),
    Target("8", "corosync1", "corosync1", "/usr/libexec/platform-python", "-ISB", "1.0"),
    Target("9", "", "corosync2", "/usr/bin/python3", "-ISB", "1.1"),
    Target("9", "corosync1", "corosync1", "/usr/bin/python3", "-ISB", "1.0"),
    Target("10", "", "corosync2", "/usr/bin/python3", "-ISB", "1.1"),
    Target("10", "corosync1", "corosync1", "/usr/bin/python3", "-ISB", "1.0"),
]
CLUSTER = {
    "corosync1": {"corosync < 2", "pacemaker", "resource-agents"},
    "corosync2": {"corosync >= 2.0.0", "pacemaker >= 1.1.13", "resource-agents"},
}
#: The Python that takes the place of a distribution's interpreter on this machine.
STAND_IN = {"/usr/bin/python": "2.7", "/usr/libexec/platform-python": "3.9"}


def _name(target):
    return f"el{target.rhel or '-none'}-{target.asked or 'default'}"


@pytest.fixture(params=[
    pytest.param(target, id=_name(target), marks=[pytest.mark.long] if target.asked else [])
    for target in TARGETS])
def target(request):
    """Each distribution and variant in turn."""
    return request.param


@pytest.fixture
def rpm(build, target):
    """The path of the target's package."""
    need("rpmbuild", "rpm")
    words = [f"RHEL={target.rhel}"] if target.rhel else []
    return build("rpm", *words, *([f"VARIANT={target.asked}"] if target.asked else []))


@pytest.fixture
def node(root, target, pythons):
    """A root with the interpreter that nodes of the target have."""
    if target.interpreter in STAND_IN:
        root.add(target.interpreter, link=pythons[STAND_IN[target.interpreter]])
    return root


def query(rpm, *what):
    """Return the lines that rpm answers about a package file."""
    return run("rpm", "--query", "--package", rpm, *what).stdout.splitlines()


def install(root, rpm):
    """Install the package; rpm does not see what Debian's packages bring."""
    root.run("rpm", "--install", "--nodeps", "--force-debian", f"/mnt/{rpm.name}", share=rpm.parent)


def test_make_names_the_package(rpm, target):
    release = f"1.el{target.rhel}" if target.rhel else "1"
    assert rpm.parts[-2:] == (target.variant, f"resource-agents-paf-3.0.0-{release}.noarch.rpm")


def test_it_holds_the_agent_the_library_the_manual_and_documents(rpm, checkout, target):
    listed = dict(line.rsplit(" ", 1)[::-1] for line in
                  query(rpm, "--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\n]"))
    files = {name for name, mode in listed.items() if not mode.startswith("d")
             and "/doc/" not in name and "/licenses/" not in name}
    bytecode = {name for name in files if name.endswith((".pyc", ".pyo"))}
    assert files - bytecode == library_files(checkout) | {
        AGENT, ALERT, MANUAL, COMMAND, COMMAND_MANUAL, COMPLETION} | (
            units() if target.variant == "corosync2" else set())
    for name in files:
        mode = "-rwxr-xr-x" if name in PROGRAMS else "-rw-r--r--"
        assert listed[name] == mode, name
    # as folders, so that bytecode of any Python goes away with the package
    assert {LIBRARY, f"{LIBRARY}/paf", f"{LIBRARY}/paf/cluster"} <= set(listed)
    documents = {name.rsplit("/", 1)[1] for name in listed
                 if "/doc/" in name or "/licenses/" in name}
    assert {"README.md", "CHANGELOG.md", "LICENSE"} <= documents
    assert {name for name in listed if "/doc/" in name and "/docs/" in name
            and not listed[name].startswith("d")} == pages(checkout)


def test_each_file_is_listed_once(rpm):
    files = query(rpm, "--list")
    assert len(files) == len(set(files))
    spec = (REPOSITORY / "rpm/resource-agents-paf.spec").read_text()
    listed = [line for line in spec.partition("%files\n")[2].partition("%changelog")[0].splitlines()
              if line]
    assert len(listed) == len(set(listed))


def test_a_second_build_is_the_same_to_the_byte(rpm, target, checkout, tmp_path):
    if target.asked or target.rhel not in ("6", "8", "10"):
        return    # three of them say it for all
    run(*OTHER_BUILDER, "tools/build-rpm.sh", "", target.rhel, cwd=checkout,
        env={"DIST": str(tmp_path), "TZ": "Pacific/Kiritimati"})
    for first in rpm.parent.glob("*.rpm"):
        assert (tmp_path / target.variant / first.name).read_bytes() == first.read_bytes(), first


def test_a_file_of_another_user_in_tmp_is_not_in_the_way():
    """Not even root may write to it: fs.protected_regular. /tmp itself is locked instead."""
    script = (REPOSITORY / "tools/build-rpm.sh").read_text()
    assert "exec 9< /tmp\n" in script and "exec 9>" not in script


def test_its_source_package_builds_without_a_network(rpm, target, tmp_path):
    source, = rpm.parent.glob("*.src.rpm")
    # --nodeps: the database of a guest does not know what is installed
    macros = [f"_topdir {tmp_path}"]
    if target.rhel:    # a builder of that release has them
        macros += [f"rhel {target.rhel}", f"dist .el{target.rhel}"]
    run("unshare", "--net", "rpmbuild", "--rebuild", "--nodeps",
        *(word for macro in macros for word in ("--define", macro)), source)
    again, = (tmp_path / "RPMS" / "noarch").glob("*.rpm")
    assert again.name == rpm.name and query(again, "--list") == query(rpm, "--list")


#: The Perl agent as Red Hat's repositories have it: a part of resource-agents, with its version.
_REDHAT_S = """
Name: resource-agents-paf
Version: 4.10.0
Release: 111
Summary: PostgreSQL Automatic Failover (PAF) resource agent
License: PostgreSQL
BuildArch: noarch
%description
%install
install -d %{buildroot}/usr/lib/ocf/resource.d/heartbeat
echo '#!/usr/bin/perl' > %{buildroot}/usr/lib/ocf/resource.d/heartbeat/pgsqlms
%files
/usr/lib/ocf/resource.d/heartbeat/pgsqlms
"""


@pytest.fixture(scope="session")
def perl_rpm(tmp_path_factory):
    """The path of an rpm with the name and the version of Red Hat's."""
    folder = tmp_path_factory.mktemp("perl-rpm")
    (folder / "perl.spec").write_text(_REDHAT_S)
    run("rpmbuild", "-bb", "--nodeps", "--define", f"_topdir {folder}", folder / "perl.spec")
    package, = (folder / "RPMS" / "noarch").glob("*.rpm")
    return package


@pytest.mark.parametrize("target", [target for target in TARGETS if target.rhel == "9"
                                    and not target.asked], indirect=True)
def test_it_is_an_upgrade_of_red_hats_perl_package(root, rpm, perl_rpm):
    """And no `dnf upgrade` replaces it with that one."""
    install(root, perl_rpm)
    upgrade = ("rpm", "--upgrade", "--nodeps", "--force-debian")
    root.run(*upgrade, f"/mnt/{rpm.name}", share=rpm.parent)
    assert root.run("head", "-n", "1", AGENT).stdout == "#!/usr/bin/python3 -ISB\n"
    back = root.run(*upgrade, f"/mnt/{perl_rpm.name}", share=perl_rpm.parent, check=False)
    assert back.returncode and "is already installed" in back.stderr


def test_it_requires_what_the_variant_and_the_distribution_need(rpm, target):
    required = {line for line in query(rpm, "--requires") if not line.startswith("rpmlib")}
    python = {target.interpreter}
    if target.interpreter == "/usr/bin/python":
        python.add("python >= 2.6")
    if target.rhel == "6":
        python.add("python-argparse")
    assert required == CLUSTER[target.variant] | python | {"/bin/sh"}
    recommended = set(query(rpm, "--recommends"))
    assert recommended == (set() if target.rhel in ("6", "7")
                           else {"python3-lxml", "python3-psycopg2"})


def test_the_agent_is_built_for_the_variant(node, rpm, target):
    install(node, rpm)
    assert node.run("head", "-n", "1", AGENT).stdout == f"#!{target.interpreter} {target.flags}\n"
    values = node.run("cat", f"{LIBRARY}/paf/variant.py").stdout
    for name, value in (("NAME", target.variant), ("OCF", target.ocf), ("PGHOST", "/tmp"),
                        ("PAGES", f"{DOCS}/docs")):
        assert f'{name} = "{value}"' in values


def test_the_installed_agent_prints_its_meta_data_and_goes_without_a_trace(node, rpm, target):
    before = node.changes()
    install(node, rpm)
    printed = node.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                       "env", "-i", AGENT, "meta-data").stdout
    assert etree.fromstring(printed).findtext("version") == target.ocf.replace("auto", "1.1")
    assert "usage: paf" in node.run(COMMAND, "--help").stdout
    node.run("rpm", "--erase", "--force-debian", "resource-agents-paf")
    assert node.changes() == before


def test_the_library_is_compiled_by_the_nodes_own_interpreter(node, rpm, target):
    """The builder's may be another one, whose bytecode is never read."""
    install(node, rpm)
    program = ("import sys\ntry:\n    from importlib.util import cache_from_source as at\n"
               "except ImportError:\n    at = lambda path: path + 'c'\n"
               "for path in sys.stdin:\n    print(at(path.strip()))")
    files = node.run("find", LIBRARY, "-name", "*.py").stdout
    compiled = node.run("sh", "-c", 'find "$1" -name "*.py" | "$2" -c "$3"', "sh", LIBRARY,
                        target.interpreter, program).stdout.split()
    there = set(node.run("find", LIBRARY, "-name", "*.pyc").stdout.split())
    assert len(compiled) == len(files.split()) > 100 and there == set(compiled)


@pytest.mark.parametrize("target", [target for target in TARGETS if target.rhel in ("7", "9")
                                    and not target.asked], indirect=True)
def test_what_was_enabled_of_its_units_outlives_upgrades_and_goes_with_it(node, rpm):
    node.add("/usr/bin/systemctl", '#!/bin/sh\necho "$*" >> /run/asked\n')
    node.run("mkdir", "-p", "/run/systemd/system")
    install(node, rpm)
    assert node.run("test", "-e", "/run/asked", check=False).returncode == 1
    node.run("rpm", "--upgrade", "--nodeps", "--force-debian", "--replacepkgs", f"/mnt/{rpm.name}",
             share=rpm.parent)
    units_of_administrators = "paf-health.socket paf-metrics.timer"
    assert node.run("cat", "/run/asked").stdout.splitlines() == [
        "daemon-reload", f"try-restart {units_of_administrators}"]
    node.run("rm", "/run/asked")
    node.run("rpm", "--erase", "--force-debian", "resource-agents-paf")
    assert node.run("cat", "/run/asked").stdout.splitlines() == [
        f"--no-reload disable {units_of_administrators}", f"stop {units_of_administrators}",
        "daemon-reload"]


def rpmlint(*subjects):
    """Return what rpmlint finds, beside what we know and say why."""
    need("rpmlint", "rpmlint")
    filters = REPOSITORY / "rpm/rpmlint.toml"
    found = [run("rpmlint", "--config", filters, subject, check=False).stdout
             for subject in subjects]
    return [line for text in found for line in text.splitlines() if re.search(r": [EW]: ", line)]


def test_rpmlint_has_nothing_to_say_of_a_package(rpm):
    source, = rpm.parent.glob("*.src.rpm")
    assert rpmlint(rpm, source) == []


def test_rpmlint_has_nothing_to_say_of_the_spec():
    assert rpmlint(REPOSITORY / "rpm/resource-agents-paf.spec") == []
