"""The benchmark's own bookkeeping: steps, estimates, verdicts, pages."""

import argparse
import re
import threading
from xml.etree import ElementTree

import pytest

from trials.bench import __main__ as command
from trials.bench import beside, costs, measure, modes, page, pgsql, scenes, several, targets
from trials.bench.progress import Progress
from lab import cib
from lab.pacemaker_log import Action
from lab.settings import VIP, Settings
from lab.tools import LabError

QUICK = argparse.Namespace(peer="perl", quick=True, three=True, runs=1, scenes=(), sync=False,
                           load=False)


def results(peer="perl", ours=0.5, theirs=2.0, **more):
    """Return results in which each time is `ours` and `theirs` seconds."""
    def agent(seconds, programs):
        phases = {"until seen": seconds / 10, "fencing": seconds / 10, "recovery": seconds}
        monitor = {"cpu ms": seconds * 10, "wall ms": seconds * 10, "programs": programs}
        actions = ("monitor, primary", "monitor, standby", "notify, nothing to do")
        switchover = dict.fromkeys((targets.IDLE, "notify pre-promote", "promote"), [seconds])
        return {"outages": {name: [{"without writes": seconds} if name == "switchover" else phases]
                            for name in scenes.SCENES},
                "actions": {"switchover": switchover}, "failed": [],
                "rest": {nodes: {"cib writes": 0.0, "cpu": 10 * seconds} for nodes in ("3", "9")},
                "costs": {nodes: dict.fromkeys(actions, monitor) for nodes in ("3", "9")},
                "many": {"9": {"without writes": [seconds], **switchover}}}
    return {"peer": peer, "runs": 1, "date": "2026-01-01", "load": 0.1,
            "load before": 0.2, "agent": "abc1234",
            "results": {"ours": agent(ours, 2), peer: agent(theirs, 9)}, **more}


def test_what_is_meant_is_kept_by_an_agent_that_is_quick_and_lean():
    missed = targets.missed(results(theirs=10.0))
    assert [target.what for target in missed] == []


@pytest.mark.parametrize("peer", ["perl", "pgsql"])
def test_what_is_missed_is_reported_with_its_name(peer):
    slow = [target.what for target in targets.missed(results(peer, ours=2.0, theirs=1.0))]
    assert "switchover, without writes" in slow and "crash of the primary, total" in slow
    assert "monitor, standby, cpu ms" in slow
    assert "monitor, standby, 9 nodes: programs" not in slow


def test_an_absolute_target_is_missed_however_slow_the_other_agent_is():
    missed = targets.missed(results(ours=3.0, theirs=1000.0))
    assert {(target.what, target.unit) for target in missed} == {
        ("switchover, without writes", "s"), ("crash of the primary, total", "s")}


def test_what_the_machine_does_to_nine_nodes_is_not_counted_against_the_election():
    found = results(theirs=10.0)
    many = found["results"]["ours"]["many"]["9"]
    many.update({"notify pre-promote": [2.0], targets.IDLE: [2.0]})
    assert targets.missed(found) == []
    assert "its election 4.0 times" in page._growth(found)
    many[targets.IDLE] = [1.5]
    assert [target.what for target in targets.missed(found)] == [
        "switchover with 9 nodes, notify pre-promote"]


def test_what_was_not_measured_is_not_kept():
    found = results(theirs=10.0)
    del found["results"]["ours"]["many"]["9"]
    found["results"]["ours"]["outages"]["switchover"] = []
    verdicts = {target.what: target.verdict(found)[1] for target in targets.of(found)}
    assert verdicts["switchover with 9 nodes, without writes"] == "not measured"
    assert verdicts["switchover, without writes"] == "not measured"
    assert command.report(targets.missed(found)) == 1
    assert targets.missed(found, part=True) == []


def test_the_command_fails_only_where_a_target_is_missed(capsys):
    assert command.report(targets.missed(results(theirs=10.0))) == 0
    assert command.report(targets.missed(results(ours=9.0))) == 1
    assert "missed: switchover, without writes" in capsys.readouterr().err


