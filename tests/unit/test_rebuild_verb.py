"""paf rebuild, the verb: what is asked, what is done in which order, and when the old goes away."""

from types import SimpleNamespace

import pytest

from paf import ocf
from paf.cli.common import ERROR, INTERRUPTED, NOT_DONE, OK, Problem
from paf.cli.main import main
from paf.cli.rebuild import rebuild as verb
from paf.decide import state
from paf.decide.knowledge import Known, Unknown
from paf.instance import controldata, historyfiles, journal, rewind, rewindrole, settings
from tests.unit.support import instance_at
from tests.unit.test_rebuild_cut import options


class Work:
    """A Work that notes what is done with it, and fails in one step."""

    node = "srv1"
    done = []    # type: list[str]
    fails, kept, left = "", True, ()    # type: str, bool, tuple[str, ...]

    def __init__(self, *_):
        del self.done[:]

    def _step(self, name):
        self.done.append(name)
        if self.fails == name:
            raise ocf.OcfError(f"{name} failed")

    def look(self):
        self._step("look")

    def says(self):
        yield "what will happen"

    def do(self):
        self._step("do")

    def is_kept(self):
        return self.kept

    def old(self):
        return list(self.left)


class Pacemaker:
    """A Pacemaker with the recorded cluster; srv1 may be a standby node."""

    def __init__(self, cib, mon):
        self._cib, self._mon, self.asked = cib, mon, []

    def cib(self):
        return self._cib

    def crm_mon(self):
        return self._mon

    def node(self):
        return "srv1"

    def ask(self, *argv):
        self.asked.append(argv)
        Work.done.append("cleanup")


@pytest.fixture
def pacemaker(data, monkeypatch):
    found = Pacemaker((data / "cli" / "cib.xml").read_text(),
                      (data / "cli" / "crm_mon.xml").read_text())
    monkeypatch.setattr(verb, "Pacemaker", lambda: found)
    monkeypatch.setattr(verb, "Work", Work)
    monkeypatch.setattr(verb.awaited, "streams", lambda _: True)
    monkeypatch.setattr(verb.os, "geteuid", lambda: 0)
    return found


CLEANUP = ("crm_resource", "--cleanup", "--resource", "pgsqld", "--node", "srv1")


def test_a_rebuild_is_followed_by_a_cleanup_and_a_look_whether_it_streams(pacemaker, capsys):
    assert main(["rebuild", "--yes"]) == OK
    assert Work.done == ["look", "do", "cleanup"] and pacemaker.asked == [CLEANUP]
    assert capsys.readouterr().out == "what will happen\nit streams from the primary\n"


def test_only_root_may_rebuild(pacemaker, monkeypatch, capsys):
    monkeypatch.setattr(verb.os, "geteuid", lambda: 65534)
    del Work.done[:]
    assert main(["rebuild", "--yes"]) == ERROR and Work.done == []
    assert "has to be run by root" in capsys.readouterr().err


@pytest.mark.parametrize("words, status", [(["--dry-run", "--yes"], OK), ([], NOT_DONE)])
def test_what_is_only_shown_or_not_confirmed_is_not_done(
        pacemaker, monkeypatch, capsys, words, status):
    monkeypatch.setattr(verb, "confirmed", lambda _: False)
    assert main(["rebuild", *words]) == status
    assert Work.done == ["look"] and pacemaker.asked == []
    said = capsys.readouterr()
    assert "what will happen" in said.out
    assert ("nothing was changed" in said.err) == (status == NOT_DONE)


@pytest.mark.parametrize("step", ["look", "do"])
def test_what_fails_is_said_and_pacemaker_is_left_alone(pacemaker, monkeypatch, capsys, step):
    """A cleanup would have it start what is half made."""
    monkeypatch.setattr(Work, "fails", step)
    assert main(["rebuild", "--yes"]) == ERROR
    assert f"{step} failed" in capsys.readouterr().err and pacemaker.asked == []


def with_meta(pacemaker, name, value):
    pacemaker._cib = pacemaker._cib.replace('type="pgsqlms">', (
        'type="pgsqlms"><meta_attributes id="paf-pause-pgsqld" score="1000000"><nvpair id="x" '
        f'name="{name}" value="{value}"/></meta_attributes>'), 1)


def with_flag(pacemaker, flag):
    begin, end = pacemaker._mon.split('<node name="srv1"', 1)
    pacemaker._mon = begin + '<node name="srv1"' + end.replace(
        f'{flag}="false"', f'{flag}="true"', 1)


@pytest.mark.parametrize("change, said", [
    (lambda found: with_flag(found, "standby"), "srv1 is a standby node. Waits for the end of "
     "that: pcs node unstandby srv1, or crm node online srv1\n"),
    (lambda found: with_flag(found, "maintenance"),
     "srv1 is in maintenance. Waits for the end of that: paf resume srv1\n"),
    (lambda found: with_meta(found, "maintenance", "true"), "pgsqld-clone is paused by paf pause. "
     "Waits for the end of that: paf resume --resource pgsqld\n"),
    (lambda found: with_meta(found, "target-role", "Stopped"),
     "pgsqld-clone is disabled (target-role=Stopped). Waits for the end of that: "),
    (lambda found: setattr(found, "_mon", "<no XML"), None)])
