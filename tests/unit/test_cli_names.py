"""A node or a resource that is not there, and nothing to resume: one line, before anything else."""

import pathlib
import sys
from types import SimpleNamespace

import pytest

from paf.cli import configuration, lost, switchover
from paf.cli.common import ERROR, NOT_DONE, Problem
from paf.cli.main import main, module_of
from paf.cli.operate import pause, pauses, promote_verb, restart, resume
from paf.cli.status import status

CIB = (pathlib.Path(__file__).resolve().parents[1] / "data" / "cli" / "cib.xml").read_text()
MODULES = (switchover, promote_verb, pause, resume, restart, lost)


class Pacemaker:
    """It has a CIB, and notes what it is asked."""

    def __init__(self, cib=CIB):
        self.calls, self.xml, self.report = [], cib, {}

    def cib(self):
        return self.xml

    def node(self):
        return "srv3"

    def release(self):
        return (2, 1, 5)

    def ask(self, *argv):
        self.calls.append(argv)
        return ""


@pytest.fixture
def pacemaker(monkeypatch):
    """A Pacemaker for all verbs; the status has three nodes, and srv3 is the primary."""
    found = Pacemaker()
    rows = [{"node": name, "role": role, "in_recovery": role == "standby", "membership": "online",
             "state": role, "score": 1000, "pacemaker_role": "Unpromoted", "failures": []}
            for name, role in (("srv1", "standby"), ("srv2", "standby"), ("srv3", "primary"))]
    report = {"nodes": rows, "primary": "srv3", "primaries": ["srv3"], "quorum": True, "todo": [],
              "resource": "pgsqld", "clone": "pgsqld-clone", "vips": [],
              "failover": {"to": "srv1", "answer": True}}
    found.report = report
    for module in MODULES:
        monkeypatch.setattr(module, "Pacemaker", lambda: found)
    monkeypatch.setattr(status, "look", lambda *_: report)
    monkeypatch.setattr(status, "sight", lambda *_: SimpleNamespace(report=report))
    return found


@pytest.mark.parametrize("words", [
    ["switchover", "srv9", "--yes"], ["switchover", "srv9", "--dry-run"], ["promote", "srv9"],
    ["promote", "srv9", "--accept-loss", "--yes"], ["promote", "srv1", "--confirm-off", "srv9"],
    ["pause", "srv9"], ["resume", "srv9"], ["restart", "srv9"], ["lost", "srv9"]])
@pytest.mark.parametrize("primaries", [["srv3"], []])
def test_a_node_that_is_not_there_is_one_line(pacemaker, primaries, words, capsys):
    pacemaker.report["primaries"] = primaries
    assert main(words) == ERROR
    said = capsys.readouterr()
    assert (said.out, said.err) == (
        "", "paf: there is no node srv9 here; there are srv1, srv2, srv3\n")
    assert pacemaker.calls == []


def test_every_verb_that_takes_a_node_is_here():
    import argparse
    verbs = set()
    for verb in ("status", "check", "forecast", "switchover", "promote", "restart", "reload",
                 "pause", "resume", "timeline", "history", "rebuild", "lost", "health", "metrics"):
        parser = argparse.ArgumentParser()
        module_of(verb).arguments(parser)
        if any(action.dest == "node" for action in parser._actions):
            verbs.add(sys.modules[module_of(verb).__name__])
    assert verbs == set(MODULES)


def test_a_resource_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(Problem) as raised:
        configuration.find(configuration.parse(CIB), "nosuch")
    assert str(raised.value) == ("there is no resource of ocf:heartbeat:pgsqlms called nosuch in "
                                 "this cluster, but pgsqld")


@pytest.mark.parametrize("name, called", [("", ""), ("nosuch", " called nosuch")])
def test_where_there_is_no_resource_it_is_said_what_comes_first(name, called):
    with pytest.raises(Problem) as raised:
        configuration.find(configuration.parse("<cib/>"), name)
    assert str(raised.value) == (
        f"there is no resource of ocf:heartbeat:pgsqlms{called} in this cluster; paf create makes "
        "one, and paf check --pgdata FOLDER looks at this host before")


@pytest.mark.parametrize("words, said", [
    (["resume"], "paf: nothing is paused, nothing was changed\n"),
    (["resume", "srv2"], "paf: srv2 is not paused, nothing was changed\n")])
def test_to_resume_what_is_not_paused_is_one_line(pacemaker, words, said, capsys):
    assert main(words) == NOT_DONE
    assert capsys.readouterr().err == said and pacemaker.calls == []


def test_what_keeps_pacemaker_from_acting_is_named_where_nothing_is_paused(pacemaker, capsys):
    pacemaker.report["todo"].append({"code": "maintenance-mode", "node": None, "what": "it is on",
                                     "pcs": ["off"]})
    assert main(["resume"]) == ERROR
    assert capsys.readouterr().err == "paf: still so: it is on; off\n" and pacemaker.calls == []


@pytest.mark.parametrize("words, cib", [
    (["resume"], CIB.replace('type="pgsqlms">', 'type="pgsqlms"><meta_attributes id="{0}"/>'.format(
        pauses.name_of("pgsqld")), 1)),
    (["resume", "srv2"], CIB.replace("<nodes>", (
        '<nodes><node id="9" uname="srv2"><instance_attributes id="a"><nvpair id="b" '
        'name="maintenance" value="on"/></instance_attributes></node>'), 1))])
def test_what_is_paused_is_resumed(pacemaker, words, cib, capsys):
    pacemaker.xml = cib
    for row in pacemaker.report["nodes"]:
        row["pacemaker_role"] = {"srv3": "Promoted"}.get(row["node"], "Unpromoted")
    assert main(words) == 0
    assert "Pacemaker acts again" in capsys.readouterr().out
    call, = pacemaker.calls    # to look at the primary again would take its address away meanwhile
    assert "maintenance" in " ".join(call) or "paf-pause-pgsqld" in " ".join(call)
    pacemaker.calls[:] = []
    pacemaker.report["nodes"][1]["failures"] = [{"operation": "monitor"}]
    assert main(words) == 0
    assert pacemaker.calls[0] == ("crm_resource", "--refresh", "--resource", "pgsqld-clone",
                                  "--node", "srv2") and len(pacemaker.calls) == 2


@pytest.mark.parametrize("release, option", [
    ((1, 1, 10), "--cleanup"), ((1, 1, 24), "--cleanup"), ((2, 0, 0), "--refresh"),
    ((3, 0, 3), "--refresh"), ((), "--refresh")])
def test_pacemaker_looks_again_in_the_words_of_its_release(release, option):
    assert resume.look_again(release) == option
