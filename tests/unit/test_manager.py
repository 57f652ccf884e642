"""What an attribute manager that ends takes with it is published again by the next monitor."""

import os
import types

import pytest

from paf.actions import monitor
from paf.cluster import base, corosync1, corosync2, manager, notes
from paf.deadline import Deadline
from paf.ocf import OcfError
from paf.runner import Result
from tests.unit.support import environment

STAT = "{} ({}) S {} " + "0 " * 17 + "{} 0 0\n"
#: pid: name, parent, start. An action is pid 90; two clusters run on this machine.
PROCESSES = {90: ("pgsqlms", 80, 9), 80: ("sh", 12, 8), 12: ("pacemaker-execd", 10, 2),
             10: ("pacemakerd", 1, 1), 11: ("pacemaker-attrd", 10, 3),
             22: ("pacemaker-attrd", 20, 4), 33: ("attrd", 1, 5), 34: ("a) R (b", 10, 6)}


@pytest.fixture
def processes(monkeypatch, tmp_path):
    """Return a function: /proc has these processes from then on."""
    def make(known):
        for pid in tmp_path.iterdir():
            os.unlink(pid / "stat")
            pid.rmdir()
        for pid, (name, parent, start) in known.items():
            (tmp_path / str(pid)).mkdir()
            (tmp_path / str(pid) / "stat").write_text(STAT.format(pid, name, parent, start))
    real = open
    monkeypatch.setattr("builtins.open", lambda name, *more: real(
        str(name).replace("/proc/", f"{tmp_path}/"), *more))
    entries = os.listdir
    monkeypatch.setattr(manager.os, "listdir", lambda name: entries(
        tmp_path if name == "/proc" else name))
    monkeypatch.setattr(manager.os, "getpid", lambda: 90)
    make(PROCESSES)
    return make


@pytest.mark.parametrize("executor, found", [
    ("pacemaker-execd", "11 3"), ("lrmd", "11 3"), ("pacemaker-remot", "")])
def test_the_attribute_manager_is_the_executors_sibling(processes, executor, found):
    processes({**PROCESSES, 12: (executor, 10, 2)})
    assert manager.find() == found


def test_an_attribute_manager_that_cannot_be_seen_is_taken_for_another_one(processes, tmp_path):
    """What this node has published is published again: that does no harm."""
    assert manager.is_same("11 3")
    (tmp_path / "11" / "stat").write_text("11 (pacemaker-attrd) S 10\n")
    assert not manager.is_same("11 3")
    assert manager.find() == ""
    processes({})
    assert not manager.is_same("11 3")


def test_an_action_by_hand_does_not_know_the_attribute_manager(processes):
    processes({90: ("pgsqlms", 80, 9), 80: ("bash", 1, 8), 11: ("pacemaker-attrd", 10, 3)})
    assert manager.find() == ""
    processes({})
    assert manager.find() == ""


@pytest.mark.parametrize("text, same", [("11 3", True), ("11 4", False), ("99 3", False),
                                        ("", False), ("self 3", False)])
def test_a_pid_that_was_given_out_again_is_another_process(processes, text, same):
    assert manager.is_same(text) == same


