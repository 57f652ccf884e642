"""The journal of a rewind or rebuild: it says what the directory is, whatever was cut off."""

import errno
import os
import shutil
import socket
from collections import namedtuple
from pathlib import Path

import pytest

from paf import ocf
from paf.actions import rejoin
from paf.cli import lost
from paf.cli.common import Problem
from paf.cli.rebuild import plan
from paf.cli.rebuild import rebuild as verb
from paf.cli.rebuild import source, spoilt
from paf.deadline import Deadline
from paf.decide.knowledge import Known, Unknown
from paf.instance import journal, naming, ownfiles, postmaster, replacement, rewind
from tests.component.cutting import cut
from tests.unit.test_rebuild_cut import (
    LOG, OWN, Copying, copier, dead, facts_of, instance_in, options, own_files, write_facts)

Context = namedtuple("Context", "instance deadline log")


@pytest.fixture
def instance(tmp_path, monkeypatch):
    monkeypatch.setattr(naming, "complete", lambda *_: None)
    monkeypatch.setattr(ownfiles, "deep", lambda *_: [])
    return instance_in(tmp_path)


# A directory that is half rewound

def half_rewound(instance, tmp_path):
    """Leave what a rewind leaves that was cut off while pg_rewind ran."""
    write_facts(instance, dead(), what="rewind", phase="rewinding", deep=[], again=False, top=[],
                started="2026-11-26T03:30:00Z", timeline=2, diverged="d", conninfo="host=192.0.2.1")
    (tmp_path / ".main.pgsqlms" / "own").mkdir()
    for name in OWN:
        (tmp_path / "main" / name).rename(tmp_path / ".main.pgsqlms" / "own" / name)


@pytest.mark.parametrize("words", [("--copy",), ("--copy", "--discard")])
def test_a_half_rewound_directory_is_never_started_whatever_becomes_of_the_copy(
        instance, tmp_path, words):
    """The copy may fail or be cut off at any step; only one that is complete ends this."""
    step = 0
    while True:
        shutil.rmtree(tmp_path / "main")
        (tmp_path / "main" / "base").mkdir(parents=True)
        (tmp_path / "main" / "PG_VERSION").write_text("15\n")
        (tmp_path / "main" / "pg_wal" / "archive_status").mkdir(parents=True)
        for name, text in OWN.items():
            (tmp_path / "main" / name).write_text(text)
        for left in ("main.rebuilt", ".main.pgsqlms"):
            shutil.rmtree(tmp_path / left, ignore_errors=True)
        half_rewound(instance, tmp_path)

        def work():
            for old in tmp_path.glob("main.before-*"):
                shutil.rmtree(old)
            one = verb.Work(instance, "srv1", options(*words))
            one._clear_journal()
            copier(instance, *words).run()
        was_cut = cut(work, step)
        if journal.exists(instance):
            try:
                rejoin.finish(Context(instance, Deadline(5.0), LOG))
            except ocf.NotUsable:
                assert journal.exists(instance)
        if not journal.exists(instance):    # the next start starts it
            assert (tmp_path / "main" / "global" / "pg_control").exists(), step
            assert own_files(tmp_path / "main") == OWN, step
        if not was_cut:
            break
        work()
        assert own_files(tmp_path / "main") == OWN and not journal.exists(instance), step
        step += 2
    assert step > 10


@pytest.mark.parametrize("own", [True, False])
def test_a_way_back_that_is_cut_off_loses_none_of_the_nodes_own_files(instance, tmp_path, own):
    """pg_rewind got a postgresql.conf with the restore_command; the node may have its own."""
    step, there = 0, OWN if own else {"pg_hba.conf": "2"}
    while True:
        for path in (tmp_path / "main", tmp_path / ".main.pgsqlms"):
            shutil.rmtree(path, ignore_errors=True)
        (tmp_path / "main").mkdir()
        (tmp_path / "main" / "PG_VERSION").write_text("15")
        (tmp_path / "main" / "postgresql.conf").write_text("restore_command = 'x'")
        write_facts(instance, dead(), what="rewind", phase="kept", deep=[], top=sorted(there))
        (tmp_path / ".main.pgsqlms" / "own").mkdir()
        for name, text in there.items():
            (tmp_path / ".main.pgsqlms" / "own" / name).write_text(text)
        was_cut = cut(lambda: rewind.finish(instance, Deadline(5.0), LOG), step)
        if journal.exists(instance):
            rewind.finish(instance, Deadline(5.0), LOG)
        assert own_files(tmp_path / "main") == there and not journal.exists(instance), step
        if not was_cut:
            break
        step += 1
    assert step > 5


