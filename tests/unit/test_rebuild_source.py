"""paf rebuild: what the primary answers is recorded; what cannot be copied is named at once."""

import argparse
import os
import pwd

import pytest

from paf import ocf, runner
from paf.cli.common import Problem
from paf.cli.rebuild import rebuild, source
from paf.decide.knowledge import Known, Unknown
from tests.unit.support import instance_at

IDENTITY = "7712739864084596867\x1f1\x1f0/1501328\x1f"
REFUSED = 'psql: error: connection to server on socket "/run/.s.PGSQL.5432" failed: FATAL:  '
PASSWORD = REFUSED + 'password authentication failed for user "rep"'
FULL = REFUSED + ("number of requested standby connections exceeds max_wal_senders "
                  "(currently 0)")
NO_DATABASE = REFUSED + 'no pg_hba.conf entry for host "[local]", user "rep", database "postgres"'
#: psql 14 and later, to an older primary: what libpq asks is no replication command.
OLDER = ('psql: error: connection to server on socket "/run/.s.PGSQL.5432" failed: '
         'ERROR:  syntax error')
WHERE = "host=192.0.2.1 user=rep password=wrong-7719"


class Primary:
    """Recorded answers of psql: (standard output, standard error) by the beginning of the text."""

    def __init__(self, monkeypatch, **answers):
        self.answers, self.asked = answers, []
        monkeypatch.setattr(source.psql, "there", self.there)

    def there(self, _, where, settings, text, __):
        kind = "replication" if "IDENTIFY" in text else "show" if "SHOW" in text else (
            "room" if "max_wal_senders" in text else "facts")
        self.asked.append((kind, where, dict(settings), text))
        out, err = self.answers[kind]
        return runner.Result(2 if err else 0, out, err, False)


def facts(version):
    return f"version\x1f{version}\x1f\x1esize\x1f31539719\x1f", ""


@pytest.fixture
def data(tmp_path):
    """A data directory that nothing may touch."""
    (tmp_path / "main" / "pg_tblspc").mkdir(parents=True)
    return tmp_path / "main"


def look(data, number):
    mine = pwd.getpwuid(os.geteuid())
    owner = runner.Account(mine.pw_name, mine.pw_uid, mine.pw_gid, mine.pw_dir)
    return source.look(instance_at(data)._replace(owner=owner), WHERE, number)


@pytest.mark.parametrize("theirs, mine, words", [
    (160004, 150000, "PostgreSQL 16, bindir has 15"),
    (130011, 150000, "PostgreSQL 13, bindir has 15"),
    (90624, 150000, "PostgreSQL 9.6, bindir has 15"),
    (90520, 90600, "PostgreSQL 9.5, bindir has 9.6"),
    (100023, 90600, "PostgreSQL 10, bindir has 9.6")])
@pytest.mark.parametrize("way", ["database", "replication", "refused"])
def test_another_major_version_is_named(data, monkeypatch, theirs, mine, words, way):
    """Also where that is why the primary does not understand this node's programs."""
    answers = {
        "database": {"replication": (IDENTITY, ""), "facts": facts(theirs)},
        "replication": {"replication": (IDENTITY, ""), "facts": ("", NO_DATABASE),
                        "show": (str(theirs), "")},
        "refused": {"replication": ("", OLDER), "facts": facts(theirs)}}[way]
    Primary(monkeypatch, **answers)
    with pytest.raises(Problem, match=f"the primary is {words}: only the same"):
        look(data, mine)


@pytest.mark.parametrize("theirs, mine", [(150014, 150000), (90624, 90600), (170000, 170000)])
def test_another_minor_version_is_no_obstacle(data, monkeypatch, theirs, mine):
    Primary(monkeypatch, replication=(IDENTITY, ""), facts=facts(theirs))
    found = look(data, mine)
    assert (found.identifier, found.size) == ("7712739864084596867", 31539719)


def test_a_version_that_is_not_known_is_not_the_same(data, monkeypatch):
    """Up to PostgreSQL 9.6 a replication connection does not say it."""
    Primary(monkeypatch, replication=(IDENTITY, ""), facts=("", NO_DATABASE),
            show=("", "ERROR:  syntax error"))
    with pytest.raises(Problem, match="does not say which version .* let the role .*"
                       "no pg_hba.conf entry"):
        look(data, 150000)