@pytest.mark.parametrize("peer", sorted(page.PAGES))
def test_a_page_has_all_tables_also_where_an_agent_failed(tmp_path, monkeypatch, peer):
    monkeypatch.setattr(page, "DOCS", tmp_path)
    (tmp_path / "pictures").mkdir()
    found = results(peer)
    found["results"][peer].update(outages={}, actions={}, costs={}, many={}, failed=["switchover"])
    text = page.write(found).read_text()
    assert "| switchover | without writes | 0.50 s (1 run) | - | - |" in text
    assert "**not measured**" in text and "did not settle" in text
    picture, = re.findall(r"\((pictures/.*)\)", text)
    ElementTree.parse(tmp_path / picture)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.count("|") > 4 and line.endswith("|") for line in rows)


def test_a_page_links_to_the_others_that_are_there(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "DOCS", tmp_path)
    (tmp_path / "pictures").mkdir()
    assert "performance-pgsql.md" not in page.write(results()).read_text()
    assert "(performance.md)" in page.write(results("pgsql")).read_text()
    assert "(performance-pgsql.md)" in page.write(results()).read_text()


def test_the_page_says_what_a_node_costs_while_nothing_happens():
    found = results()
    found["results"]["perl"]["rest"].pop("9")
    text = page.tables(found)
    assert "| 3 | at rest | CPU of a node, seconds an hour | 5.0 | 20.0 | 0.25 |" in text
    assert "| 9 | at rest | CPU of a node, seconds an hour | 5.0 | - | - |" in text
    assert "| 3 | at rest | CIB writes a minute | 0 | 0 | - |" in text


@pytest.mark.parametrize("before, after, expected", [
    ((7, 3), (7, 3), 0), ((7, 3), (7, 12), 9), ((7, 30), (8, 0), 1), ((7, 30), (11, 2), 6)])
def test_changes_of_the_cib_are_counted_across_those_of_the_configuration(
        before, after, expected):
    assert costs.changes(before, after) == expected


def compared(mode, **seconds):
    """Return results of outages alone: each of an agent's total is `seconds`."""
    agents = {agent: {"outages": {name: [{"recovery": value}] for name in scenes.SCENES},
                      "actions": {"switchover": {"promote": [value]}}, "load": [[800.0, 90.0]],
                      "costs": {}, "rest": {}, "many": {}, "failed": []}
              for agent, value in seconds.items()}
    return {"peer": "perl", "mode": mode, "runs": 1, "date": "2026-01-01", "load": 0.1,
            "load before": 0.2, "agent": "abc1234", "results": agents}


def test_a_synchronous_cluster_is_asked_for_what_a_reconnection_takes():
    kept = compared("sync", ours=1.0, sync=1.45, **{"sync-default": 5.5})
    assert targets.missed(kept) == []
    slow = compared("sync", ours=1.0, sync=1.55, **{"sync-default": 5.5})
    assert [target.what for target in targets.missed(slow)] == [
        f"{scene}, with ANY 1 and 500 ms" for scene in
        ("switchover", "crash of the primary", "power cut of the primary")]


def test_busy_clusters_are_compared_with_each_peer():
    assert targets.missed(compared("load", ours=1.0, perl=2.0, pgsql=1.5)) == []
    slow = compared("load", ours=1.3, perl=2.0, pgsql=1.2)
    assert [target.what for target in targets.missed(slow)] == [
        "switchover, beside perl", "crash of the primary, beside perl",
        *(f"{scene}, beside pgsql" for scene in
          ("switchover", "crash of the primary", "power cut of the primary"))]


@pytest.mark.parametrize("mode, agents", [
    ("sync", {"ours": 1.0, "sync": 1.2, "sync-default": 5.0}),
    ("load", {"ours": 1.0, "perl": 2.0, "pgsql": 3.0})])