def test_a_copy_that_fails_leaves_a_half_rewound_directory_marked(
        instance, tmp_path, monkeypatch):
    half_rewound(instance, tmp_path)
    verb.Work(instance, "srv1", options("--copy"))._clear_journal()

    def fail(_):
        raise Problem("pg_basebackup failed")
    with monkeypatch.context() as patch:
        patch.setattr(Copying, "_copy", fail)
        for _ in range(2):
            with pytest.raises(Problem, match="pg_basebackup failed"):
                copier(instance, "--copy").run()
            with pytest.raises(ocf.NotUsable, match="run paf rebuild again"):
                replacement.finish(instance, LOG)
    copier(instance, "--copy").run()
    assert own_files(tmp_path / "main") == OWN and not journal.exists(instance)


# The journal

def test_a_journal_that_cannot_be_looked_for_is_not_absent(instance, monkeypatch):
    def failing(path):
        raise OSError(errno.EIO, "Input/output error")
    monkeypatch.setattr(os, "lstat", failing)
    with pytest.raises(ocf.OcfError, match="cannot look for the journal .*: Input/output error"):
        journal.exists(instance)


@pytest.mark.parametrize("facts", [
    {"what": "rewind", "phase": "polishing"}, {"what": "rebuild", "phase": "polishing"},
    {"what": "rebuild"}, {"what": "restore", "phase": "copying"}])
def test_a_journal_of_a_newer_version_is_left_alone(instance, tmp_path, facts):
    """It is not known what the directory is; to put files back and start it would be a guess."""
    write_facts(instance, dead(), deep=[], swaps=[], **facts)
    before = facts_of(instance)
    context = Context(instance, Deadline(5.0), LOG)
    assert "let paf rebuild copy the primary" in spoilt.problem(instance)
    for attempt in (lambda: rejoin.finish(context),
                    verb.Work(instance, "srv1", options())._clear_journal):
        with pytest.raises(ocf.NotUsable, match="is of another version of PAF"):
            attempt()
    assert facts_of(instance) == before


@pytest.mark.parametrize("text", ["[]", "7", "", "{", None])
def test_a_journal_that_has_lost_its_facts_is_not_one_without_work(instance, tmp_path, text):
    os.makedirs(os.path.join(journal.folder(instance), "own"))
    if text is not None:
        (tmp_path / ".main.pgsqlms" / "state.json").write_text(text)
    with pytest.raises(ocf.NotUsable, match="the journal .*; let paf rebuild copy the primary"):
        rejoin.finish(Context(instance, Deadline(5.0), LOG))


# A journal that cannot be used: paf rebuild leads out of it

def truncated(place):
    (place / "state.json").write_text('{"what": "rewind", "pha')


def no_facts(place):
    (place / "state.json").unlink()


def a_folder(place):
    (place / "state.json").unlink()
    (place / "state.json").mkdir()


def a_file(place):
    shutil.rmtree(place)
    place.write_text("")


def a_link(place):
    place.rename(place.parent / "elsewhere")
    place.symlink_to("nowhere")


def newer(place):
    (place / "state.json").write_text('{"what": "rewind", "phase": "polishing", "deep": ["a"]}')


def incomplete(place):
    (place / "state.json").write_text('{"what": "rewind", "phase": "returning"}')


def no_text(place):
    (place / "state.json").write_bytes(b"\xff\x00")


def wrong(place):
    (place / "state.json").write_text('{"what": "rebuild", "phase": "swapping", "swaps": ["main"]}')


DAMAGES = [truncated, no_facts, a_folder, a_file, a_link, newer, incomplete, no_text, wrong]


def spoil(instance, tmp_path, damage):
    """Leave a half rewound directory whose journal is damaged, with a configuration deep inside."""
    half_rewound(instance, tmp_path)
    place = tmp_path / ".main.pgsqlms"
    for name in ("deep", "wal"):
        (place / name).mkdir()
        (place / name / "0").write_text(name)
    damage(place)
    (tmp_path / "main.rebuilt").mkdir()