def make(folder, kind=corosync2.Corosync2, gone=True):
    """Return a Cluster whose commands are noted; gone: its attribute manager knows no ballot."""
    class Node(kind):    # type: ignore[misc, valid-type]
        def __init__(self):
            super().__init__(environment(CRM_meta_on_node="srv1", HA_RSCTMP=str(folder)))
            self.notes._folder, self.commands = str(folder), []

        def run(self, argv, deadline):
            self.commands.append(argv)
            text = "" if gone else 'name="ballot-default" host="srv1" value="none:"\n'
            return Result(0, text if "--query" in argv else "", "", False)

        def written(self):
            """Return {attribute: value} of what was published."""
            return {words["--name"].partition("-")[0]: words["--update"] for words in (
                dict(zip(argv, argv[1:])) for argv in self.commands) if "--update" in words}
    cluster = Node()
    cluster.node(None)
    return cluster


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A Cluster on which all attributes have been published, and the process then ended."""
    found = make(tmp_path)
    monkeypatch.setattr(manager, "find", lambda: "11 3")
    found.enter(base.MARK_COLD, Deadline(0.1))
    found.say_line("own 1:0:initdb", Deadline(1))
    found.explain("srv1", "it waits", Deadline(1))
    found.explain("srv2", "another one waits", Deadline(1))
    monkeypatch.setattr(manager, "find", lambda: "44 9")
    found.commands.clear()
    return found


def test_all_that_was_in_its_memory_is_published_again(cluster):
    cluster.publish_again(Deadline(1))
    written = cluster.written()
    assert written.pop("not_promoted_because").endswith("it waits")
    assert written == {"ballot": "none:", "line": "own 1:0:initdb"}
    assert cluster.notes.read(notes.MANAGER) == "44 9"


def test_what_was_withdrawn_is_not_published_again(cluster):
    cluster.forget(Deadline(1))
    cluster.commands.clear()
    cluster.publish_again(Deadline(1))
    assert cluster.written() == {"ballot": "none:"}


def test_a_round_that_was_opened_since_stays(cluster, tmp_path, monkeypatch):
    again = make(tmp_path, gone=False)
    again.publish_again(Deadline(1))
    assert "ballot" not in again.written()


def test_without_private_attributes_the_reason_is_shown_again(cluster, tmp_path):
    old = make(tmp_path, corosync1.Corosync1)
    old.publish_again(Deadline(1))
    assert list(old.written()) == ["not_promoted_because"]


def test_a_line_of_an_earlier_agent_is_said_again_by_a_primary(cluster):
    cluster.notes.write("line", "yes")
    cluster.publish_again(Deadline(1))
    assert "line" not in cluster.written() and not cluster.says_line()


@pytest.mark.parametrize("noted, whatever, first, second", [
    ("own 0:0:7 1:0:initdb", True, True, False), ("not 0:0:7 2:5:x", True, False, False),
    ("unknown", True, False, False), ("", False, False, False)])
def test_a_primary_has_said_its_line_where_that_is_of_its_timeline(
        cluster, noted, whatever, first, second):
    """What it said before its promotion is there where nothing has announced the end of that."""
    cluster.notes.write("line", noted)
    assert (cluster.says_line(), cluster.says_line(1), cluster.says_line(2)) == (
        whatever, first, second)


@pytest.mark.parametrize("noted, known, calls", [
    ("11 3", True, 0), ("10 3", True, 1), ("", True, 1), ("", False, 1)])
def test_a_monitor_looks_at_two_files_where_nothing_has_changed(
        processes, tmp_path_factory, monkeypatch, noted, known, calls):
    own = notes.Notes(types.SimpleNamespace(
        variables={"HA_RSCTMP": str(tmp_path_factory.mktemp("rsctmp"))}, resource="pgsqld"))
    own.write(notes.MANAGER, noted)
    monkeypatch.setattr(notes, "Notes", lambda _: own)
    done = []
    monkeypatch.setattr(monitor.remarks, "repeat", lambda _: done.append("remarks"))
    context = types.SimpleNamespace(in_cluster=True, environment=None, deadline=None,
                                    cluster=types.SimpleNamespace(
                                        publish_again=lambda _: done.append("all") or known))
    monitor._publish_again(context, is_primary=True)
    assert done == ["all", "remarks"][:1 + known] * calls


def test_a_monitor_that_cannot_publish_again_says_so_and_tries_again(
        processes, tmp_path, monkeypatch):
    def fails(_):
        raise OcfError("attrd_updater gives no answer")
    monkeypatch.setattr(notes, "Notes", lambda _: types.SimpleNamespace(read=lambda _: ""))
    said = []
    monitor._publish_again(types.SimpleNamespace(
        in_cluster=True, environment=None, deadline=None,
        cluster=types.SimpleNamespace(publish_again=fails),
        log=types.SimpleNamespace(warning=said.append)), is_primary=False)
    assert said == ["what this node has published may be gone: attrd_updater gives no answer"]


@pytest.mark.parametrize("noted, asked", [
    ([notes.ENTERED], []), ([notes.ENTERED, notes.LINE], ["follow"]),
    ([notes.ENTERED, notes.START], ["follow"]), ([notes.ENTERED, notes.ORIGIN], ["follow"]),
    ([], ["follow"])])
def test_a_standby_that_streams_asks_no_cluster_unless_it_had_no_primary(
        monkeypatch, noted, asked):
    """Each monitor would import what it needs for that."""
    class Context:
        in_cluster, environment, deadline, instance = True, None, None, None

        def __init__(self):
            self.done = []

        @property
        def cluster(self):
            self.done.append("follow")
            return types.SimpleNamespace(follow=lambda _: None)
    monkeypatch.setattr(notes, "Notes", lambda _: types.SimpleNamespace(
        read=lambda name: "yes" if name in noted else ""))
    context = Context()
    monitor._try_again(context, types.SimpleNamespace(rows=[["t", "", "1"]]))
    assert context.done == asked
