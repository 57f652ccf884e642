"""paf rebuild: what cannot be seen, made or emptied is said, and is never taken for absent."""

import errno
import os
from types import SimpleNamespace

import pytest

from paf import ocf
from paf.cli.common import Problem
from paf.cli.rebuild import backup, copying, places, plan, rebuild, source, spoilt
from paf.deadline import Deadline
from paf.decide import wal
from paf.decide.knowledge import Unknown
from paf.instance import controldata, divergence, journal, settings, upstream
from tests.unit.support import printed, programs
from tests.unit.test_rebuild_cut import copier, instance_in, options

WHERE = "host=192.0.2.1 user=rep"
SEGMENT = 1 << 20


@pytest.fixture
def instance(tmp_path):
    return instance_in(tmp_path)


def failing(call, path, number):
    """Return a call of the system that fails for one path."""
    def made(name, *more, **options):
        if str(name) == str(path):
            raise OSError(number, os.strerror(number))
        return call(name, *more, **options)
    return made


def primary(**values):
    return source.Source(**{"conninfo": WHERE, "identifier": "1", "size": 1, "tablespaces": {},
                            "why": "", **values})


# The primary, and the programs here

@pytest.mark.parametrize("out, err, words", [
    ("", "postgres: error while loading shared libraries: libssl.so.3",
     "postgres does not say its version: postgres: error while loading shared libraries"),
    ("", "", "postgres does not say its version$"), ("postgres", "", "does not say its version$")])
def test_a_server_that_does_not_say_its_version_is_named_with_its_words(
        instance, monkeypatch, out, err, words):
    programs(monkeypatch, {"postgres": printed(out, 127, err)})
    with pytest.raises(Problem, match=words):
        source.version(instance)


@pytest.mark.parametrize("out, expected", [
    ("postgres (PostgreSQL) 15.5 (Debian 15.5-0+deb12u1)", 150000),
    ("postgres (PostgreSQL) 9.6.24", 90600), ("postgres (PostgreSQL) 18beta1", 180000)])
def test_the_version_of_the_programs_is_their_own(instance, monkeypatch, out, expected):
    programs(monkeypatch, {"postgres": printed(out)})
    assert source.version(instance) == expected


def test_without_a_way_to_the_primary_it_is_said_how_to_name_one(instance, monkeypatch):
    monkeypatch.setattr(settings, "conninfo", lambda *_: "")
    with pytest.raises(Problem, match="primary_conninfo is empty here: say --from"):
        source.conninfo(instance, "", 150000)
    assert source.conninfo(instance, WHERE, 150000) == WHERE


def test_a_connection_string_with_a_mistake_is_said_without_its_secrets(instance):
    with pytest.raises(Problem, match="the connection string cannot be used: ") as caught:
        source.look(instance, "host=192.0.2.1 password='open-8812", 150000)
    assert "8812" not in str(caught.value)


def test_a_primary_whose_size_and_tablespaces_are_not_known_has_not_none(instance, monkeypatch):
    """Its role may replicate, and not connect to a database."""
    answers = {"IDENTIFY_SYSTEM": printed("77\x1f1\x1f0/1501328\x1f"),
               "SHOW server_version_num": printed("150004")}
    monkeypatch.setattr(source.psql, "there", lambda _, __, ___, text, ____: answers.get(
        text, printed("", 2, "FATAL:  no pg_hba.conf entry")))
    found = source.look(instance, WHERE, 150000)
    assert found == primary(identifier="77", size=None, tablespaces=None,
                            why="no pg_hba.conf entry")


# The data directory, and what is beside it

def test_a_directory_whose_cluster_is_not_known_is_not_the_primarys(instance, monkeypatch):
    monkeypatch.setattr(controldata, "read", lambda *_: Unknown("pg_controldata was killed"))
    with pytest.raises(Problem, match="cannot find out whose data .*main is: pg_controldata was k"):
        plan.foreign(instance, primary(), Deadline(5.0))


@pytest.mark.parametrize("values, name", [
    ({"tablespaces": {"16400": "{0}/disk/space"}}, "disk/space"),
    ({"datadir": "{0}/disk/x"}, "disk/x")])
def test_a_folder_that_the_copy_needs_is_named_where_it_is_missing(
        instance, tmp_path, values, name):
    where = primary(**{key: {oid: path.format(tmp_path) for oid, path in spaces.items()}
                       for key, spaces in values.items() if key == "tablespaces"})
    if "datadir" in values:
        instance = instance._replace(parameters=instance.parameters._replace(
            datadir=values["datadir"].format(tmp_path)))
    with pytest.raises(Problem, match="disk does not exist here: make it, or mount what belongs "
                       f"there; .*{name} goes into it"):
        plan.make(instance, where, False, 150000)


def test_a_folder_in_which_neither_the_owner_nor_root_alone_makes_folders_is_refused(
        instance, tmp_path):
    mode = tmp_path.stat().st_mode
    tmp_path.chmod(0o577)
    try:
        with pytest.raises(Problem, match=f"neither {instance.owner.name} nor root alone may make"):
            plan.make(instance, primary(), False, 150000)
    finally:
        tmp_path.chmod(mode)
    assert plan.make(instance, primary(), False, 150000)


