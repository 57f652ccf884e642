"""A rebuild or rewind that was cut off, or still goes on: nothing is lost, no two work at once."""

import argparse
import errno
import json
import os
import pwd
import shutil
import signal
import subprocess

import pytest

from paf import log, ocf, runner
from paf.cli.common import Problem
from paf.cli.rebuild import copying, plan
from paf.cli.rebuild import rebuild as verb
from paf.cli.rebuild import source
from paf.deadline import Deadline
from paf.decide.knowledge import Known
from paf.instance import (
    configfiles, controldata, divergence, journal, keptwal, naming, ownfiles, proc, processes,
    replacement, rewind, rewindrole, settings, unfinished)
from tests.component.cutting import cut
from tests.unit.support import instance_at

LOG = log.Log(ocf.Environment({}))
OWN = {"conf.d": "1", "pg_hba.conf": "2", "postgresql.auto.conf": "3", "postgresql.conf": "4"}


@pytest.fixture
def instance(tmp_path, monkeypatch):
    monkeypatch.setattr(naming, "complete", lambda *_: None)
    monkeypatch.setattr(ownfiles, "deep", lambda *_: [])
    return instance_in(tmp_path)


def instance_in(tmp_path):
    """Make a data directory with files of the node's own, as of an instance of the tests' user."""
    folder = tmp_path / "main"
    (folder / "base").mkdir(parents=True)
    (folder / "PG_VERSION").write_text("15\n")
    (folder / "base" / "1").write_text("a table")
    for name, text in OWN.items():
        (folder / name).write_text(text)
    mine = pwd.getpwuid(os.geteuid())
    return instance_at(folder)._replace(
        owner=runner.Account(mine.pw_name, mine.pw_uid, mine.pw_gid, mine.pw_dir))


def options(*words):
    parser = argparse.ArgumentParser()
    verb.arguments(parser)
    return parser.parse_args(list(words))


class Copying(copying.Copying):
    """A Copying whose pg_basebackup brings one file, and one that is the primary's own."""

    def _copy(self):
        folder = self._plan.swaps[-1][0]
        os.makedirs(os.path.join(folder, "global"), exist_ok=True)
        for name, text in (("PG_VERSION", "15"), ("global/pg_control", "the primary's"),
                           ("postgresql.conf", "the primary's")):
            with open(os.path.join(folder, name), "w") as stream:
                stream.write(text)


def copier(instance, *words):
    """Return a Copying with these options."""
    found = options(*words)
    where = source.Source("host=192.0.2.1", "1", 1, {}, "")
    return Copying(instance, "srv1", plan.make(instance, where, found.discard, 150000),
                   where, found, 150000)


def own_files(folder):
    return {name: (folder / name).read_text() for name in sorted(OWN) if (folder / name).exists()}


def facts_of(instance):
    name = os.path.join(journal.folder(instance), "state.json")
    with open(name if os.path.exists(name) else os.devnull) as stream:
        return json.loads(stream.read() or "{}")


def write_facts(instance, process, **facts):
    """Put facts into the journal as another process has left them."""
    os.makedirs(journal.folder(instance), exist_ok=True)
    facts.update(process=process.pid, since=proc.start_time(process.pid))
    with open(os.path.join(journal.folder(instance), "state.json"), "w") as stream:
        stream.write(json.dumps(facts))


