"""paf alert on a node: its logs, its memory, who speaks, and the programs that send."""

import errno
import os
import syslog

import pytest

from paf.cli import configuration
from paf.cli.alert import alert, fold, memory, message, send
from paf.cli.alert.memory import Memory
from paf.cli.common import Problem
from paf.cli.main import main
from paf.cli.timeline import events, files
from tests.unit.test_cli_alert import MESSAGE, Node
from tests.unit.test_cli_history import facts, of  # noqa: F401


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder that the alert agent remembers in."""
    monkeypatch.setattr(memory, "FOLDERS", (str(tmp_path / "run"),))
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@pytest.fixture
def said(monkeypatch):
    """What went to syslog (list of str)."""
    found = []
    monkeypatch.setattr(syslog, "openlog", lambda *_: None)
    monkeypatch.setattr(syslog, "syslog", lambda _priority, text: found.append(text))
    return found


def came(monkeypatch, **variables):
    """Have Pacemaker run the alert agent; return its exit code."""
    for name, text in variables.items():
        monkeypatch.setenv(f"CRM_alert_{name}", text)
    return main(["alert"])


# Which alerts lead to a look

def test_an_alert_of_no_event_leaves_nothing_behind(monkeypatch, folder, said):
    assert came(monkeypatch, kind="attribute", recipient="no address") == 0
    assert said == [] and list(folder.iterdir()) == []


def test_one_process_of_an_event_looks_and_the_others_end_at_once(monkeypatch, folder):
    looks = []
    monkeypatch.setattr(alert, "_send", lambda *given: looks.append(given) or True)
    monkeypatch.setattr(alert, "_REST", 0.05)
    other = Memory("syslog", str(folder))
    other.note()
    assert other.is_mine()
    assert came(monkeypatch, kind="fencing", recipient="syslog") == 0 and looks == []
    os.close(other._lock)
    assert came(monkeypatch, kind="fencing", recipient="syslog") == 0 and len(looks) == 1


# What the logs of the node say

@pytest.fixture
def logs_of(data, monkeypatch):
    """A function that has a node with these log files look; it returns the Events."""
    text = (data / "cli" / "cib.xml").read_text()
    configured = configuration.parse(text[:text.index("<status>")] + "</cib>")

    def look(names, since=0.0, xml=configured):
        monkeypatch.setattr(files, "FILES", tuple(map(str, names)))
        monkeypatch.setattr(files, "_CONFIGURED", ())
        return alert._events(xml, configuration.find(xml), since)
    return look


def test_an_event_is_found_in_the_logs_of_the_node_and_an_older_one_is_no_news(data, logs_of):
    recorded = data / "cli" / "history" / "srv3"
    names = [recorded / "none.log", recorded / "pacemaker.log", recorded / "corosync.log"]
    every = logs_of(names)
    failover, = [event for event in every if event.kind == events.FAILOVER]
    assert (failover.old, failover.new) == ("srv2", "srv3")
    later = logs_of(names, failover.end)
    assert failover in later and 0 < len(later) < len(every)
    assert failover not in logs_of(names, failover.end + 0.001)


def test_a_node_without_a_log_does_not_know_that_nothing_happened(
        data, logs_of, monkeypatch, tmp_path):
    """It ended well, and nothing was sent or said."""
    for name in (tmp_path / "none.log", tmp_path):
        with pytest.raises(Problem, match="no log of Pacemaker's can be read here"):
            logs_of([name])
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(Problem, match="can be read here"):
        logs_of([data / "cli" / "history" / "srv3" / "pacemaker.log"])


def test_without_a_log_an_event_may_be_in_the_present_state(data, logs_of):
    whole = configuration.parse((data / "cli" / "cib.xml").read_text())
    assert logs_of([], xml=whole)


# Who speaks

def test_a_dc_that_is_not_known_or_was_lost_is_nobody(facts):  # noqa: F811
    event = of(facts, "srv1")[3]._replace(actions=[], lost={"srv2": 1.0}, new=None)
    assert [fold.speaker(event, "pgsqld", dc) for dc in ("", "srv2", "srv3")] == ["", "", "srv3"]
    root = configuration.parse('<cib dc-uuid="4"><configuration><nodes><node id="1" uname="a"/>'
                               "</nodes></configuration></cib>").root
    assert alert.dc_of(root) == ""


def test_where_no_dc_is_known_one_is_waited_for_and_then_each_node_speaks(
        facts, monkeypatch, tmp_path):  # noqa: F811
    """None of them did."""
    event = next(one for one in of(facts, "srv3") if one.kind == events.FAILOVER)
    node = Node(monkeypatch, tmp_path, "srv3", [event._replace(actions=[], lost={"srv1": 1.0})])
    assert alert.dc_of(configuration.parse(node.cib()).root) == "srv1"
    assert not node.speak() and node.sent == []
    assert node.speak(at_once=True) and len(node.sent) == 1
    assert node.speak(at_once=True) and len(node.sent) == 1


# Its memory

def test_a_lock_that_cannot_be_had_is_not_the_lock_of_another(monkeypatch, folder):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")
    monkeypatch.setattr(memory.fcntl, "flock", refuse)
    with pytest.raises(OSError, match="No locks available"):
        Memory("syslog").is_mine()


def test_it_remembers_in_pacemakers_folder_or_in_one_of_its_own(monkeypatch, tmp_path, folder):
    (tmp_path / "file").touch(0o700)
    there = (str(tmp_path / "none"), str(tmp_path / "file"), str(folder))
    monkeypatch.setattr(memory, "FOLDERS", there)
    Memory("syslog").note()
    assert len(list(folder.iterdir())) == 1
    monkeypatch.setattr(memory, "FOLDERS", there[:2])
    monkeypatch.setattr(memory, "own_folder", lambda name: name)
    assert memory._folder() == f"/tmp/paf-alert-{os.geteuid()}"


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    with pytest.raises(Problem, match="cannot make .*none/own: No such file or directory"):
        memory.own_folder(str(tmp_path / "none" / "own"))


# The message

def test_the_first_reason_is_in_the_message_short_and_without_a_password(facts):  # noqa: F811
    event = of(facts, "srv1")[2]
    reasons = [item.reason for item in event.actions if item.reason]
    found = message.of(event, "pgsqld", {}, False)
    assert f"reason: {reasons[0]}" in found.lines and found.fields["reason"] == reasons[0]
    long = event.actions[0]._replace(reason="password=s3cret " + "x" * 900)
    found = message.of(event._replace(actions=[long]), "pgsqld", {}, False)
    line, = [line for line in found.lines if line.startswith("reason: ")]
    assert line.startswith("reason: password=***") and line.endswith("x...") and len(line) < 420


def test_a_message_for_syslog_is_one_line_that_syslog_takes(said):
    """A log that a power cut has spoilt has bytes of zero in it; syslog(3) takes none."""
    send.send("syslog", MESSAGE._replace(lines=["first", "a\n b\0c\x1b[1m"]))
    assert said == ["PAF p: ä Bcc: x; a b c [1m"]


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A function that puts a program in place of sendmail and curl; it may keep what it reads."""
    def put(text):
        place = tmp_path / "program"
        place.write_text(text)
        place.chmod(0o700)
        for name in ("_SENDMAIL", "_CURL"):
            monkeypatch.setattr(send, name, (str(tmp_path / "none" / "program"), str(place)))
        return tmp_path / "read"
    return put


def test_a_mail_goes_to_sendmail_which_reads_its_recipient(program, tmp_path):
    kept = program(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >{tmp_path}/words\ncat >{tmp_path}/read\n")
    send.send("dba@example.org", MESSAGE)
    assert (tmp_path / "words").read_text().split() == ["-t", "-i"]
    assert kept.read_text() == send.mail("dba@example.org", MESSAGE)


@pytest.mark.parametrize("recipient", ["dba@example.org", "https://example.org/secret"])
@pytest.mark.parametrize("text, words", [
    ("#!/bin/sh\nexit 75\n", "program did not send it: status 75"),
    ("#!/bin/sh\nexec sleep 60\n", "program did not send it: no end in time"),
    ("#!/nowhere/sh\n", "cannot run "), (None, "program is not installed")])
def test_a_message_that_was_not_sent_says_why_without_its_recipient(
        program, monkeypatch, tmp_path, recipient, text, words):
    monkeypatch.setattr(send, "_PATIENCE", 0.1)
    program(text or "")
    if text is None:
        (tmp_path / "program").unlink()
    with pytest.raises(Problem) as refused:
        send.send(recipient, MESSAGE)
    assert words in str(refused.value) and "example.org" not in str(refused.value)
