"""Rows of the trials on machines without a machine: their shell, and what they ask for."""

import contextlib
import types
from collections import Counter

import pytest

from lab.tools import LabError, Result, run
from trials.machines import clocks, disks, host, memory, model, sbd, stage, two
from trials.result import Played


class Node:
    """A node that answers what its function says, and remembers what was asked."""

    def __init__(self, answer=lambda line: ""):
        self.answer, self.asked = answer, []

    def run(self, argv, **options):
        line = argv[2] if argv[:2] == ["sh", "-c"] else " ".join(argv)
        self.asked.append(line)
        found = self.answer(line)
        if isinstance(found, Exception):
            raise found
        return Result(tuple(argv), 0, found, "")


@pytest.mark.parametrize("text", [memory._CATCH, memory._PRESS, memory._GREEDY, host._NEWER,
                                  host._SMALL, host._LARGE, memory.POSTMASTER, two._NAMES,
                                  memory._SWAP, sbd._STATE,
                                  *map(disks.change, (disks.GOOD, disks.BAD, disks.SLOW))])
def test_the_shell_of_the_rows_is_shell(text):
    assert run(["sh", "-n", "-c", text], check=False).ok


@pytest.mark.parametrize("text", [clocks._STEP, clocks._TICK, memory._HOG])
def test_the_programs_of_the_rows_are_python(text):
    compile(text, "row", "exec")


def test_a_daemon_is_found_by_as_much_of_its_name_as_the_kernel_keeps():
    node = Node(lambda line: "12")
    assert memory.pid_of(node, "pacemaker-controld") == "12"
    assert node.asked == ["pgrep -x pacemaker-contr"]


@pytest.mark.parametrize("count", ["0", "1"])
def test_a_limit_is_taken_back_once_a_process_was_killed_and_where_none_was(monkeypatch, count):
    monkeypatch.setattr(memory, "LONG", 0)
    node = Node(lambda line: "/group" if line.startswith("mktemp") else count)
    with contextlib.suppress(LabError) if count == "1" else pytest.raises(LabError, match="of 7"):
        memory.starve(node, "7")
    assert node.asked[1] == ("echo 4096 > /group/memory.limit_in_bytes "
                             "&& echo 7 > /group/cgroup.procs")
    assert node.asked[-1] == "echo -1 > /group/memory.limit_in_bytes"


def lab(answer):
    """A lab of three nodes whose first answers what the function says."""
    nodes = {"srv1": Node(answer), "srv2": Node(), "srv3": Node()}
    return types.SimpleNamespace(nodes=nodes, members=tuple(nodes), primary=lambda: "srv3")


def test_a_cluster_is_made_smaller_once():
    made = lab(lambda line: "nodelist.node.2.name (str) = srv3" if "cmap" in line else "1 srv1")
    two.two_nodes(made)
    assert made.members == ("srv1", "srv2")
    assert made.nodes["srv1"].asked[1:] == [
        "paf switchover srv1 --yes", two._NAMES, *two._SMALLER, "crm_node --list"]
    assert made.nodes["srv2"].asked == [two._NAMES, "crm_node --list"]
    made = lab(lambda line: "nodelist.node.0.name (str) = srv1")
    two.two_nodes(made)
    assert made.members == ("srv1", "srv2") and len(made.nodes["srv1"].asked) == 1


def test_a_removed_node_is_forgotten_once_no_controller_has_it():
    """crm_node may end before the controller has read what it asks."""
    made = lab(lambda line: "")
    made.nodes["srv2"].answer = lambda line: "3 srv3 lost"
    assert not two.is_forgotten(made)
    assert made.nodes["srv1"].asked[-1] == "crm_node --force --remove srv3"
    made.nodes["srv2"].answer = lambda line: "2 srv2 member"
    assert two.is_forgotten(made)


def test_a_quorum_device_is_set_up_once():
    made = lab(lambda line: "")
    two.quorum_device(made)
    assert made.nodes["srv3"].asked and "host=srv3" in made.nodes["srv1"].asked[-1]
    made = lab(lambda line: "  Model: net\n")
    two.quorum_device(made)
    assert not made.nodes["srv3"].asked


def test_the_two_are_cut_from_each_other_and_from_nobody_else(monkeypatch):
    seen = []
    monkeypatch.setattr(two, "ip_batch", lambda hub, lines: seen.append(lines))
    two.apart(types.SimpleNamespace(hub="hub"))
    assert seen == [["link set srv1-0 type bridge_slave isolated on",
                     "link set srv2-0 type bridge_slave isolated on"]]


