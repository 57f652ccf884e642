"""paf alert: one message for each event, sent by one node, to each kind of recipient."""

import json
import os
import pathlib
import re
import time

import pytest

from paf.cli import configuration
from paf.cli.alert import alert, fold, message, send
from paf.cli.alert.memory import Memory, allowance, own_folder
from paf.cli.common import Problem
from paf.cli.main import main
from paf.cli.timeline import events
from tests.unit.test_cli_history import facts, of  # noqa: F401

NODES = ("srv1", "srv2", "srv3")


def test_for_each_event_exactly_one_node_speaks(facts):  # noqa: F811
    for number in range(9):
        speakers = {node: fold.speaker(of(facts, node)[number], "pgsqld", "srv3")
                    for node in NODES}
        assert len(set(speakers.values())) == 1, speakers


def test_who_speaks_is_where_it_was_decided(facts):  # noqa: F811
    found = of(facts, "srv1")
    spoken = {event.kind: fold.speaker(event, "pgsqld", "srv3") for event in found}
    assert spoken[events.SWITCHOVER] == "srv2" and spoken[events.PRIMARY_RECOVERY] == "srv2"
    assert spoken[events.FAILOVER] == "srv3" and spoken[events.STANDBY_RECOVERY] == "srv1"
    lost = found[3]._replace(actions=[], lost={"srv2": 1.0}, new=None)
    assert fold.speaker(lost, "pgsqld", "srv1") == "srv1"


def test_a_failover_in_words(facts):  # noqa: F811
    event = next(event for event in of(facts, "srv3") if event.kind == events.FAILOVER)
    found = message.of(event, "pgsqld", {"srv2": "password=secret is wrong"}, False)
    text = "\n".join([found.subject, *found.lines])
    assert found.subject == "PAF pgsqld: failover srv2 -> srv3"
    assert "clients had no primary for 16.2" in text and "srv2: password=***" in text
    assert "srv3 was promoted at " in text and "paf timeline" in text
    json.dumps(found.fields)
    opened = message.of(event._replace(new=None), "pgsqld", {}, True)
    assert opened.subject.startswith("PAF pgsqld: no primary after a failover")


def test_of_several_resources_the_commands_name_the_one(facts):  # noqa: F811
    event = of(facts, "srv1")[3]
    assert message.of(event, "one", {}, False, only=False).lines[-1] == (
        "look: paf status --resource one; paf timeline --resource one")
    assert message.held_back("one", False).lines[-1] == "look: paf history --resource one"
    assert message.of(event, "one", {}, False).lines[-1] == "look: paf status; paf timeline"


def test_a_switchover_loses_nothing(facts):  # noqa: F811
    event = next(event for event in of(facts, "srv1") if event.kind == events.SWITCHOVER)
    assert "nothing is lost" in "\n".join(message.of(event, "pgsqld", {}, False).lines)


@pytest.mark.parametrize("variables, worth", [
    ({"kind": "node", "desc": "lost"}, True), ({"kind": "node", "desc": "member"}, False),
    ({"kind": "fencing"}, True), ({"kind": "attribute"}, False),
    ({"kind": "resource", "task": "promote", "rc": "0", "target_rc": "0"}, True),
    ({"kind": "resource", "task": "monitor", "interval": "0", "rc": "7", "target_rc": "7"}, False),
    ({"kind": "resource", "task": "monitor", "interval": "15000", "rc": "9", "target_rc": "8"},
     True),
    ({"kind": "resource", "task": "monitor", "interval": "15000", "rc": "191", "target_rc": "8"},
     False),
    ({"kind": "resource", "task": "monitor", "interval": "15000", "rc": "190", "target_rc": "8"},
     True),
    ({"kind": "resource", "task": "notify", "rc": "0"}, False), ({}, False)])
def test_what_is_worth_a_look(variables, worth):
    assert fold.is_worth({f"CRM_alert_{name}": text for name, text in variables.items()}) is worth