def test_an_order_that_keeps_pacemaker_from_the_start_is_named(pacemaker, capsys, change, said):
    """It was waited for until the timeout, without a word."""
    change(pacemaker)
    assert main(["rebuild", "--yes"]) == OK
    shown = capsys.readouterr().out
    assert said in shown if said else "Waits" not in shown


# The old data directory


@pytest.fixture
def removed(monkeypatch):
    """The folders that are removed."""
    found = []
    monkeypatch.setattr(journal, "remove_folder", lambda _, path: found.append(path))
    monkeypatch.setattr(Work, "left", ("/d.before-1", "/t.before-1"))
    return found


def test_the_old_directory_goes_once_the_new_one_streams(pacemaker, removed):
    assert main(["rebuild", "--yes"]) == OK and removed == ["/d.before-1", "/t.before-1"]


def test_the_old_directory_stays_while_the_new_one_does_not_stream(
        pacemaker, removed, monkeypatch, capsys):
    monkeypatch.setattr(verb.awaited, "streams", lambda _: False)
    assert main(["rebuild", "--yes", "--timeout", "0.01"]) == NOT_DONE and removed == []
    said = capsys.readouterr().err
    assert "does not stream yet" in said and "kept: /d.before-1, /t.before-1" in said


def test_the_old_directory_stays_where_its_wal_is_kept_nowhere_else(
        pacemaker, removed, monkeypatch, capsys):
    monkeypatch.setattr(Work, "kept", False)
    assert main(["rebuild", "--yes"]) == OK and removed == []
    assert "so it stays: /d.before-1, /t.before-1" in capsys.readouterr().err


@pytest.mark.parametrize("seen", [
    None, SimpleNamespace(verdict=SimpleNamespace(state=state.PRIMARY), rows=[["me", "", "1"]]),
    SimpleNamespace(verdict=SimpleNamespace(state=state.STANDBY), rows=[])])
def test_what_is_not_seen_to_stream_does_not(monkeypatch, seen):
    def observe(*_):
        if seen is None:
            raise ocf.OcfError("no answer")
        return seen
    monkeypatch.setattr(verb.awaited.local, "version", lambda _: 150000)
    monkeypatch.setattr(verb.awaited.observe, "observe", observe)
    assert verb.awaited.streams(None) is False


# Rewind or copy


FOUND = SimpleNamespace(common=True, fork=None, upstream=SimpleNamespace(system_identifier="7"))


def decide(tmp_path, monkeypatch, fact, *words, role=None, fresh=False, problem=None, mixture=""):
    """Return the Work, and why it would copy ("" for a rewind)."""
    def check(*_):
        if role:
            raise ocf.OcfError(role)
    monkeypatch.setattr(controldata, "read", lambda *_: Known("the control file"))
    monkeypatch.setattr(rewind, "is_fresh_copy", lambda _: fresh)
    monkeypatch.setattr(historyfiles, "off_history", lambda *_: mixture)
    monkeypatch.setattr(rewind, "problem_now", lambda *_: problem)
    monkeypatch.setattr(settings, "check_data_directory", lambda *_: None)
    monkeypatch.setattr(rewindrole, "check", check)

    def examine(*_):
        if isinstance(fact, Exception):
            raise fact
        return fact, ""
    monkeypatch.setattr(verb.promotions, "examine", examine)
    work = verb.Work(instance_at(tmp_path), "srv1", options(*words))
    work._source = SimpleNamespace(conninfo="host=x")
    return work, work._not_rewound()


@pytest.mark.parametrize("changes, why", [
    ({}, ""), ({"problem": "no wal_log_hints"}, "no wal_log_hints"),
    ({"role": "may not read files"}, "may not read files"),
    ({"fresh": True}, "it has not run since it was copied")])
def test_a_diverged_instance_is_rewound_where_pg_rewind_can(tmp_path, monkeypatch, changes, why):
    assert decide(tmp_path, monkeypatch, Known(FOUND), **changes)[1] == why


def test_what_is_requested_or_cannot_be_rewound_is_copied(tmp_path, monkeypatch):
    assert decide(tmp_path, monkeypatch, Known(FOUND), "--copy")[1] == "--copy asks for it"
    assert decide(tmp_path, monkeypatch, Known(FOUND), "--from", "pgbackrest")[1] == (
        "--from pgbackrest asks for it")
    stranger = SimpleNamespace(**{**vars(FOUND), "common": False})
    assert "cannot lead back" in decide(tmp_path, monkeypatch, Known(stranger))[1]


