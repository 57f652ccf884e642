"""The Pythons that the agent is tried under: all that the machine has, and the others are named."""

import errno
import os
import pathlib

import pytest

from tests import interpreters

#: What stands in for an interpreter: it says its version, and remembers nothing.
PYTHON = "#!/bin/sh\necho -n {0}\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without Pythons; a function that puts one of a version into a folder."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.delenv("PAF_INTERPRETERS", raising=False)
    monkeypatch.setattr(interpreters, "REPOSITORY", tmp_path)

    def install(folder, version, says=None):
        path = tmp_path / folder / f"python{version}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PYTHON.format(says or version))
        path.chmod(0o755)
        return str(path)
    return install


def test_pyenvs_are_found_beside_those_on_the_path(machine):
    paths = {"3.11": machine("bin", "3.11"),
             "3.6": machine("pyenv/versions/3.6.15/bin", "3.6"),
             "2.7": machine("pyenv/versions/2.7.18/bin", "2.7"),
             "3.14": machine("build/interpreters/bin", "3.14")}
    machine("pyenv/versions/3.11.7/bin", "3.11")
    assert interpreters.found() == paths


def test_a_pyenv_of_another_user_has_none(machine, tmp_path, monkeypatch):
    """PYENV_ROOT of a shell that became another user's; root may look into it anyway."""
    machine("pyenv/versions/3.6.15/bin", "3.6")
    access = os.access

    def refuse(path, *_arguments):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))
    for name in ("glob", "iterdir", "stat", "exists"):
        monkeypatch.setattr(pathlib.Path, name, refuse)
    monkeypatch.setattr(os, "access", lambda path, mode, **more: (
        not str(path).startswith(str(tmp_path / "pyenv")) and access(path, mode, **more)))
    assert interpreters.found() == {}


def test_one_that_does_not_run_or_is_another_is_none(machine):
    machine("bin", "3.9", says="3.10")
    machine("pyenv/shims", "3.8")
    assert interpreters.found() == {}


def test_what_is_not_there_is_said_in_a_line(machine, capsys):
    for version in interpreters.REQUIRED:
        machine("bin", version)
    assert interpreters.main([]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == [
        "Python 2.7", "Python 3.9", "Python 3.14", "NOT TRIED, no interpreter"]
    assert said[-1].endswith("2.6, 3.4, 3.5, 3.6, 3.7, 3.8, 3.10, 3.11, 3.12, 3.13")


def test_what_has_to_be_there_and_is_not_is_a_failure_with_its_cure(machine, capsys):
    machine("bin", "3.9")
    assert interpreters.main([]) == 1
    assert "MISSING: Python 2.7, 3.14: run tests/install-interpreters.sh" in capsys.readouterr().out


def test_the_others_are_no_matter_where_some_are_chosen(machine, capsys):
    machine("bin", "3.9")
    assert interpreters.main(["--only", "agent39"]) == 0
    assert "NOT TRIED" not in capsys.readouterr().out