@pytest.mark.parametrize("error", [PASSWORD, FULL])
def test_what_postgresql_refuses_with_is_shown_without_a_secret(data, monkeypatch, error):
    """A wrong password, no WAL sender free."""
    before = sorted(data.parent.rglob("*"))
    primary = Primary(monkeypatch, replication=("", error), facts=("", PASSWORD))
    with pytest.raises(Problem) as caught:
        look(data, 150000)
    assert str(caught.value).startswith("this node cannot replicate from the primary: ")
    assert error.partition("FATAL:  ")[2] in str(caught.value)
    assert "wrong-7719" not in str(caught.value) and "wrong-7719" in primary.asked[0][1]
    assert sorted(data.parent.rglob("*")) == before


@pytest.mark.parametrize("senders, words", [
    ((10, 3), None), ((2, 0), None),
    ((10, 9), "9 of 10 WAL senders in use, and a copy needs 2: .* max_wal_senders")])
def test_pg_basebackup_finds_its_senders_or_it_is_said_before(data, monkeypatch, senders, words):
    """It needs two connections, and no slot: with one its WAL would acknowledge commits."""
    primary = Primary(monkeypatch, room=("max_wal_senders\x1f{0}\x1f{1}".format(*senders), ""))
    there = source.Source(WHERE, "1", 1, {}, "")
    if words is None:
        source.check_room(instance_at(data), there, 150000)
        assert primary.asked[0][2] == {"dbname": "postgres", "target_session_attrs": "primary"}
        assert "slots" not in primary.asked[0][3]
        return
    with pytest.raises(Problem, match=words):
        source.check_room(instance_at(data), there, 150000)


def test_up_to_9_6_no_slot_is_needed_and_a_role_that_only_replicates_is_not_refused(
        data, monkeypatch):
    primary = Primary(monkeypatch, room=("", NO_DATABASE))
    source.check_room(instance_at(data), source.Source(WHERE, "1", 1, {}, ""), 90600)
    assert "slots" not in primary.asked[0][3] and primary.asked[0][2] == {"dbname": "postgres"}


@pytest.mark.parametrize("words, asked", [
    (["--copy", "--discard"], ["room", "plan"]), (["--from", "pgbackrest"], ["plan", "L"])])
def test_only_a_copy_of_the_primary_needs_them(data, monkeypatch, words, asked):
    """And it is looked at before the plan is made; of a backup the tablespaces are, after it."""
    seen = []
    for where, name in ((rebuild.plan, "running"), (rebuild.plan, "foreign"),
                        (rebuild.journal, "check_free"), (source, "check_copier"),
                        (rebuild.copying, "own_below")):
        monkeypatch.setattr(where, name, lambda *_: None)
    monkeypatch.setattr(rebuild.backup, "look", lambda *_: "L")
    monkeypatch.setattr(rebuild.backup, "check_spaces", lambda found, _: seen.append(found))
    monkeypatch.setattr(rebuild.spoilt, "problem", lambda *_: "")
    monkeypatch.setattr(source, "version", lambda _: 150000)
    monkeypatch.setattr(source, "conninfo", lambda *_: WHERE)
    monkeypatch.setattr(source, "look", lambda *_: source.Source(WHERE, "1", 1, {}, ""))
    monkeypatch.setattr(source, "check_room", lambda *_: seen.append("room"))
    monkeypatch.setattr(rebuild.plan, "make", lambda *_: seen.append("plan"))
    monkeypatch.setattr(rebuild.Work, "_not_rewound", lambda _: "asked for")
    parser = argparse.ArgumentParser()
    rebuild.arguments(parser)
    rebuild.Work(instance_at(data), "srv1", parser.parse_args(words)).look()
    assert seen == asked


@pytest.mark.parametrize("answer, found, doubt", [
    ((Known("diverged"), ""), "diverged", ""),
    ((Unknown("no answer"), ""), None, "no answer"),
    (ocf.NotUsable("pg_waldump is missing"), None, "pg_waldump is missing")])
def test_a_copy_that_has_not_run_yet_may_have_what_the_primary_has_not(
        data, monkeypatch, answer, found, doubt):
    """The primary that it was copied from may have died. What is not known is no obstacle."""
    def examine(*_):
        if isinstance(answer, Exception):
            raise answer
        return answer
    monkeypatch.setattr(rebuild.promotions, "examine", examine)
    monkeypatch.setattr(rebuild.rewind, "is_fresh_copy", lambda _: True)
    monkeypatch.setattr(rebuild.controldata, "read", lambda *_: Known(None))
    parser = argparse.ArgumentParser()
    rebuild.arguments(parser)
    work = rebuild.Work(instance_at(data), "srv1", parser.parse_args([]))
    work._source = source.Source(WHERE, "1", 1, {}, "")
    assert work._not_rewound() == "it has not run since it was copied"
    assert (work._found, work._doubt) == (found, doubt)