@pytest.mark.parametrize("fact, doubt", [
    (Known(None), "of two"), (Unknown("silent"), "silent"), (Known(FOUND), "of two")])
def test_a_mixture_of_two_servers_is_copied_and_what_it_holds_is_in_doubt(
        tmp_path, monkeypatch, fact, doubt):
    work, why = decide(tmp_path, monkeypatch, fact, mixture="of two servers; copy it")
    assert why == "of two servers" and doubt in work._doubt


@pytest.mark.parametrize("fact, words", [
    (Unknown("the primary is silent"), "not known whether .* has diverged: the primary is silent"),
    (Known(None), "has not diverged from the primary, so it can follow it")])
def test_an_instance_that_may_be_good_is_not_rebuilt_unasked(tmp_path, monkeypatch, fact, words):
    with pytest.raises(Problem, match=words):
        decide(tmp_path, monkeypatch, fact)


def test_a_copy_that_has_not_run_is_copied_again_and_what_it_holds_is_in_doubt(
        tmp_path, monkeypatch):
    """What a primary sent it before that died may be what no standby has."""
    work, why = decide(tmp_path, monkeypatch, ocf.OcfError("no WAL"), fresh=True)
    assert why == "it has not run since it was copied" and work._doubt == "no WAL"


def test_a_directory_without_a_control_file_may_hold_wal_that_no_one_else_has(
        tmp_path, monkeypatch):
    monkeypatch.setattr(controldata, "read", lambda *_: Unknown("damaged"))
    for folder, doubt in (("base", ""), ("pg_wal", "damaged")):
        (tmp_path / folder).mkdir()
        work = verb.Work(instance_at(tmp_path), "srv1", options())
        assert work._control() is None and work._doubt == doubt
    assert verb.Work(instance_at(tmp_path / "none"), "srv1", options())._control() is None


# What is said beforehand


@pytest.mark.parametrize("names, fits, why_copy, words, said", [
    (["a", "b"], True, "", [], "; its WAL is kept in {lost}"),
    (["a", "b"], False, "", [], "; its WAL too, since it is too much for a copy (32 MB)"),
    (["a", "b"], False, "no hints", [],
     "; its WAL is too much for a copy (32 MB), and stays in the old directory"),
    (["a", "b"], False, "no hints", ["--discard"],
     "; its WAL too, since it is too much for a copy (32 MB)"),
    (None, True, "no hints", [], "; its WAL cannot be copied, and stays in the old directory")])
def test_what_becomes_of_the_wal_that_is_only_here_is_said(
        tmp_path, monkeypatch, names, fits, why_copy, words, said):
    monkeypatch.setattr(verb.copying, "only_here", lambda *_: ("1", names, 16 << 20))
    monkeypatch.setattr(verb.keptwal, "fits", lambda *_: fits)
    work = verb.Work(instance_at(tmp_path), "srv1", options(*words))
    work._why_copy = why_copy
    assert work._says_of_wal("; its WAL") == said.format(
        lost=verb.keptwal.lost_folder(instance_at(tmp_path)))


@pytest.mark.parametrize("words, expected", [
    (["--discard"], ["  /t is emptied first", "  {data} is emptied first"]),
    ([], ["  into /t.rebuilt, which becomes /t",
          "  into {data}.rebuilt, which becomes {data}; what is there now becomes {data}.before-1, "
          "until the new one streams"])])
def test_what_becomes_of_each_folder_is_said(tmp_path, words, expected):
    data = tmp_path / "main"
    data.mkdir()
    work = verb.Work(instance_at(data), "srv1", options(*words))
    work._why_copy = "no hints"
    work._source = SimpleNamespace(size=None, why="no rights")
    work._plan = SimpleNamespace(swaps=[("/t.rebuilt", "/t", "/t.before-1"), (
        f"{data}.rebuilt", str(data), f"{data}.before-1")])
    first, *others = work.says()
    assert first == ("pg_basebackup copies the primary (its size is not known: no rights), since "
                     "no hints")
    assert others == [line.format(data=data) for line in expected]


def test_a_rebuild_that_cannot_be_cleaned_up_is_one(pacemaker, monkeypatch, capsys):
    def ask(*_):
        raise Problem("crm_resource failed: Transport endpoint is not connected")
    monkeypatch.setattr(pacemaker, "ask", ask)
    monkeypatch.setattr(Work, "left", ["/d.before-1"])
    assert main(["rebuild", "--yes"]) == NOT_DONE
    said = capsys.readouterr().err
    assert "is rebuilt" in said and " ".join(CLEANUP) in said and "/d.before-1" in said


def test_an_interruption_behind_the_rebuild_says_how_to_go_on(pacemaker, monkeypatch, capsys):
    def streams(_):
        raise KeyboardInterrupt
    monkeypatch.setattr(verb.awaited, "streams", streams)
    assert main(["rebuild", "--yes"]) == INTERRUPTED
    said = capsys.readouterr().err
    assert "is rebuilt" in said and " ".join(CLEANUP) in said