def dead():
    """Return a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process


@pytest.fixture
def started(tmp_path):
    """Start a process with the name of a program and an argument."""
    found = []

    def start(name, word="-"):
        shutil.copy("/bin/cat", tmp_path / name)
        found.append(subprocess.Popen([tmp_path / name, "-", word], stdin=subprocess.PIPE))
        assert Deadline(10.0).wait_for(lambda: processes.running(name, word))
        return found[-1]
    yield start
    for process in found:
        process.kill()
        process.wait()


@pytest.mark.parametrize("relative", [False, True])
def test_where_tablespaces_and_wal_are_is_none_of_the_nodes_own(instance, tmp_path, relative):
    """PostgreSQL warns of a tablespace inside PGDATA, and makes it: a rewind leaves it there."""
    main = tmp_path / "main"
    (main / "pg_tblspc").mkdir()
    for name, link in (("spaces/a", "pg_tblspc/16400"), ("wal", "pg_wal")):
        (main / name).mkdir(parents=True)
        (main / link).symlink_to(
            os.path.relpath(main / name, (main / link).parent) if relative else main / name)
    (main / "pg_tblspc" / "16401").symlink_to(tmp_path / "elsewhere")
    assert ownfiles.names(instance) == sorted(OWN)
    assert ownfiles.storage(instance) == ["spaces", "wal"]
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "pg_rewind").symlink_to("/bin/true")
    control = argparse.Namespace(wal_log_hints=True, checksums=False)
    able = instance._replace(parameters=instance.parameters._replace(bindir=str(programs)))
    assert f"not in {main / 'spaces'}" in rewind.problem_now(able, control)
    ownfiles.remove_strangers(instance)
    assert (main / "spaces" / "a").is_dir() and (main / "wal").is_dir()


def test_a_copy_that_cannot_be_looked_at_has_not_taken_its_place(instance, tmp_path, monkeypatch):
    """The old directory, which may be half rewound, would be started in place of the copy."""
    copy, lstat = tmp_path / "main.rebuilt", os.lstat
    copy.mkdir()
    write_facts(instance, dead(), what="rebuild", phase=replacement.SWAPPING, swaps=[
        [str(copy), str(tmp_path / "main"), str(tmp_path / "main.old")]])

    def failing(path):
        if str(path) == str(copy):
            raise OSError(errno.EIO, "Input/output error")
        return lstat(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "lstat", failing)
        with pytest.raises(ocf.OcfError, match="main.rebuilt: Input/output error"):
            replacement.finish(instance, LOG)
    assert journal.exists(instance) and own_files(tmp_path / "main") == OWN
    replacement.finish(instance, LOG)
    assert not journal.exists(instance) and (tmp_path / "main.old").is_dir()


def test_a_copy_of_wal_that_cannot_be_looked_at_is_not_given_up(instance, tmp_path, monkeypatch):
    """The journal goes next, and with it the only copy."""
    place, stat = keptwal.folder(instance), os.stat
    os.makedirs(place)

    def failing(path, **more):
        if str(path) == place:
            raise OSError(errno.EIO, "Input/output error")
        return stat(path, **more)
    monkeypatch.setattr(os, "stat", failing)
    with pytest.raises(ocf.OcfError, match="Input/output error"):
        keptwal.give_up(instance, "2026-01-01T000000Z", {"kept": True})


def test_a_cut_at_any_step_loses_none_of_the_nodes_own_files(instance, tmp_path, monkeypatch):
    """Nothing is given up before they are aside, and nothing is emptied when they may be back."""
    step, phases = 0, set()
    monkeypatch.setattr(divergence, "look", lambda *_: Known(None))
    while cut(copier(instance, "--discard").run, step):
        if journal.exists(instance):
            phases.add(facts_of(instance).get("phase"))
        work = verb.Work(instance, "srv1", options("--copy", "--discard"))
        work._source = source.Source("host=192.0.2.1", "1", 1, {}, "")
        work._clear_journal()
        copier(instance, "--discard").run()
        assert own_files(tmp_path / "main") == OWN, step
        assert not journal.exists(instance)
        step += 1
    assert {"aside", "discarded", "returning"} <= phases


def test_a_cut_before_the_directory_is_given_up_is_reverted_by_the_next_start(instance, tmp_path):
    (tmp_path / "main" / "pg_hba.conf").rename(tmp_path / "pg_hba.conf")
    write_facts(instance, dead(), what="rebuild", phase=replacement.ASIDE)
    os.makedirs(os.path.join(journal.folder(instance), "own"))
    (tmp_path / "pg_hba.conf").rename(tmp_path / ".main.pgsqlms" / "own" / "pg_hba.conf")
    replacement.finish(instance, LOG)
    assert own_files(tmp_path / "main") == OWN and not journal.exists(instance)


def test_a_cut_after_the_files_are_back_still_names_the_node(instance, tmp_path, monkeypatch):
    """The copy's configuration may be the primary's: a start under its name is another standby."""
    found = []
    monkeypatch.setattr(naming, "complete", lambda _, folder, facts, __: found.append(
        (folder, facts["node"], journal.exists(instance))))
    write_facts(instance, dead(), what="rebuild", phase=replacement.RETURNING, node="srv1",
                conninfo="host=192.0.2.1", archive="")
    replacement.finish(instance, LOG)
    assert found == [(str(tmp_path / "main"), "srv1", True)] and not journal.exists(instance)


def test_what_is_too_large_to_copy_is_moved_and_outlives_the_old_directory(instance, tmp_path):
    copying._LARGEST_OWN, before = 0, copying._LARGEST_OWN
    try:
        copy = copier(instance, "--copy")
        copy.run()
    finally:
        copying._LARGEST_OWN = before
    shutil.rmtree(copy._plan.swaps[-1][2])
    assert own_files(tmp_path / "main") == OWN
    assert (tmp_path / "main" / "global" / "pg_control").read_text() == "the primary's"


@pytest.mark.parametrize("discard", [True, False])
def test_configuration_that_is_not_known_is_not_given_up(
        instance, tmp_path, monkeypatch, capsys, discard):
    """In PostgreSQL's own folders, as with include 'global/node.conf'."""
    def failing(*_):
        raise ocf.BadParameter("PostgreSQL does not accept its configuration: syntax error")
    monkeypatch.setattr(ownfiles, "deep", failing)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    copy = copier(instance, *(["--discard"] if discard else ["--copy"]))
    if discard:
        with pytest.raises(Problem, match="not known which configuration files .*syntax error. "
                           "Correct that; or leave --discard out, .* empty .*main yourself"):
            copy.run()
        assert sorted(path.name for path in tmp_path.rglob("*")) == before
        return
    work = verb.Work(instance, "srv1", options("--copy"))
    copy.run()
    work._note_missed(copy.missed)
    assert not work.is_kept() and "so none is in the copy: PostgreSQL does not" in (
        capsys.readouterr().err)


