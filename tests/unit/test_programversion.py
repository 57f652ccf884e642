"""Of which version a program is, by its own words."""

import pytest

from paf.deadline import Deadline
from paf.instance import programversion
from paf.runner import NotStarted, Result
from tests.unit.support import instance_at


@pytest.mark.parametrize("said, mine, other", [
    ("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n", "15", ""),
    ("postgres (PostgreSQL) 18.1\n", "15", "18"),
    ("postgres (PostgreSQL) 19beta1\n", "19", ""),
    ("postgres (PostgreSQL) 19devel\n", "18", "19"),
    ("postgres (EnterpriseDB Advanced Server) 15.4.0\n", "15", ""),
    ("postgres (PostgreSQL) 9.6.24\n", "9.6", ""),
    ("postgres (PostgreSQL) 9.5.25\n", "9.6", "9.5"),
    ("postgres (PostgreSQL) 10.23\n", "9.6", "10"),
    ("postgres (PostgreSQL) nine\n", "15", ""), ("", "15", ""),
    ("postgres (PostgreSQL) 9\n", "9.6", "")], ids=str)
def test_a_version_is_another_one_only_where_both_are_known(
        monkeypatch, tmp_path, said, mine, other):
    (tmp_path / "PG_VERSION").write_text(mine + "\n")
    monkeypatch.setattr(programversion.runner, "run", lambda *_, **__: Result(0, said, "", False))
    here = instance_at(str(tmp_path))
    assert programversion.other_version(here, "postgres", Deadline(5)) == other
    reason = programversion.problem(here, "postgres", Deadline(5))
    assert reason.endswith(f"is of PostgreSQL {other}, the data directory of {mine}") == bool(other)


def test_a_program_that_cannot_be_started_is_of_no_known_version(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise NotStarted("no descriptors")
    (tmp_path / "PG_VERSION").write_text("15\n")
    monkeypatch.setattr(programversion.runner, "run", refuse)
    assert programversion.problem(instance_at(str(tmp_path)), "postgres", Deadline(5)) == ""