def test_the_same_event_is_said_once(facts):  # noqa: F811
    event = of(facts, "srv1")[3]
    said = [fold.key(event)]
    assert fold.is_said(event._replace(begin=event.begin + 3), said)
    assert not fold.is_said(event._replace(new="srv1"), said)
    assert not fold.is_said(event._replace(begin=event.begin + 30), said)


class Node:
    """A node whose alert agent runs with recorded logs; `sent` has what went out."""

    def __init__(self, monkeypatch, tmp_path, name, found):
        self.sent, self.found, self.name = [], found, name
        self.memory = Memory("dba@example.org", str(tmp_path))
        self.memory.note()
        cib = (pathlib.Path(__file__).resolve().parents[1] / "data" / "cli" / "cib.xml").read_text()
        monkeypatch.setattr(alert, "Pacemaker", lambda seconds: self)
        monkeypatch.setattr(alert, "_events", lambda *_: self.found)
        monkeypatch.setattr(send, "send", lambda recipient, text: self.sent.append(text.subject))
        self.cib = lambda: cib

    def node(self):
        return self.name

    def speak(self, at_once=False):
        return alert._send("dba@example.org", self.memory, at_once)


def test_one_message_however_often_pacemaker_calls(facts, monkeypatch, tmp_path):  # noqa: F811
    event = next(one for one in of(facts, "srv3") if one.kind == events.FAILOVER)
    node = Node(monkeypatch, tmp_path, "srv3", [event])
    assert node.speak() and node.speak(True) and node.speak()
    assert node.sent == ["PAF pgsqld: failover srv2 -> srv3"]
    other = Node(monkeypatch, tmp_path / "..", "srv1", [event])
    assert other.speak() and other.sent == []


def test_an_event_that_goes_on_is_waited_for(facts, monkeypatch, tmp_path):  # noqa: F811
    event = next(one for one in of(facts, "srv3") if one.kind == events.FAILOVER)
    node = Node(monkeypatch, tmp_path, "srv3", [event._replace(new=None, actions=[], lost={})])
    node.name = alert.dc_of(configuration.parse(node.cib()).root)
    monkeypatch.setattr(alert.ophistory, "promoted", lambda xml, resource: [])
    assert not node.speak() and node.sent == []
    assert node.speak(at_once=True) and len(node.sent) == 1 and "no primary" in node.sent[0]


def test_a_primary_that_is_fenced_and_comes_back_is_one_event(facts):  # noqa: F811
    whole = next(one for one in of(facts, "srv3") if one.kind == events.FAILOVER)
    end = whole.end
    cut = whole._replace(new=None, up=None)
    start = whole._replace(kind=events.START, old=None, new=None, begin=end + 10, end=end + 12,
                           up=None, nodes=["srv2"])
    back = whole._replace(kind=events.OTHER, old=None, new="srv2", begin=end + 20, end=end + 22,
                          up=None, nodes=["srv2"])
    one, = fold.merged([cut, start, back])
    assert (one.kind, one.old, one.new) == (events.PRIMARY_RECOVERY, "srv2", "srv2")
    assert (one.begin, one.up) == (cut.begin, end + 22)
    other, = fold.merged([cut, back._replace(new="srv3")])
    assert (other.kind, other.new) == (events.FAILOVER, "srv3")
    assert len(fold.merged([whole, start])) == 2
    assert len(fold.merged([cut, back._replace(begin=end + 500)])) == 2


def test_after_a_reboot_old_events_are_no_news(tmp_path):
    first = Memory("syslog", str(tmp_path)).since()
    assert time.time() - 200 < first <= time.time() - 40
    assert Memory("syslog", str(tmp_path)).since() == first


@pytest.mark.parametrize("ahead", [3600, 60, 10 ** 12])
def test_a_clock_that_was_set_back_after_the_boot_silences_no_event(tmp_path, ahead):
    """Until the clock had come to that moment again, each event was old."""
    memory = Memory("syslog", str(tmp_path))
    memory.since()
    kept, = tmp_path.glob("*.since")
    kept.write_text(str(int(time.time()) + ahead))
    first = memory.since()
    assert time.time() - 200 < first <= time.time() - 40
    assert float(kept.read_text()) == memory.since() == first


