"""The benchmark's own bookkeeping: steps, estimates, verdicts, pages."""

import argparse
import re
import threading
from xml.etree import ElementTree

import pytest

from trials.bench import __main__ as command
from trials.bench import costs, measure, page, pgsql, scenes, targets
from trials.bench.progress import Progress
from lab import cib
from lab.settings import VIP, Settings
from lab.tools import LabError

QUICK = argparse.Namespace(peer="perl", quick=True, three=True, runs=1, scenes=())


def results(peer="perl", ours=0.5, theirs=2.0, **more):
    """Return results in which each time is `ours` and `theirs` seconds."""
    def agent(seconds, programs):
        phases = {"until seen": seconds / 10, "fencing": seconds / 10, "recovery": seconds}
        monitor = {"cpu ms": seconds * 10, "wall ms": seconds * 10, "programs": programs}
        actions = ("monitor, primary", "monitor, standby", "notify, nothing to do")
        switchover = dict.fromkeys((targets.IDLE, "notify pre-promote", "promote"), [seconds])
        return {"outages": {name: [{"without writes": seconds} if name == "switchover" else phases]
                            for name in scenes.SCENES},
                "actions": {"switchover": switchover}, "cib writes": 0.0, "failed": [],
                "costs": {nodes: dict.fromkeys(actions, monitor) for nodes in ("3", "9")},
                "many": {"9": {"without writes": [seconds], **switchover}}}
    return {"peer": peer, "runs": 1, "date": "2026-01-01", "load": 0.1,
            "results": {"ours": agent(ours, 2), peer: agent(theirs, 9)}, **more}


def test_what_is_meant_is_kept_by_an_agent_that_is_quick_and_lean():
    missed = targets.missed(results(theirs=10.0))
    assert [target.what for target in missed] == []


@pytest.mark.parametrize("peer", ["perl", "pgsql"])
def test_what_is_missed_is_told_with_its_name(peer):
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


def test_a_step_that_fails_is_noted_and_told_and_ends_nothing(monkeypatch, capsys):
    monkeypatch.setattr(measure, "KINDS", {"ours": Broken, "perl": Broken})
    monkeypatch.setattr(measure, "free_name", lambda name: name)    # no lab is started
    saved = []
    run = measure.Measurement(QUICK, saved.append)
    run.run()
    assert len(saved) == len(list(run.steps())) == 14
    assert run.results["perl"]["failed"] == ["up", "costs", *scenes.SCENES]
    assert "perl: switchover: FAILED: the power is out" in capsys.readouterr().out


def test_the_pgsql_agent_gets_its_own_parameters_and_no_other():
    settings = Settings(count=3, kind="pgsql", parameters=pgsql.parameters(Settings(count=3)))
    root = ElementTree.fromstring(cib.build(settings))
    primitive = root.find(".//primitive[@id='pgsqld']")
    given = {pair.get("name"): pair.get("value")
             for pair in primitive.find("instance_attributes").iter("nvpair")}
    assert primitive.get("type") == "pgsql" and "bindir" not in given
    assert (given["node_list"], given["master_ip"]) == ("srv1 srv2 srv3", VIP)
    told = costs.environment(argparse.Namespace(settings=settings, nodes=settings.names), "srv1")
    assert told["OCF_RESKEY_rep_mode"] == "sync" and "OCF_RESKEY_bindir" not in told