@pytest.mark.parametrize("there", [False, True])
def test_where_there_is_no_folder_of_postgresqls_nothing_is_unknown(
        instance, tmp_path, monkeypatch, there):
    """As in a mount point that a new node has its data directory on."""
    monkeypatch.undo()
    shutil.rmtree(tmp_path / "main")
    if there:
        (tmp_path / "main" / "conf.d").mkdir(parents=True)
    assert copying.own_below(instance, True) == Known([])
    (tmp_path / "main" / "global").mkdir(parents=True)
    with pytest.raises(Problem, match="PG_VERSION"):
        copying.own_below(instance, True)


def test_a_file_of_the_nodes_own_goes_back_where_its_folder_is_gone(instance, tmp_path):
    """The other server has no such folder, and pg_rewind removes it."""
    main = tmp_path / "main"
    (main / "global" / "node" / "more").mkdir(parents=True)
    (main / "global" / "node" / "more" / "1.conf").write_text("work_mem = '5MB'")
    name = "global/node/more/1.conf"
    journal.make_folder(instance, journal.folder(instance))
    ownfiles.move_aside(instance, [], [name])
    shutil.rmtree(main / "global" / "node")
    ownfiles.put_back(instance, [name])
    assert (main / name).read_text() == "work_mem = '5MB'"
    (tmp_path / "copy" / "global").mkdir(parents=True)
    replacement.own_again(instance, str(main), str(tmp_path / "copy"), 1 << 20, [name])
    assert (tmp_path / "copy" / name).read_text() == "work_mem = '5MB'"


@pytest.mark.parametrize("damage, words", [
    (lambda path: path.write_bytes(b"#" * (1 << 20) + b"\ninclude 'global/x'"), "is too large"),
    (lambda path: path.chmod(0), "Permission denied")])
def test_configuration_that_cannot_be_read_may_name_more_files(
        instance, tmp_path, monkeypatch, damage, words):
    monkeypatch.undo()
    monkeypatch.setattr(settings, "read", lambda _, name, __: str(
        tmp_path / "main" / "pg_hba.conf") if name == "hba_file" else "")
    monkeypatch.setattr(configfiles, "open", refusing, raising=False)
    (tmp_path / "main" / "pg_hba.conf").write_text("include_if_exists global/more.conf\n")
    (tmp_path / "main" / "global").mkdir()
    (tmp_path / "main" / "global" / "more.conf").write_text("")
    assert ownfiles.deep(instance, Deadline(5.0)) == ["global/more.conf"]
    damage(tmp_path / "main" / "global" / "more.conf")
    with pytest.raises(ocf.OcfError, match="more.conf.* {0}".format(words)):
        ownfiles.deep(instance, Deadline(5.0))


def refusing(path, mode):
    """Open a file as a user who has no rights to those without any: root has."""
    if not os.stat(path).st_mode & 0o777:
        raise OSError(errno.EACCES, "Permission denied")
    return open(path, mode)


def test_a_folder_in_the_way_of_the_copy_is_left_alone(instance, tmp_path):
    (tmp_path / "main.rebuilt").mkdir()
    (tmp_path / "main.rebuilt" / "note").write_text("someone's")
    with pytest.raises(Problem, match="main.rebuilt exists already"):
        copier(instance, "--copy").run()
    assert (tmp_path / "main.rebuilt" / "note").exists() and not journal.exists(instance)


@pytest.mark.parametrize("what", ["rewind", "rebuild"])
def test_what_is_under_way_is_left_alone(instance, started, what):
    """As a start that rewinds while paf rebuild is run: no server is seen meanwhile."""
    other = started("pgsqlms")
    write_facts(instance, other, what=what, phase="rewinding", deep=[], swaps=[])
    finish = {"rewind": lambda: rewind.finish(instance, Deadline(5.0), LOG),
              "rebuild": lambda: replacement.finish(instance, LOG)}
    for attempt in (verb.Work(instance, "srv1", options()).look,
                    verb.Work(instance, "srv1", options()).do, finish[what]):
        with pytest.raises(ocf.OcfError, match=f"a {what} .* under way: process {other.pid}"):
            attempt()
    assert journal.exists(instance)