def test_a_page_of_several_clusters_has_a_column_of_each(tmp_path, monkeypatch, mode, agents):
    monkeypatch.setattr(page, "DOCS", tmp_path)
    (tmp_path / "pictures").mkdir()
    found = compared(mode, **agents)
    found["results"][list(agents)[1]].update(outages={}, actions={}, load=[], failed=["up"])
    path = several.write(found)
    text = path.read_text()
    assert path.name == f"performance-{mode}.md" and "did not settle: " in text
    last = list(agents.values())[2]
    assert f"| switchover | recovery | 1.00 s (1 run) | - | {last:.2f} s (1 run) | - | " in text
    assert "| this agent | 800 | 90 MiB |" in text and "**not measured**" in text
    ElementTree.parse(tmp_path / "pictures" / f"performance-{mode}.svg")


@pytest.mark.parametrize("asked, agents, kinds", [
    ({"sync": True}, ("ours", "sync", "sync-default"), {"up", "down", "switchover"}),
    ({"load": True}, ("ours", "perl", "pgsql"), {"up", "down", "switchover"}),
    ({}, ("ours", "perl"), {"up", "down", "switchover", "costs"})])
def test_a_mode_has_its_clusters_and_its_steps(asked, agents, kinds):
    options = argparse.Namespace(**{**vars(QUICK), "scenes": ("switchover",), **asked})
    steps = list(measure.Measurement(options, print).steps())
    assert {step.what for step in steps} == kinds
    assert tuple(step.agent for step in steps if step.what == "switchover") == agents
    assert all(step.guess for step in steps)


def test_without_a_choice_outages_alone_have_no_partitions():
    options = argparse.Namespace(**{**vars(QUICK), "load": True})
    faults = [step.what for step in measure.Measurement(options, print).steps()]
    assert "partition of the primary" not in faults and "power cut of the primary" in faults


