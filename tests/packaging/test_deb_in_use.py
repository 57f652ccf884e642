"""The Debian package at work: its autopkgtests, and the upgrade from the last release in Perl."""

import pytest

from tests.packaging.support import AGENT, LIBRARY, REPOSITORY, need, run

TESTS = REPOSITORY / "debian" / "tests"
PERL = "2.3.0"


@pytest.fixture
def deb(build):
    """The path of the corosync2 package."""
    need("dpkg-buildpackage", "dpkg-dev")
    return build("deb", "VARIANT=corosync2")


@pytest.fixture(scope="session")
def perl_deb(tmp_path_factory):
    """The path of the package of PAF 2.3.0, from Debian."""
    folder = tmp_path_factory.mktemp("perl")
    run("apt-get", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3", "download",
        "resource-agents-paf", cwd=folder)
    package, = folder.glob(f"resource-agents-paf_{PERL}-*_all.deb")
    return package


def install(root, deb):
    """Install a package; a node has the cluster's packages, this machine need not."""
    root.run("dpkg", "--force-depends", "--install", f"/mnt/{deb.name}", share=deb.parent)


@pytest.mark.parametrize("name, program, package", [
    ("metadata", "crm_resource", "pacemaker-cli-utils"),
    ("one-node", "pg_createcluster", "postgresql"),
])
def test_its_autopkgtest_passes(root, deb, name, program, package):
    need(program, package)
    install(root, deb)
    root.run("env", "AUTOPKGTEST_TMP=/tmp", f"/mnt/{name}", share=TESTS)


def test_every_autopkgtest_is_declared_and_run_here():
    declared = [line.split()[1] for line in (TESTS / "control").read_text().splitlines()
                if line.startswith("Tests:")]
    assert declared == ["metadata", "one-node"]
    assert {path.name for path in TESTS.iterdir()} == {"control", *declared}


def test_it_replaces_the_perl_package_in_place(root, deb, perl_deb):
    root.run("dpkg", "--purge", "resource-agents-paf")
    install(root, perl_deb)
    assert "perl" in root.run("head", "-n", "1", AGENT).stdout
    perl = root.run("dpkg", "--listfiles", "resource-agents-paf").stdout.split()
    install(root, deb)
    assert root.run("dpkg-query", "--show", "-f", "${db:Status-Abbrev}${Version}",
                    "resource-agents-paf").stdout == "ii 3.0.0-1"
    assert root.run("head", "-n", "1", AGENT).stdout == "#!/usr/bin/python3 -ISB\n"
    ours = root.run("dpkg", "--listfiles", "resource-agents-paf").stdout.split()
    for path in set(perl) - set(ours):
        assert root.run("test", "-f", path, check=False).returncode == 1, f"{path} was left"


def test_the_perl_package_can_come_back(root, deb, perl_deb):
    root.run("dpkg", "--purge", "resource-agents-paf")
    install(root, deb)
    install(root, perl_deb)
    assert "perl" in root.run("head", "-n", "1", AGENT).stdout
    assert root.run("test", "-e", LIBRARY, check=False).returncode == 1
