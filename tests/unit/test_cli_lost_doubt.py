"""paf lost: what it cannot look into, or has no names for, is said."""

import json
import pathlib

import jsonschema
import pytest

from paf import ocf
from paf.cli import lost
from paf.cli.common import ERROR, NOT_DONE, OK, Problem
from paf.cli.main import main, parser
from paf.decide.knowledge import Known
from paf.instance import psql, settings
from tests.unit.support import printed
from tests.unit.test_cli_lost import asked, here, NOT_SAID, TABLE
from tests.unit.test_cli_names import CIB, Pacemaker

__all__ = ["asked", "here"]

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"


def raising(error):
    def raise_it(*_):
        raise error
    return raise_it


@pytest.mark.parametrize("error, root, words", [
    (ocf.OcfError("there is no account postgres"), True, "there is no account postgres"),
    (OSError(13, "Permission denied", "/d"), True, "cannot look into /d: Permission denied"),
    (OSError(13, "Permission denied", "/d"), False,
     "cannot look into /d: Permission denied: run paf lost as root")])
def test_what_cannot_be_looked_into_ends_it_with_the_reason(
        here, asked, monkeypatch, error, root, words):
    monkeypatch.setattr(lost.keptwal, "lost_folder", raising(error))
    monkeypatch.setattr(lost.os, "geteuid", lambda: 0 if root else 1000)
    with pytest.raises(Problem) as ended:
        lost.run(asked)
    assert str(ended.value) == words


def test_a_part_that_cannot_be_read_is_said_in_the_same_words(here, asked, capsys, monkeypatch):
    monkeypatch.setattr(lost, "places", lambda *_: ([("/x", {})], []))
    monkeypatch.setattr(lost, "report", raising(OSError(5, "Input/output error", "/x/1")))
    assert lost.run(asked) == ERROR
    assert "cannot look into /x/1: Input/output error" in capsys.readouterr().err


def test_the_wal_of_another_node_is_looked_at_there(monkeypatch, capsys):
    monkeypatch.setattr(lost, "Pacemaker", lambda: Pacemaker(CIB))
    assert main(["lost", "srv1"]) == ERROR
    assert "the WAL of srv1 lies on srv1: run paf lost there" in capsys.readouterr().err
    assert main(["lost", "srv9"]) == ERROR
    assert "lies on" not in capsys.readouterr().err


def as_json(capsys):
    """Return what was printed, which is as the schema describes it."""
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, json.loads((DOCS / "schemas" / "lost.json").read_text()))
    return found


@pytest.mark.parametrize("words", [["--output", "json"], ["--json"]])
def test_json_has_what_is_not_known_as_well(here, capsys, words):
    """No report alone would be read as "nothing is lost"."""
    assert lost.run(parser().parse_args(["lost", *words])) == ERROR
    found = as_json(capsys)
    assert found["reports"] == [] and "not known whether" in found["unknown"][0]


def test_json_says_where_the_wal_ends_that_could_be_read(here, capsys, monkeypatch):
    commits = [{"xid": 7, "time": "2026-11-26 03:00:00 UTC", "lsn": "0/1", "rows": None}]
    one = {"folder": "/x", "given_up": None, "diverged": "diverged", "commits": commits,
           "unread_from": "0/2", "others": "", "tables": [
               {"table": "db: t", "inserted": 1, "updated": 0, "deleted": 0}]}
    monkeypatch.setattr(lost, "places", lambda *_: ([("/x", {})], []))
    monkeypatch.setattr(lost, "report", lambda *_: one)
    assert lost.run(parser().parse_args(["lost", "--output", "json"])) == NOT_DONE
    found = as_json(capsys)
    assert found["reports"] == [one] and "cannot be read from 0/2 on" in found["unknown"][0]


@pytest.mark.parametrize("answer, words, code", [
    (lambda *_: (Known(None), ""), None, OK),
    (lambda *_: (Known(None), "srv2 is silent"),
     "it is not known whether more is only here: srv2 is silent", ERROR),
    (raising(ocf.OcfError("no pg_controldata")),
     "it is not known whether this instance has diverged: no pg_controldata", ERROR)])
def test_a_comparison_that_was_not_made_to_its_end_is_no_nothing(
        here, asked, capsys, monkeypatch, answer, words, code):
    monkeypatch.setattr(lost.promotions, "examine", answer)
    assert lost.run(asked) == code
    assert (words or "") in capsys.readouterr().err
    assert lost.places(lost.dialect.instance_of(None), NOT_SAID)[1] == ([words] if words else [])


@pytest.mark.parametrize("promoted, receives, code", [
    (["srv1"], False, OK), (["srv2"], True, OK), (["srv2"], False, ERROR),
    ([], False, ERROR), (["srv1", "srv2"], False, ERROR), (None, False, ERROR)])
def test_an_instance_that_runs_may_have_diverged_unless_it_leads_or_streams(
        here, asked, capsys, monkeypatch, promoted, receives, code):
    """One that was promoted by hand, and a standby that the primary's history has left behind."""
    def look(_):
        if promoted is None:
            raise Problem("crm_mon has failed")
        return promoted
    monkeypatch.setattr(lost.postmaster, "processes", lambda _: [7])
    monkeypatch.setattr(lost.view, "look", look)
    monkeypatch.setattr(lost.view, "promoted", lambda nodes, _: nodes)
    monkeypatch.setattr(lost.awaited, "streams", lambda _: receives)
    assert lost.run(asked) == code
    shown = capsys.readouterr()
    assert ("has no WAL" in shown.out) == (code == OK)
    assert ("whether it has diverged is seen once it is stopped" in shown.err) == (code != OK)


def test_records_of_postgresql_before_9_5_are_left_to_pg_xlogdump(here, asked, capsys, monkeypatch):
    (here / "main" / "PG_VERSION").write_text("9.4\n")
    monkeypatch.setattr(lost, "places", lambda *_: ([("/x", {})], []))
    assert lost.run(asked) == ERROR
    assert "/x: paf lost does not know the records of PostgreSQL before 9.5" in (
        capsys.readouterr().err)


# Tables' names

CATALOG, GONE = (1663, 5, 1259), (1663, 9, 16384)


@pytest.mark.parametrize("places, names, databases", [
    ([TABLE, GONE], {TABLE: "shop: public.t"}, ["postgres", "shop"]),
    ([CATALOG], {}, ["postgres"]), ([GONE], {}, ["postgres"])])
def test_names_are_asked_for_in_databases_that_are_there_and_not_of_catalogs(
        here, monkeypatch, places, names, databases):
    seen = []

    def there(_instance, _conninfo, options, text, _deadline):
        seen.append(dict(options)["dbname"])
        rows = [("5", "shop")] if "pg_database" in text else [("1663 5 16384", "public.t")]
        return printed(psql.RECORD.join(psql.FIELD.join(row) for row in rows))
    monkeypatch.setattr(psql, "there", there)
    assert lost._names(lost.dialect.instance_of(None), places) == names
    assert seen == databases


@pytest.mark.parametrize("answer", [
    lambda *_: printed("", 2, "FATAL: no"), lambda *_: printed("5", -9, "", True),
    raising(ocf.OcfError("cannot run psql"))])
def test_tables_that_no_server_names_have_none(here, monkeypatch, answer):
    monkeypatch.setattr(psql, "there", answer)
    instance = lost.dialect.instance_of(None)
    assert lost._names(instance, [TABLE]) == {}
    monkeypatch.setattr(settings, "conninfo", raising(ocf.OcfError("no primary_conninfo")))
    assert lost._names(instance, [TABLE]) == {}