def test_synchronous_clusters_differ_in_how_soon_standbys_look_for_a_primary(tmp_path, monkeypatch):
    monkeypatch.setattr(pgsql, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(pgsql, "SHELL_FUNCTIONS", "etc/passwd")    # there without resource-agents
    fast, slow = (modes.KINDS[name]("bench", 3).settings.postgres
                  for name in ("sync", "sync-default"))
    assert fast["synchronous_standby_names"] == slow["synchronous_standby_names"]
    assert "wal_retrieve_retry_interval" not in fast
    assert slow["wal_retrieve_retry_interval"] == "5s"
    busy = modes.KINDS["pgsql"]("bench", 3, postgres=measure.BUSY).settings.postgres
    assert busy == measure.BUSY
    assert (tmp_path / "pgsql" / "etc" / "passwd").exists(), "what the agent needs is written there"


class Clock:
    """A clock that only the test moves."""

    now = 0.0

    def __call__(self):
        return self.now


def test_the_estimate_takes_what_was_seen_in_place_of_the_guess():
    clock = Clock()
    progress = Progress([("crash", 100), ("crash", 100), ("up", 20)], clock=clock)
    assert progress.remaining() == 220
    with progress.step("crash"):
        clock.now += 10
        assert progress.remaining() == 210
    assert progress.remaining() == 30
    assert "1 of 3 steps done" in progress.summary()


def test_a_line_comes_after_a_silence_though_nothing_happens():
    said, heard = [], threading.Event()

    def write(text, flush):
        if "up for " in text:    # not before the step has started
            said.append(text)
            heard.set()
    with Progress([("up", 60)], silence=0.01, write=write) as progress, progress.step("up"):
        assert heard.wait(10)
    assert "0 of 1 steps done, about 1 min to go" in said[0]


class Broken:
    """A cluster that never comes up."""

    def __init__(self, name, nodes):
        self.nodes = range(nodes)

    def up(self):
        raise LabError("the power is out")

    reset = make_whole = up

    def down(self):
        """Do nothing."""


def test_a_step_that_fails_is_noted_and_reported_and_ends_nothing(monkeypatch, capsys):
    monkeypatch.setattr(measure, "KINDS", {"ours": Broken, "perl": Broken})
    monkeypatch.setattr(measure, "free_name", lambda name: name)    # no lab is started
    saved = []
    run = measure.Measurement(QUICK, saved.append)
    run.run()
    assert len(saved) == len(list(run.steps())) == 14
    assert run.results["perl"]["failed"] == ["up", "costs", *scenes.SCENES]
    assert "perl: switchover: FAILED: the power is out" in capsys.readouterr().out


def test_each_kind_of_load_is_played_with_each_fault_and_has_its_targets():
    options = argparse.Namespace(**{**vars(QUICK), "load": modes.EACH})
    steps = [step for step in measure.Measurement(options, print).steps()
             if step.what not in ("up", "down")]
    assert [step.play.args[2] for step in steps] == [
        kind for kind in beside.KINDS for _ in range(6)]
    assert {beside.clients(kind) for kind in beside.KINDS} == {50, 16}
    asked = [target.what for target in targets.of(results(mode="load-kinds"))]
    assert len(asked) == 9 and "crash of the primary, 450 sessions, beside perl" in asked
    assert "kinds" in several._INTRODUCTIONS["load-kinds"]


@pytest.mark.parametrize("rows, found", [
    ([], None),
    ([(1, 800), (2, 810)], None),                            # nothing has happened yet
    ([(1, 800), (2, 810), (5.5, 300), (6.5, 730)], 4.5),     # its sessions broke
    ([(1, 800), (2, 100), (3, 500), (4, 719), (5, 720)], 4),
    ([(1, 800), (2, 810), (5, 900), (6, 100), (7, 800)], 3),
    ([(1, 800), (2, 810), (5, 300)], None)])
def test_pgbench_is_as_fast_again_with_90_percent_of_what_it_did(rows, found):
    assert measure.regained(rows, 800) == found


def test_the_page_says_what_clients_saw_and_leaves_out_what_did_not_come_back():
    seen = results("perl", mode="load")
    seen["results"]["ours"]["clients"] = {"switchover": [[2.0, 16], [None, 14], [3.0, 15]]}
    rows = several._clients(seen)
    assert rows[1][2:] == ["2.50 s (2.00 to 3.00; 2 runs)", "-"] and rows[2][2:] == ["15", "-"]
    assert len(rows) == 3 and several._clients(results("perl")) == []


def test_the_pgsql_agent_gets_its_own_parameters_and_no_other():
    settings = Settings(count=3, kind="pgsql", parameters=pgsql.parameters(Settings(count=3)))
    root = ElementTree.fromstring(cib.build(settings))
    primitive = root.find(".//primitive[@id='pgsqld']")
    given = {pair.get("name"): pair.get("value")
             for pair in primitive.find("instance_attributes").iter("nvpair")}
    assert primitive.get("type") == "pgsql" and "bindir" not in given
    assert (given["node_list"], given["master_ip"]) == ("srv1 srv2 srv3", VIP)
    shown = costs.environment(argparse.Namespace(settings=settings, nodes=settings.names), "srv1")
    assert shown["OCF_RESKEY_rep_mode"] == "sync" and "OCF_RESKEY_bindir" not in shown


@pytest.mark.parametrize("spans, expected", [
    ([], 0), ([(1, 2), (4, 6)], 3), ([(1, 4), (2, 3), (3, 6)], 5), ([(2, 5), (1, 3)], 4),
    ([(5, 3)], 0), ([(1, 2), (4, 3)], 1)])    # what began before and ended before is none
def test_actions_side_by_side_count_once(spans, expected):
    assert scenes.union(spans) == expected


def test_what_clients_waited_for_is_clipped_to_the_outage():
    seen = scenes.Seen.__new__(scenes.Seen)
    seen.gaps = [(9.0, 9.4), (10.0, 12.0)]
    seen.actions = [Action(cib.RESOURCE, *words) for words in (
        ("demote", "srv1", 9.5, 10.5), ("promote", "srv2", 11.0, 11.5),
        ("notify", "srv2", 11.4, 11.6), ("monitor", "srv2", 11.6, 13.0))]
    found = seen.durations(10.0)
    assert found["demote"] == 1.0 and found["monitor"] == pytest.approx(1.4)
    assert found[scenes.TOGETHER] == pytest.approx(0.5 + 0.6)