def put_right(instance, words):
    """Do what paf rebuild does where the journal is damaged."""
    for old in Path(instance.parameters.datadir).parent.glob("main.before-*"):
        shutil.rmtree(old)
    one = verb.Work(instance, "srv1", options(*words))
    one._damage = spoilt.problem(instance)
    one._plan = plan.make(instance, source.Source("host=192.0.2.1", "1", 1, {}, ""),
                          "--discard" in words, 150000)
    one._clear_journal()
    copier(instance, *words).run()


def begin_again(tmp_path, damage):
    for path in tmp_path.iterdir():
        path.unlink() if path.is_symlink() or path.is_file() else shutil.rmtree(path)
    instance = instance_in(tmp_path)
    spoil(instance, tmp_path, damage)
    with pytest.raises(ocf.OcfError, match="the journal .*paf rebuild copy the primary"):
        rejoin.finish(Context(instance, Deadline(5.0), LOG))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("words", [("--copy",), ("--copy", "--discard")])
def test_a_damaged_journal_is_refused_and_paf_rebuild_leads_out_of_it(
        instance, tmp_path, damage, words):
    begin_again(tmp_path, damage)
    put_right(instance, words)
    assert not journal.exists(instance) and (tmp_path / "main" / "global" / "pg_control").exists()
    if damage not in (a_file, a_link):    # which took the files along
        assert own_files(tmp_path / "main") == OWN
        assert [path.read_text() for path in tmp_path.glob("main.lost/*/deep/0")] == ["deep"]
        assert [path.read_text() for path in tmp_path.glob("main.lost/*/wal/0")] == ["wal"]
    assert bool(list(tmp_path.glob("main.lost/*/state.json.damaged")))


@pytest.mark.parametrize("damage, words", [
    (truncated, ("--copy",)), (a_folder, ("--copy", "--discard"))])
def test_a_way_out_of_a_damaged_journal_that_is_cut_off_starts_nothing_half_made(
        instance, tmp_path, damage, words):
    """At any step there is a journal, or the copy is complete; no file of the node is lost."""
    step, was_cut = 0, True
    while was_cut:
        begin_again(tmp_path, damage)
        was_cut = cut(lambda: put_right(instance, words), step)
        try:
            if journal.exists(instance):
                rejoin.finish(Context(instance, Deadline(5.0), LOG))
        except ocf.OcfError:
            assert journal.exists(instance)
            put_right(instance, words)
        assert (tmp_path / "main" / "global" / "pg_control").exists(), step
        assert own_files(tmp_path / "main") == OWN, step
        step += 4
    assert step > 10


@pytest.mark.parametrize("program, word", [
    ("pg_rewind", "{main}"), ("pg_basebackup", "{main}.rebuilt"),
    ("pgbackrest", "--pg1-path={main}"), ("pgbackrest", "--pg1-path={main}.rebuilt")])
def test_a_damaged_journal_is_left_alone_while_a_program_works(
        instance, tmp_path, monkeypatch, program, word):
    """A link may lead to the data directory: what is copied goes to where that leads."""
    spoil(instance, tmp_path, truncated)
    (tmp_path / "link").symlink_to(tmp_path / "main")
    linked = instance._replace(parameters=instance.parameters._replace(
        datadir=str(tmp_path / "link")))
    monkeypatch.setattr(journal, "folder", lambda _: str(tmp_path / ".main.pgsqlms"))
    running = program, word.format(main=tmp_path / "main")
    monkeypatch.setattr(spoilt.processes, "running", lambda *seen: seen == running)
    for each in (instance, linked):
        with pytest.raises(ocf.OcfError, match=f"a {program} of this instance still runs"):
            spoilt.problem(each)
    with pytest.raises(ocf.OcfError, match="still runs"):
        verb.Work(instance, "srv1", options()).look()


def test_a_damaged_journal_hides_no_wal_that_is_kept(instance, tmp_path):
    spoil(instance, tmp_path, truncated)
    (tmp_path / "main.lost" / "1").mkdir(parents=True)
    found, (first, second) = lost.places(instance, lambda: Unknown(""))
    assert found == [] and "is damaged" in second and "main.lost" in first