def test_what_pacemaker_2_1_5_says_of_a_switchover_and_a_power_cut(data):
    """Recorded on each node of a cluster: srv1 to srv2, then srv2 lost its power and came back."""
    worth, every = {}, 0
    for node in NODES:
        for text in (data / "alerts" / f"{node}.txt").read_text().split("---")[1:]:
            variables = dict(line.partition("=")[::2] for line in text.splitlines()[1:])
            every += 1
            if fold.is_worth(variables):
                worth.setdefault(node, []).append(
                    variables.get("CRM_alert_task") or variables["CRM_alert_desc"])
    assert every == 43 and sum(map(len, worth.values())) < 30
    assert {"demote", "lost", "st_notify_fence"} <= set(worth["srv1"])
    assert "promote" in worth["srv2"] and "member" not in worth["srv3"]


def test_a_primary_that_the_logs_do_not_name_is_not_missing(facts):  # noqa: F811
    event = of(facts, "srv1")[3]._replace(new=None)
    assert fold.is_open(event, []) and not fold.is_open(event, ["srv3"])


def test_a_fenced_node_says_nothing(facts):  # noqa: F811
    event = next(one for one in of(facts, "srv1") if one.kind == events.STANDBY_RECOVERY)
    fence = event.actions[0]._replace(operation="fence", resource="", node="srv1")
    assert fold.speaker(event, "pgsqld", "srv3") == "srv1"
    assert fold.speaker(event._replace(actions=event.actions + [fence]), "pgsqld",
                        "srv3") == "srv3"


def test_a_storm_ends_in_one_last_word(facts, monkeypatch, tmp_path):  # noqa: F811
    event = next(one for one in of(facts, "srv3") if one.kind == events.FAILOVER)
    node = Node(monkeypatch, tmp_path, "srv3", [])
    for number in range(200):
        node.found = [event._replace(begin=event.begin + 60 * number)]
        node.speak()
    assert len(node.sent) == 10 and "held back" in node.sent[-1]
    assert all(path.stat().st_size < 5000 for path in tmp_path.iterdir())
    assert allowance([time.time() - 4000] * 10, time.time()) == 10


def test_only_one_process_waits(tmp_path):
    first, second = (Memory("syslog", str(tmp_path)) for _ in range(2))
    first.note()
    assert first.is_mine() and not second.is_mine() and first.silence() < 60


@pytest.mark.parametrize("text", ["", "rubbish", "[1]", '{"said": [["x", 1]]}', '{"times": 3}'])
def test_a_broken_memory_is_an_empty_one(tmp_path, text):
    memory = Memory("syslog", str(tmp_path))
    memory.note()
    next(tmp_path.glob("*.seen")).with_suffix(".json").write_text(text)
    assert memory.read() == ([], [])


def test_a_link_in_the_place_of_the_memory_is_not_followed(tmp_path):
    (tmp_path / "target").write_text("mine")
    memory = Memory("syslog", str(tmp_path))
    memory.note()
    next(tmp_path.glob("*.seen")).with_suffix(".json").symlink_to(tmp_path / "target")
    with pytest.raises(Problem):
        memory.remember([], [])
    assert (tmp_path / "target").read_text() == "mine"
    (tmp_path / "folder").symlink_to(tmp_path)
    with pytest.raises(Problem):
        own_folder(str(tmp_path / "folder"))
    assert os.path.isdir(own_folder(str(tmp_path / "own")))


@pytest.mark.parametrize("recipient, kind", [
    ("", send.SYSLOG), ("syslog", send.SYSLOG), ("dba@example.org", send.MAIL),
    ("https://example.org/hook?token=a", send.WEBHOOK)])
def test_recipients(recipient, kind):
    assert send.kind_of(recipient) == kind


@pytest.mark.parametrize("recipient", ["x", "a@b\nBcc: c@d", "file:///etc/passwd", "http://a b",
                                       "-oQ/tmp@x y"])