def test_what_a_newer_version_works_on_is_in_use(instance, started):
    write_facts(instance, started("pgsqlms"), what="rewind", phase="polishing")
    for attempt in (verb.Work(instance, "srv1", options()).look,
                    lambda: unfinished.read(instance)):
        with pytest.raises(journal.InUse, match="is under way"):
            attempt()


def test_a_rewind_works_on_the_directory_that_the_server_would_take(
        instance, monkeypatch, tmp_path):
    """Crash recovery before it would change another one, which data_directory names."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(controldata, "read", lambda *_: Known(None))
    found = divergence.Divergence("diverged", True, None, None, None, None)
    monkeypatch.setattr(verb.promotions, "examine", lambda *_: (Known(found), ""))
    monkeypatch.setattr(verb.historyfiles, "off_history", lambda *_: "")
    monkeypatch.setattr(rewind, "problem_now", lambda *_: None)
    monkeypatch.setattr(rewindrole, "check", lambda *_: None)
    monkeypatch.setattr(settings, "read", lambda *_: str(tmp_path / "elsewhere"))
    work = verb.Work(instance, "srv1", options())
    work._source = source.Source("host=192.0.2.1", "1", 1, {}, "")
    with pytest.raises(ocf.BadParameter, match="data_directory of the server is .*elsewhere"):
        work._not_rewound()
    monkeypatch.setattr(settings, "read", lambda *_: str(tmp_path / "main"))
    assert work._not_rewound() == ""


def test_a_copy_after_a_rewind_that_was_cut_off_keeps_the_wal_that_was_given_up(
        instance, tmp_path, capsys):
    """pg_rewind has removed it from the directory already: the journal has the only copy."""
    write_facts(instance, dead(), what="rewind", phase="rewinding", deep=[],
                started="2026-11-26T03:30:00Z", timeline=2, diverged="d", fork="0/3000000",
                set="2026-11-26T033000Z", kept=True, conninfo="host=192.0.2.1")
    (tmp_path / ".main.pgsqlms" / "wal").mkdir()
    (tmp_path / ".main.pgsqlms" / "wal" / "000000010000000000000003").write_text("WAL")
    verb.Work(instance, "srv1", options())._clear_journal()
    place = tmp_path / "main.lost" / "2026-11-26T033000Z"
    assert (place / "000000010000000000000003").read_text() == "WAL"
    about = json.loads((place / "about.json").read_text())
    assert about["fork"] == "0/3000000" and about["timeline"] == 2
    assert str(place) in capsys.readouterr().out
    assert facts_of(instance)["phase"] == "half"    # until the copy has taken its place


def test_a_copy_after_a_rewind_that_had_changed_nothing_looks_for_that_wal(instance, monkeypatch):
    write_facts(instance, dead(), what="rewind", phase="keeping", deep=[], started="b")
    found = divergence.Divergence("another cluster's data", False, None, None, None, None)
    monkeypatch.setattr(divergence, "look", lambda *_: Known(found))
    work = verb.Work(instance, "srv1", options())
    work._source = source.Source("host=192.0.2.1", "1", 1, {}, "")
    work._clear_journal()
    assert work._found == found


def test_what_this_process_or_a_dead_one_has_left_is_not_under_way(instance):
    write_facts(instance, dead(), what="rewind")
    journal.check_free(instance)
    journal.write(instance, {"what": "rewind"})
    assert facts_of(instance)["process"] == os.getpid()
    journal.check_free(instance)


@pytest.mark.parametrize("phase, words", [("copying", ()), ("discarded", ("--discard",))])
def test_a_copy_that_outlived_its_rebuild_is_ended_before_the_next(
        instance, started, tmp_path, phase, words, monkeypatch):
    """pg_basebackup does not end with paf, and two would write into one directory."""
    monkeypatch.setattr(divergence, "look", lambda *_: Known(None))
    target = tmp_path / ("main" if words else "main.rebuilt")
    target.mkdir(exist_ok=True)
    other = started("pg_basebackup", str(target))
    write_facts(instance, dead(), what="rebuild", phase=phase,
                swaps=[[str(target), str(tmp_path / "main"), ""]])
    work = verb.Work(instance, "srv1", options(*words))
    work._source = source.Source("host=192.0.2.1", "1", 1, {}, "")
    work._clear_journal()
    copier(instance, *words).run()
    assert other.wait(10) == -signal.SIGKILL
