"""A switchover to a standby that could not offer the primary's logical slots is refused."""

import types

import pytest

from paf import ocf
from paf.deadline import Deadline
from paf.decide.knowledge import Known, Unknown, is_known
from paf.instance import failoverslots, psql, settings, sql
from paf.notifications import pre_demote
from paf.runner import Result
from tests.unit.support import instance_at
from tests.unit.unread import answer


def answers(monkeypatch, primary, here):
    """Set what the primary and this server answer; primary: a text, or (status, complaint)."""
    def there(instance, where, pairs, text, deadline):
        asked.append((dict(pairs)["dbname"], text))
        status, out, err = (0, primary, "") if isinstance(primary, str) else (primary[0], "",
                                                                              primary[1])
        return Result(status=status, out=out, err=err, timed_out=False)
    asked = []
    monkeypatch.setattr(settings, "conninfo", lambda *_: "host=10.0.0.50 dbname=shop")
    monkeypatch.setattr(psql, "there", there)
    monkeypatch.setattr(sql, "query", lambda *_: here)
    return asked


def rows(*names):
    return sql.Answer(sql.ROWS, [[name] for name in names], "")


def instance_of(tmp_path, version="17"):
    (tmp_path / "PG_VERSION").write_text(version + "\n")
    return instance_at(tmp_path)


@pytest.mark.parametrize("primary, here, found", [
    ("", rows(), []),
    ("sub" + psql.RECORD + "other", rows("sub", "other", "more"), []),
    ("sub" + psql.RECORD + "other", rows("other"), ["sub"]),
    ("sub", rows(), ["sub"])])
def test_the_primarys_slots_are_compared_with_the_copies_here(tmp_path, monkeypatch, primary, here,
                                                              found):
    asked = answers(monkeypatch, primary, here)
    assert failoverslots.missing(instance_of(tmp_path), Deadline(5)) == Known(found)
    assert asked[0][0] == "shop" and "failover" in asked[0][1]


@pytest.mark.parametrize("primary, here, words", [
    ((2, "FATAL:  no pg_hba.conf entry for host"), rows(), "no pg_hba.conf entry"),
    ("sub", sql.Answer(sql.REFUSED, [], "too many connections"), "too many connections")])
def test_what_cannot_be_asked_is_not_known(tmp_path, monkeypatch, primary, here, words):
    answers(monkeypatch, primary, here)
    found = failoverslots.missing(instance_of(tmp_path), Deadline(5))
    assert not is_known(found) and words in found.reason


def test_before_17_nothing_is_asked(tmp_path, monkeypatch):
    asked = answers(monkeypatch, "sub", rows())
    assert failoverslots.missing(instance_of(tmp_path, "16"), Deadline(5)) == Known([])
    assert asked == []


@pytest.mark.parametrize("found, reason", [
    (Known([]), None), (Unknown("no answer"), None),
    (Known(["a", "b"]), "logical failover slots are not synced here: a, b")])
def test_only_slots_that_are_known_to_be_missing_refuse_it(monkeypatch, found, reason):
    said = []
    context = types.SimpleNamespace(instance=None, deadline=None,
                                    log=types.SimpleNamespace(info=said.append))
    monkeypatch.setattr(failoverslots, "missing", lambda *_: found)
    monkeypatch.setattr(failoverslots, "left", lambda *_: Known([]))
    assert pre_demote._without_slots(context) == reason
    assert bool(said) == isinstance(found, Unknown)


def test_slots_that_cannot_be_compared_refuse_no_switchover(monkeypatch):
    """Without an answer; a slot that is known to be missing does."""
    said = []
    context = types.SimpleNamespace(instance=None, deadline=Deadline(5),
                                    log=types.SimpleNamespace(info=said.append))
    for found, reason in ((ocf.OcfError("postgres -C took too long"), None),
                          (Unknown("the server is silent"), None), (Known([]), None),
                          (Known(["sub"]), "logical failover slots are not synced here: sub")):
        answer(monkeypatch, failoverslots, "missing", found)
        answer(monkeypatch, failoverslots, "left", Unknown("the server is silent"))
        assert pre_demote._without_slots(context) == reason
    assert said == ["logical slots are not compared: postgres -C took too long",
                    "logical slots are not compared: the server is silent"]
