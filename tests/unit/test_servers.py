"""The PostgreSQL servers that the component tests are tried with: one that is missing is named."""

import pytest

from lab.tools import LabError
from tests import servers


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with PostgreSQL 15; PyPI has the others, and there is no root."""
    def refuse(release):
        raise LabError(f"no archive for {release}")
    monkeypatch.setattr(servers, "own", lambda: {"15": "/usr/lib/postgresql/15/bin"})
    monkeypatch.setattr(servers.servers, "from_pypi", lambda version: str(tmp_path / version))
    monkeypatch.setattr(servers.systems, "prepare", refuse)
    return tmp_path


#: Fails with one server; each says which programs it was given.
PLAYED = ["sh", "-c",
          'echo "$PAF_TEST_BINDIR" >> {0}; case $PAF_TEST_BINDIR in */16/*) exit 1; esac']


def test_the_command_runs_once_with_each_server(machine, capfd):
    seen = machine / "seen"
    command = [word.format(seen) for word in PLAYED]
    assert servers.main(command) == 1
    assert seen.read_text().splitlines() == [
        str(machine / "14" / "bin"), "/usr/lib/postgresql/15/bin",
        *(str(machine / version / "bin") for version in ("16", "17", "18"))]
    said = capfd.readouterr().out.splitlines()
    assert "MISSING PostgreSQL 19 (no archive for sid)" in said
    assert "FAILED with PostgreSQL 16" in said
    assert [line.split(":")[0] for line in said if line.startswith("NOT TRIED")] == [
        "NOT TRIED 10 to 12", "NOT TRIED 13"]


def test_those_that_are_chosen_are_enough(machine):
    command = [word.format(machine / "seen") for word in PLAYED]
    assert servers.main(["--only", "17,18", *command]) == 0


def test_one_that_is_none_is_refused(machine, capfd):
    assert servers.main(["--only", "15,9", "true"]) == 2
    assert capfd.readouterr().out == "not known: 9; there are 14, 15, 16, 17, 18, 19\n"


def test_in_a_root_the_command_runs_in_a_layer_over_it(machine, monkeypatch):
    monkeypatch.setattr(servers.systems, "prepare", lambda release: f"/roots/{release}")
    words, folder = servers.command_for("19", ["pytest", "-q"])
    assert words[0] == "unshare" and "/roots/sid" in words and words[-2:] == ["pytest", "-q"]
    assert folder == "/usr/lib/postgresql/19/bin"