def test_facts_that_were_being_written_are_none_yet(instance, tmp_path):
    os.makedirs(journal.folder(instance))
    (tmp_path / ".main.pgsqlms" / "state.json.new").write_text("{")
    assert journal.read(instance) == {}


def test_two_that_begin_at_the_same_time_do_not_both_work(instance):
    """A start and paf rebuild: both have looked, and seen no journal."""
    journal.begin(instance, {"what": "rewind", "phase": "keeping"})
    before = facts_of(instance)
    with pytest.raises(ocf.OcfError, match="was started by another process"):
        journal.begin(instance, {"what": "rebuild", "phase": "copying"})
    assert facts_of(instance) == before


def test_a_server_that_was_started_meanwhile_is_left_alone(instance, tmp_path, monkeypatch):
    """Between the question of paf rebuild and the answer: hours."""
    for words in (("--copy",), ("--copy", "--discard")):
        monkeypatch.setattr(postmaster, "orphans", lambda _: [4711])
        with pytest.raises(ocf.OcfError, match="was started here in the meantime"):
            copier(instance, *words).run()
        assert own_files(tmp_path / "main") == OWN and not journal.exists(instance)


def test_facts_are_native_text():
    facts = {"conninfo": "password=\u00e9", "deep": ["global/\u00fc"], "timeline": 2, "again": True,
             "large": 1 << 40, "place": None}
    assert journal.native(facts) == facts


def test_an_upstream_on_a_lower_timeline_ends_no_rewind(instance, monkeypatch):
    """An old primary that was not fenced yet answers in the new one's place: it passes."""
    facts = {"again": True, "conninfo": "host=x", "system": "7", "timeline": 3, "switches": []}
    monkeypatch.setattr(rewind.upstream, "ask", lambda *_: Known(
        rewind.upstream.Upstream(2, [], "7")))
    with pytest.raises(ocf.OcfError, match="who answers is on timeline 2") as caught:
        rewind._check_source(instance, facts, Deadline(5.0))
    assert caught.value.code == ocf.ERR_GENERIC


def test_a_socket_in_the_data_directory_is_no_reason_that_lasts(instance, tmp_path, monkeypatch):
    """Where PGDATA is a mount point its files are copied; a server makes its socket again."""
    rename = os.rename

    def elsewhere(path, target):
        if os.path.dirname(path) != os.path.dirname(target):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(path, target)
    monkeypatch.setattr(os, "rename", elsewhere)
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(tmp_path / "main")
        one.bind("s")
        os.chdir(here)
    journal.begin(instance, {"what": "rewind", "phase": "keeping"})
    ownfiles.move_aside(instance, ownfiles.names(instance), [])
    assert ownfiles.names(instance) == []
    ownfiles.put_back(instance, [])
    assert own_files(tmp_path / "main") == OWN


@pytest.mark.parametrize("own", [True, False])
def test_a_disk_that_is_full_before_pg_rewind_leaves_the_directory_as_it_was(
        instance, tmp_path, monkeypatch, own):
    """Also without a postgresql.conf in it: pg_rewind is given one that must not stay."""
    there = OWN if own else {"pg_hba.conf": "2"}
    for name in set(OWN) - set(there):
        (tmp_path / "main" / name).unlink()
    facts = {"what": "rewind", "phase": "keeping", "deep": [], "top": sorted(there),
             "restore_command": "false", "segment_size": 1 << 24}
    monkeypatch.setattr(rewind, "_pg_rewind", lambda *_: "")
    monkeypatch.setattr(rewind, "_keep_copies", lambda *_: {"again": True, "kept": True})
    write = journal.write

    def full(where, noted):
        if noted["phase"] == rewind.REWINDING:
            raise ocf.NotUsable("cannot write the journal: No space left on device")
        write(where, noted)
    monkeypatch.setattr(journal, "write", full)
    journal.begin(instance, facts)
    with pytest.raises(ocf.NotUsable, match="No space left"):
        rewind._reversible(instance, sorted(there), facts, None, Deadline(5.0))
    assert own_files(tmp_path / "main") == there and not journal.exists(instance)
