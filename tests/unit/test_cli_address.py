"""What stops, moves or starts the address alone, and a resource that has gone or was renamed."""

import argparse
import re

import pytest

from paf.cli.common import Problem
from paf.cli.health import metrics
from paf.cli.timeline import events, gather, history, logs, timeline
from tests.unit.test_cli_history import NOW, done
from tests.unit.test_cli_questions import asked, codes, texts  # noqa: F401

START = done(0, "promote", "srv1", 1)


def facts(*steps):
    """Return the LogFacts of steps; "vip" in place of a node is the address there, on srv1."""
    return [fact for second, line in steps for fact in logs.facts_of(
        f"Nov 23 15:{second // 60:02d}:{second % 60:02d}.000 srv3 pacemaker-controld [5] (x) "
        f"notice: {line}", NOW)]


def vip(second, operation, node, number):
    return [(at, re.sub(r"\bp_", "vip_", line)) for at, line in done(second, operation, node,
                                                                     number)]


@pytest.mark.parametrize("steps, shown", [
    (vip(100, "stop", "srv1", 3), "until a start"),
    (vip(100, "start", "srv1", 3), "-"),
    (vip(100, "stop", "srv1", 3) + vip(102, "start", "srv1", 4), "3.00 s"),
    (vip(100, "stop", "srv1", 3) + vip(102, "start", "srv2", 4), "3.00 s")])
def test_clients_without_the_address_are_in_the_history(steps, shown):
    """It was a change of the resource, with no outage."""
    found = events.events(facts(*START, *steps), "p", ("vip",))
    event = found[-1]
    assert event.kind == events.ADDRESS and event.old == event.new == "srv1"
    assert history._outage(event, timeline.outage(event)) == shown


def test_an_address_that_was_away_is_no_failover_of_the_metrics(monkeypatch):
    away = vip(100, "stop", "srv1", 3) + vip(102, "start", "srv1", 4)
    found = events.events(facts(*START, *away), "p", ("vip",))
    monkeypatch.setattr(gather, "history", lambda _: gather.History(found, [], 0.0))
    assert metrics._in_logs("p", found[0].end) == (None, None)


@pytest.mark.parametrize("around", ["primitive", "group"])
def test_an_address_that_is_disabled_is_named_with_its_cure(texts, around):  # noqa: F811
    meta = '<meta_attributes id="m"><nvpair id="n" name="target-role" value="Stopped"/>' \
           "</meta_attributes>"
    start = texts["cib"].index('<primitive id="pgsql-master-ip"')
    end = texts["cib"].index("</primitive>", start) + len("</primitive>")
    address = texts["cib"][start:end]
    made = address.replace("</primitive>", meta + "</primitive>")
    if around == "group":
        made = '<group id="pgsql-master-ip-group">' + address + meta + "</group>"
    texts["cib"] = texts["cib"][:start] + made + texts["cib"][end:]
    texts["mon"] = re.sub(r'(<resource id="pgsql-master-ip"[^>]*?)role="Started"(.*?)<node [^>]*/>',
                          r'\1role="Stopped"\2', texts["mon"], flags=re.DOTALL)
    found = asked(texts)
    assert "address-down" in codes(found)
    item, = [item for item in found["todo"] if item["code"] == "address-down"]
    name = "pgsql-master-ip" + ("-group" if around == "group" else "")
    assert f"{name} is disabled" in item["what"]
    assert item["pcs"] == [f"pcs resource enable {name}"]
    assert item["crm"] == [f"crm resource start {name}"]


@pytest.mark.parametrize("name, addresses, words", [
    ("p", ["vip"], None), ("p", [], "which addresses it had is not known"), ("q", [], Problem)])
def test_a_resource_that_is_gone_has_the_history_that_is_in_the_logs(
        monkeypatch, data, name, addresses, words):
    class Pacemaker:
        def cib(self):
            return (data / "cli" / "cib.xml").read_text()

        def node(self):
            return "srv3"
    monkeypatch.setattr(gather, "Pacemaker", Pacemaker)
    monkeypatch.setattr(gather, "silence", lambda _: 3.0)
    monkeypatch.setattr(gather, "read", lambda _: (facts(*START), []))
    wanted = argparse.Namespace(log=[], resource=name, vip=addresses)
    if words is Problem:
        with pytest.raises(Problem, match="no resource of .* called q"):
            gather.history(wanted)
        return
    found = gather.history(wanted)
    assert [event.kind for event in found.events] == [events.START]
    assert [words in sentence for sentence in found.missing] == ([True] if words else [])


def test_the_new_name_of_a_resource_leads_to_the_old_one():
    said, = gather._others(facts(*START, *vip(5, "start", "srv1", 2)), "renamed")
    assert said == ("the logs have nothing of renamed, but of p, vip; to see what was p: "
                    "--resource p")