def test_the_time_with_two_primaries_is_that_in_which_both_surely_were():
    one, other = (types.SimpleNamespace(first_answered=first, last_asked=last)
                  for first, last in ((10.0, 20.0), (17.5, 40.0)))
    assert stage.together(one, other) == 2.5 == stage.together(other, one)


ROW = {"membership": "online", "score": 1}
TODO = {"code": "failed", "what": "asyncmon has failed", "pcs": ["crm_resource --cleanup"]}


@pytest.mark.parametrize("todo, cleaned", [
    ([TODO], True), ([], False), ([TODO, {**TODO, "code": "quorum"}], False)])
def test_failures_are_cleaned_up_where_nothing_else_is_to_be_done(todo, cleaned):
    made = lab(lambda line: "")
    answer = {"nodes": [{**ROW, "node": name, "state": "streaming"} for name in made.nodes],
              "primary": "srv1", "vips": [{"node": "srv1"}], "todo": todo}
    answer["nodes"][0]["state"] = "running"
    made.status = lambda: (1, answer)
    scene = types.SimpleNamespace(remarks=[])
    stage.Stage(made, None)._clean_up(scene)
    assert bool(made.nodes["srv1"].asked) == cleaned == bool(scene.remarks)


class Booting(Node):
    """A node with a boot, that answers the rest with nothing."""

    name, boot = "srv1", "first"

    def boot_id(self):
        if self.boot == "slow":
            self.boot = "first"
            raise LabError("no answer")
        return self.boot


def test_a_device_is_as_before_after_a_fault_unless_the_node_has_booted():
    node = Booting()
    with disks.other(node, "suspend", "resume") as boot:
        assert (boot, node.asked) == ("first", ["suspend"])
        node.boot = "slow"
    assert node.asked == ["suspend", "resume"]      # no answer is no other boot
    with contextlib.suppress(LabError), disks.other(node, "suspend", "resume"):
        node.boot = "second"
        raise LabError("no successor")
    assert node.asked == ["suspend", "resume", "suspend"]


def test_a_fault_of_a_device_that_could_not_be_made_is_said():
    assert 'table "0 $size error"' in disks.change(disks.BAD)
    assert 'grep -q " error"' in disks.change(disks.BAD)
    assert 'grep -q " delay"' in disks.change(disks.SLOW)
    node = Booting(lambda line: LabError("no dm-delay"))
    with pytest.raises(LabError), disks.other(node, "suspend", "resume"):
        pytest.fail("played without the fault")


@pytest.mark.parametrize("lost, words", [(12288, "12 kB were dropped"), (0, "0 kB were dropped")])
def test_a_power_cut_has_to_cost_something(lost, words):
    seen = [4096]
    victim = types.SimpleNamespace(data=types.SimpleNamespace(dropped=lambda: list(seen)),
                                   dark=lambda: seen.append(lost))
    scene = model.Scene(types.SimpleNamespace(nodes={"srv1": victim}, primary=lambda: "srv1"),
                        None, "run")
    with contextlib.nullcontext() if lost else pytest.raises(AssertionError, match="lost nothing"):
        disks.cut(scene)
    assert scene.remarks == [words]


@pytest.mark.parametrize("shows", [False, True])
def test_what_a_second_primary_costs_is_said_and_fails_no_row_that_shows_one(shows):
    """Each other row fails for a row that is lost, and for what vanished from the lists."""
    client = types.SimpleNamespace(report=lambda: types.SimpleNamespace(outage_ms=1, lost=[7]))
    lists = types.SimpleNamespace(
        report=lambda: types.SimpleNamespace(problems=["vanished: 8 of list 0"]))
    lab = types.SimpleNamespace(fencings=Counter)
    result = Played("a row", [])
    stage.Stage(lab, None)._judge(result, types.SimpleNamespace(lab=lab, fenced=Counter()), None,
                                  (client, lists), shows)
    words = ["1 rows lost", "vanished: 8 of list 0"]
    assert (result.remarks, result.problems) == ((words, []) if shows else ([], words))
    assert result.lost == 1


def test_a_second_primary_is_no_reason_to_find_none():
    silent = types.SimpleNamespace(report=lambda: types.SimpleNamespace(outage_ms=1, lost=None))
    lab, result = types.SimpleNamespace(fencings=Counter), Played("a row", [])
    stage.Stage(lab, None)._judge(
        result, types.SimpleNamespace(lab=lab, fenced=Counter()), None,
        (silent, types.SimpleNamespace(report=lambda: None)), True)
    assert len(result.problems) == 2