def test_a_recipient_that_is_none_is_refused_and_not_repeated(recipient):
    with pytest.raises(Problem) as refused:
        send.kind_of(recipient)
    assert recipient not in str(refused.value)


MESSAGE = message.Message("PAF p: \u00e4\nBcc: x", ["first", 'a "b" \\ c'], {"kind": "failover"})


def test_a_mail_has_no_header_that_a_reason_made():
    head, _, body = send.mail("dba@example.org", MESSAGE).partition("\n\n")
    assert [line.partition(":")[0] for line in head.splitlines()] == [
        "To", "Subject", "Auto-Submitted", "Content-Type"]
    assert body == 'first\na "b" \\ c\n'


def test_a_webhook_gets_json_and_its_address_is_no_argument(monkeypatch):
    calls = []

    def run(argv, deadline, stdin=""):
        calls.append((argv, stdin))
        return type("Result", (), {"status": 0, "timed_out": False})
    monkeypatch.setattr(send.runner, "run", run)
    monkeypatch.setattr(send, "_CURL", ("/bin/sh",))
    send.send("https://example.org/secret", MESSAGE)
    (argv, stdin), = calls
    assert argv == ["/bin/sh", "--config", "-"]
    options = dict(re.findall(r'^(\S+) = "(.*)"$', stdin, re.MULTILINE))
    assert options["url"] == "https://example.org/secret"
    body = json.loads(options["data"].replace('\\"', '"').replace("\\\\", "\\"))
    assert body["kind"] == "failover" and body["text"].startswith("PAF p:")


def test_without_pacemaker_it_says_what_it_is_for(monkeypatch, capsys):
    monkeypatch.delenv("CRM_alert_kind", raising=False)
    assert main(["alert"]) == 2 and "Pacemaker runs this" in capsys.readouterr().err


def test_what_cannot_be_sent_is_said_in_syslog_without_the_address(monkeypatch):
    said = []
    monkeypatch.setattr(send, "say", said.append)
    for name, text in (("kind", "fencing"), ("recipient", "ftp://user:secret@example.org")):
        monkeypatch.setenv(f"CRM_alert_{name}", text)
    assert main(["alert"]) == 2
    assert len(said) == 1 and "secret" not in said[0] and "mail address" in said[0]


def test_the_reasons_of_all_nodes(data):
    text = (data / "cli" / "cib.xml").read_text().replace(
        "</status>", '<node_state id="1" uname="srv1"><transient_attributes id="1">'
        '<instance_attributes id="s"><nvpair id="x" name="failed_because-pgsqld" value="disk"/>'
        '</instance_attributes></transient_attributes></node_state></status>')
    assert alert.reasons(configuration.parse(text).root, "pgsqld") == {"srv1": "disk"}


def test_an_alert_that_comes_while_another_is_handled_is_not_lost(monkeypatch, tmp_path):
    """It finds the lock taken and ends: the process that has the lock looks again."""
    looks = []

    def send_once(recipient, memory, at_once):
        looks.append(at_once)
        if len(looks) == 1:
            other = Memory("syslog", str(tmp_path))
            other.note()
            assert not other.is_mine()
        return True
    monkeypatch.setattr(alert, "_send", send_once)
    monkeypatch.setattr(alert, "_REST", 0.05)
    monkeypatch.setattr("paf.cli.alert.memory._folder", lambda: str(tmp_path))
    alert._take("syslog")
    assert len(looks) == 2


def test_an_event_without_an_end_is_not_looked_at_without_a_pause(monkeypatch, tmp_path):
    looks = []
    monkeypatch.setattr(alert, "_send", lambda *more: looks.append(more) and False)
    for name, seconds in (("_REST", 0.2), ("_LONGEST", 0.5), ("_WHOLE", 60.0)):
        monkeypatch.setattr(alert, name, seconds)
    monkeypatch.setattr("paf.cli.alert.memory._folder", lambda: str(tmp_path))
    alert._take("syslog")
    assert 1 < len(looks) <= 6 and looks[-1][2] is True