@pytest.mark.parametrize("number, words", [
    (errno.EIO, "Input/output error"), (errno.ENOTDIR, "Not a directory"), (errno.ENOENT, "")])
def test_a_place_that_cannot_be_looked_into_is_not_an_empty_one(
        instance, tmp_path, monkeypatch, number, words):
    """What is in it would be taken along, or be in the way of the copy."""
    place = tmp_path / "space"
    monkeypatch.setattr(os, "listdir", failing(os.listdir, place, number))
    swaps = [("", str(place), ""), ("", instance.parameters.datadir, "")]
    for call, said in ((lambda: places.check(swaps, None, 150000, instance.owner),
                        f"cannot see what {place} holds: {words}"),
                       (lambda: copying._empty(instance, str(place)),
                        f"cannot empty {place}: {words}")):
        if words:
            with pytest.raises(Problem, match=said):
                call()
        else:
            call()    # there is no such place


def test_a_place_is_emptied_and_stays(instance, tmp_path):
    """It may be a mount point."""
    copying._empty(instance, str(tmp_path / "main"))
    assert os.listdir(tmp_path / "main") == []


def test_a_copy_without_a_link_of_the_plan_is_not_put_in_its_place(
        instance, tmp_path, monkeypatch):
    monkeypatch.setattr(copying.naming, "complete", lambda *_: None)
    monkeypatch.setattr(copying.ownfiles, "deep", lambda *_: [])
    work = copier(instance, "--copy")
    work._plan = work._plan._replace(links=[("pg_tblspc/16400", str(tmp_path / "space"))])
    with pytest.raises(Problem, match="has no link pg_tblspc/16400, .* run paf rebuild again"):
        work.run()
    assert not journal.exists(instance) and not (tmp_path / "main.rebuilt").exists()
    assert (tmp_path / "main" / "base" / "1").read_text() == "a table"


# The WAL that only this instance has

@pytest.fixture
def diverged(instance, tmp_path):
    """The Divergence of an instance that has two segments of WAL of its own."""
    for name in ("global", "pg_wal"):
        (tmp_path / "main" / name).mkdir()
    (tmp_path / "main" / "global" / "pg_control").write_text("control")
    for number in (2, 3, 4):
        (tmp_path / "main" / "pg_wal" / wal.segment_name(1, number * SEGMENT, SEGMENT)).write_text(
            str(number))
    return divergence.Divergence(
        "diverged", True, upstream.Upstream(2, [], ""), wal.Position(1, 3 * SEGMENT),
        wal.Position(1, 5 * SEGMENT), SEGMENT)


def test_the_same_wal_is_kept_once_however_often_the_copy_fails(instance, tmp_path, diverged):
    first = copying.keep_lost(instance, diverged, "")
    assert sorted(name[-1] for name in os.listdir(first) if name[0] == "0") == ["3", "4"]
    assert copying.keep_lost(instance, diverged, "") == first
    assert os.listdir(tmp_path / "main.lost") == [os.path.basename(first)]
    other = copying.keep_lost(instance, diverged._replace(end=wal.Position(1, 4 * SEGMENT)), "")
    assert other != first


def test_where_the_wal_is_not_known_it_is_not_none(instance, tmp_path, diverged):
    """"": it is kept nowhere else, so the old directory stays; None: there is nothing to keep."""
    (tmp_path / "main" / "PG_VERSION").write_text("")
    assert copying.keep_lost(instance, diverged, "") == ""
    assert copying.keep_lost(instance, None, "no control file") == ""
    assert copying.keep_lost(instance, None, "") is None
    (tmp_path / "main" / "PG_VERSION").write_text("15\n")
    for path in (tmp_path / "main" / "pg_wal").iterdir():
        path.unlink()
    assert copying.keep_lost(instance, diverged, "") is None


# A journal that cannot be put aside

@pytest.mark.parametrize("number, kind", [
    (errno.EACCES, ocf.NotUsable), (errno.EIO, ocf.OcfError)])
def test_a_damaged_journal_that_cannot_be_put_aside_stays(
        instance, tmp_path, monkeypatch, number, kind):
    os.makedirs(os.path.join(journal.folder(instance), "own"))
    monkeypatch.setattr(os, "open", failing(os.open, journal.folder(instance), number))
    with pytest.raises(ocf.OcfError, match="cannot put the journal .*main.pgsqlms aside: "
                       + os.strerror(number)) as caught:
        spoilt.set_aside(instance, "2026-11-26T03:30:00Z")
    assert type(caught.value) is kind
    assert os.listdir(journal.folder(instance)) == ["own"]


# The backup

def work(instance, *words):
    return rebuild.Work(instance, "srv1", options(*words))


def test_what_is_restored_is_said(instance):
    one = work(instance, "--from", "pgbackrest")
    one._why_copy, one._plan = "--from pgbackrest asks for it", SimpleNamespace(swaps=[])
    one._backup = backup.Backup("/usr/bin/pgbackrest", "", "main", "20261127-014656F", 7 << 20, {})
    assert list(one.says()) == [
        "pgbackrest restores the backup 20261127-014656F of the stanza main (7 MB), since "
        "--from pgbackrest asks for it; the WAL since then comes from the archive and the primary"]
