"""paf timeline and history, on the logs of a real switchover and a real power cut (2.1.5).

The client that wrote all the while measured outages of 3.456 s and 15.820 s.
"""

import bz2
import gzip
import json
import lzma
import os
import shutil
import tarfile
import time
import xml.etree.ElementTree as etree

import pytest

from paf.cli.common import Problem
from paf.cli.main import main
from paf.cli.timeline import action_times, changes, events, files, logs, picture, timeline

NOW = 1795447800.0


@pytest.fixture(scope="module")
def folder(data):
    return data / "cli" / "logs"


@pytest.fixture(scope="module")
def found(folder):
    facts = logs.read(files.find([str(folder)]), NOW)
    return events.events(facts, "pgsqld", ("pgsql-master-ip",))


def test_the_events_are_distinguished(found):
    assert [(event.kind, event.old, event.new) for event in found] == [
        (events.START, None, "srv1"), (events.SWITCHOVER, "srv1", "srv2"),
        (events.FAILOVER, "srv2", "srv3")]


@pytest.mark.parametrize("index, measured", [(1, 3.456), (2, 15.820)])
def test_the_outage_is_the_clients_within_a_tenth(found, index, measured):
    assert timeline.outage(found[index]) == pytest.approx(measured, rel=0.1)


def test_the_begin_of_a_power_cut_is_estimated_from_corosyncs_timeout(found):
    assert found[2].estimated and list(found[2].lost) == ["srv2"]
    assert any("estimated" in line for line in timeline.lines(found[2]))


def test_where_corosync_does_not_tell_its_timeouts_do(folder):
    facts = [fact for fact in logs.read(files.find([str(folder)]), NOW) if fact.kind != "token"]
    shown = events.events(facts, "pgsqld", ("pgsql-master-ip",), silence=1.65 + 1.98)
    assert timeline.outage(shown[2]) == pytest.approx(15.820, rel=0.1)


def test_the_log_of_the_dc_alone_tells_the_same(folder):
    alone = events.events(logs.read(files.find([str(folder / "srv1")]), NOW), "pgsqld",
                          ("pgsql-master-ip",))
    assert [event.kind for event in alone][-1] == events.FAILOVER
    assert timeline.outage(alone[-1]) == pytest.approx(15.820, rel=0.1)


@pytest.fixture
def packed(folder, tmp_path):
    """A function that packs the recorded logs in some way, and returns what to name with --log."""
    def pack(how):
        copy = tmp_path / "pcmk-report"
        shutil.copytree(folder, copy)
        if how.startswith("tar"):
            name = tmp_path / f"pcmk-report.tar.{how[4:]}"
            with tarfile.open(name, f"w:{how[4:]}") as archive:  # type: ignore[call-overload]
                archive.add(copy, "pcmk-report")
            return name
        for path in [path for path in copy.rglob("*") if path.is_file()]:
            data = path.read_bytes()
            path.with_name(f"{path.name}.1.{how}").write_bytes(
                {"gz": gzip, "bz2": bz2, "xz": lzma}[how].compress(data))
            path.unlink()
        return copy
    return pack


@pytest.mark.parametrize("how", ["gz", "bz2", "xz", "tar.gz", "tar.bz2", "tar.xz"])
def test_packed_logs_and_reports_tell_the_same(how, packed, found):
    facts = logs.read(files.find([str(packed(how))]), NOW)
    assert events.events(facts, "pgsqld", ("pgsql-master-ip",)) == found


@pytest.mark.parametrize("name", ["a.tar.bz2", "a.log.gz", "a.log.bz2", "a.log.xz", "a.tar.xz"])
def test_what_only_looks_like_a_packed_file_is_a_problem(name, tmp_path):
    (tmp_path / name).write_text("plain")
    with pytest.raises(Problem, match="cannot read"):
        logs.read([str(tmp_path / name)], NOW)


def test_rotated_logs_are_read_too_the_oldest_first_and_not_without_a_limit(tmp_path, monkeypatch):
    folder = tmp_path / "var/log/pacemaker"
    folder.mkdir(parents=True)
    for age, name in enumerate(["pacemaker.log", "pacemaker.log.1", "pacemaker.log.2.gz",
                                "pacemaker.log-20260101.xz"]):
        (folder / name).write_text("x" * 100)
        os.utime(folder / name, (NOW - age, NOW - age))

    def names():
        return [[path.rpartition("/")[2] for path in part] for part in files.mine(str(tmp_path))]
    assert names() == [["pacemaker.log-20260101.xz", "pacemaker.log.2.gz", "pacemaker.log.1",
                        "pacemaker.log"], []]
    monkeypatch.setattr(files, "_MOST", 1000)
    assert names() == [["pacemaker.log.1", "pacemaker.log"],
                       ["pacemaker.log-20260101.xz", "pacemaker.log.2.gz"]]


def test_each_action_has_its_duration_and_result(found):
    steps = [(item.operation, item.node) for item in found[1].actions
             if item.operation in events.CHANGES]
    assert steps == [("demote", "srv1"), ("stop", "srv1"), ("promote", "srv2"), ("start", "srv2")]
    assert all(item.end > item.start and item.result == "ok" for item in found[1].actions)


def test_the_picture_is_one_well_formed_file(found):
    for event in found:
        root = etree.fromstring(picture.svg(event))
        drawn = [item.text for item in root.iter("{http://www.w3.org/2000/svg}text")]
        assert {"srv1", "srv2", "srv3"} <= set(drawn)
        page = picture.html(event)
        assert "<svg" in page and "src=" not in page and "href=" not in page


def test_a_failure_stands_out_with_its_reason():
    head = "Nov 23 15:00:{0} srv{1} pacemaker-controld [5] (x) notice: "
    lines = [
        head.format("00.0", 1) + "Initiating promote operation p_promote_0 on srv2 | action 7",
        head.format("00.9", 2) + "Result of promote operation for p on srv2: error (srv1 is "
        "ahead: <TL 3>) | graph action",
        head.format("01.0", 1) + "Transition 3 action 7 (p_promote_0 on srv2): expected 'ok' but "
        "got 'error' | target-rc=0"]
    facts = [fact for line in lines for fact in logs.facts_of(line, NOW)]
    event, = events.events(facts, "p")
    item, = event.actions
    assert (item.result, item.reason) == ("error", "srv1 is ahead: <TL 3>")
    assert any("error: srv1 is ahead" in line for line in timeline.lines(event))
    assert "FAILED" in picture.svg(event)
    etree.fromstring(picture.svg(event))


def test_a_failure_is_not_laid_to_an_earlier_action():
    """The DC, whose log says what it started, may be another node by then."""
    head = "Nov 23 15:0{0}:00.0 srv1 pacemaker-controld [5] (x) notice: "
    lines = [
        head.format(0) + "Initiating start operation p_start_0 locally on srv1 | action 7",
        head.format(0) + "Transition 3 action 7 (p_start_0 on srv1) confirmed: ok | rc=0",
        head.format(5) + "Result of start operation for p on srv1: error (diverged: ...) | graph"]
    facts = [fact for line in lines for fact in logs.facts_of(line, NOW)]
    event, = events.events(facts, "p")
    assert [(item.result, item.reason) for item in event.actions] == [("ok", "")]


def test_the_words_of_pacemaker_3_0_1_are_understood():
    """The DC says what it asks of others; what it does itself is in the node's own lines."""
    head = "Nov 23 15:00:0{0} srv{1} pacemaker-controld [5] (x) notice: "
    lines = [
        head.format("1.0", 1) + "Asking srv2 to execute p_demote_0 on srv2 | transition "
        "7:3:0:19-83 action 7",
        head.format("1.1", 2) + "Requesting local execution of demote operation for p on srv2 | "
        "transition 7:3:0:19-83",
        head.format("2.0", 1) + "Transition 3 action 7 (p_demote_0 on srv2) confirmed: OK | rc=0",
        head.format("2.1", 1) + "Requesting local execution of promote operation for p on srv1 | "
        "transition 8:3:0:19-83",
        head.format("4.0", 1) + "Transition 3 action 8 (p_promote_0 on srv1) confirmed: OK | rc=0"]
    facts = [fact for line in lines for fact in logs.facts_of(line, NOW)]
    event, = events.events(facts, "p")
    assert (event.kind, event.old, event.new) == (events.SWITCHOVER, "srv2", "srv1")
    assert [(item.operation, item.node, round(item.end - item.start, 1)) for item in
            event.actions] == [("demote", "srv2", 1.0), ("promote", "srv1", 1.9)]


def recovery(head, spans):
    """Return the lines of a recovery on srv1, whose steps begin and end at these seconds."""
    for index, (name, (begin, end)) in enumerate(zip(
            ("demote", "stop", "start", "promote"), spans)):
        yield (head.format(f"{begin:.1f}") + f"Initiating {name} operation p_{name}_0 "
               f"locally on srv1 | action {index}")
        yield (head.format(f"{end:.1f}") + f"Transition 3 action {index} "
               f"(p_{name}_0 on srv1) confirmed: ok | rc=0")


@pytest.mark.parametrize("result", ["promoted (failed)", "not running"])
def test_a_monitor_that_finds_the_primary_dead_begins_the_outage(result):
    """One that was shut down by hand is no restart that somebody asked for."""
    head = "Nov 23 15:00:0{0} srv1 pacemaker-controld [5] (x) notice: "
    lines = [head.format("0.5") + "Transition 2 action 9 (p_monitor_15000 on srv1): expected "
             f"'promoted' but got '{result}'",
             *recovery(head, [(2 * index + 1.0, 2 * index + 2.0) for index in range(4)])]
    facts = [fact for line in lines for fact in logs.facts_of(line, NOW)]
    event, = events.events(sorted(facts, key=lambda fact: fact.moment), "p")
    assert (event.kind, event.old, event.new) == (events.PRIMARY_RECOVERY, "srv1", "srv1")
    assert timeline.outage(event) == pytest.approx(7.5)


@pytest.mark.parametrize("interval, code, expected, result", [
    (15000, 7, 8, action_times.GONE), (15000, 1, 8, "error"), (15000, 7, 7, None),
    (15000, 8, 8, None), (0, 7, 7, None), (0, 7, 0, None)])
def test_what_is_a_failed_monitor(interval, code, expected, result):
    run = changes.Run("p", "monitor", interval, "srv1", 5.0, 6.0, code, expected, "", False)
    found = action_times._action(run, [])
    assert (found and found.result) == result


def test_a_start_soon_after_one_that_failed_is_an_event_of_its_own():
    """Repaired within three seconds, both together were a restart."""
    head = "Nov 23 15:00:{0} srv1 pacemaker-controld [5] (x) notice: "
    steps = [("start", 0.0, 1.0, "not installed"),
             ("stop", 1.2, 1.4, "ok"), ("start", 3.0, 4.0, "ok")]
    lines = [line for number, (name, begin, end, result) in enumerate(steps) for line in (
        head.format(f"{begin:04.1f}") + f"Initiating {name} operation p_{name}_0 locally on srv1 "
        f"| action {number}",
        head.format(f"{end:04.1f}") + f"Transition 3 action {number} (p_{name}_0 on srv1)"
        + (" confirmed: ok | rc=0" if result == "ok" else f": expected 'ok' but got '{result}'"))]
    facts = [fact for line in lines for fact in logs.facts_of(line, NOW)]
    found = events.events(sorted(facts, key=lambda fact: fact.moment), "p")
    assert [event.kind for event in found] == [events.FAILED_START, events.START]


def crash_and_recovery(at):
    """Return the facts of a crash that is reported to Pacemaker, half a second after `at`."""
    head = "Nov 23 15:00:{0} srv1 pacemaker-controld [51] (process_graph_event) notice: "
    lines = [*[head.format(f"{at + 0.5:04.1f}") + "Transition -1 action 33 (p_asyncmon_0 on srv1): "
               "expected 'ok' but got 'error' | target-rc=0 rc=1 event='initiated outside of the "
               "cluster'"] * 2,
             *recovery(head, [(at + index + 1.0, at + index + 1.9) for index in range(4)]),
             ]
    return [fact for line in lines for fact in logs.facts_of(line, NOW)]


def test_the_outage_starts_with_the_crash_that_pacemaker_got_a_report_of():
    event, = events.events(crash_and_recovery(0), "p")
    assert (event.kind, event.old, event.new) == (events.PRIMARY_RECOVERY, "srv1", "srv1")
    assert timeline.outage(event) == pytest.approx(4.4)
    assert [item.operation for item in event.actions] == [
        "crash", "demote", "stop", "start", "promote"]
    assert "crash p" in picture.svg(event)


def test_what_ends_the_reign_of_a_primary_is_an_event_of_its_own_however_soon():
    found = events.events(crash_and_recovery(0) + crash_and_recovery(5), "p")
    assert [timeline.outage(event) for event in found] == pytest.approx([4.4, 4.4])
    assert [len(event.actions) for event in found] == [5, 5]


def test_a_node_that_was_lost_belongs_to_the_event_it_caused():
    facts = crash_and_recovery(0) + crash_and_recovery(5)
    facts.append(logs.LogFact("lost", facts[0].moment - 0.1, "srv1", {"node": "srv2"}))
    found = events.events(sorted(facts, key=lambda fact: fact.moment), "p")
    assert [sorted(event.lost) for event in found] == [["srv2"], []]


@pytest.mark.parametrize("how, fenced", [("reboot", ["srv2"]), ("off", ["srv2"]), ("on", [])])
def test_a_node_that_is_unfenced_is_not_lost(how, fenced):
    line = ("Nov 23 15:00:00.0 srv1 pacemaker-controld [5] (x) notice: "
            f"Requesting fencing ({how}) of node srv2 | action=1 timeout=20000")
    assert [item.node for item in action_times.actions(list(logs.facts_of(line, NOW)))[0]] == fenced


@pytest.mark.parametrize("text, seconds", [
    ("Nov 23 15:00:00.250", 0.25), ("2026-11-23T15:00:00.250+00:00", 0.25),
    ("Nov 23 15:00:00", 0.0)])
def test_times_of_logs_and_of_syslog_are_understood(text, seconds):
    fact, = logs.facts_of(text + " srv1 pacemaker-controld[5]: notice: Node srv2 state is now lost",
                          NOW)
    assert fact.moment % 60 == pytest.approx(seconds)


def test_the_commands_print_both_forms(folder, tmp_path, capsys):
    source = ["--log", str(folder), "--resource", "pgsqld", "--vip", "pgsql-master-ip"]
    assert main(["history", *source]) == 0
    assert "switchover  srv1 -> srv2" in capsys.readouterr().out
    assert main(["timeline", *source, "--number", "2", "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == events.SWITCHOVER
    assert main(["timeline", *source, "--picture", str(tmp_path / "x.html")]) == 0
    assert (tmp_path / "x.html").read_text().startswith("<!DOCTYPE html>")
    assert main(["timeline", *source, "--number", "9"]) == 2
    assert main(["timeline", *source, "--picture", "x.png"]) == 2
    assert main(["history", "--log", str(tmp_path), "--resource", "p", "--vip", "v"]) == 2


LONG = "a-node-whose-name-has-sixty-characters-as-some-clouds-give-"


def long_event(count=9):
    """A failover among nodes with long names."""
    nodes = [f"{LONG}{number}" for number in range(1, count + 1)]
    steps = [action_times.Action("", "fence", nodes[0], 5.0, 6.0, "ok", "")]
    steps += [action_times.Action("pgsqld", "pre-promote", node, 6.0, 6.4, "ok", "")
              for node in nodes[1:]]
    steps += [action_times.Action("pgsqld", "promote", nodes[1], 6.5, 7.0, "ok", ""),
              action_times.Action(
                  "pgsql-master-address", "start", nodes[1], 7.1, 7.2, "error", "<why>")]
    return events.Event(
        events.FAILOVER, nodes[:2], nodes[0], nodes[1], 1.0, 7.2, 1.0, 7.2, True, False,
        {nodes[0]: 1.0}, {node: "TL 4, 0/3045C08" for node in nodes[1:]}, False, steps)


def places(drawn):
    """Return (left, right, y, words) of each text of a picture, as wide as letters may be."""
    for item in drawn.iter("{http://www.w3.org/2000/svg}text"):
        left, width = float(item.get("x")), len(item.text) * 6.0
        shift = {"start": 0, "middle": width / 2, "end": width}[item.get("text-anchor")]
        yield left - shift, left - shift + width, float(item.get("y")), item.text


def test_nine_nodes_with_long_names_do_not_collide():
    drawn = etree.fromstring(picture.svg(long_event()))
    found = list(places(drawn))
    width, height = float(drawn.get("width")), float(drawn.get("height"))
    for index, (left, right, y, words) in enumerate(found):
        assert 0 <= left and right <= width + 5 and y <= height, words
        for other in found[index + 1:]:
            assert other[2] != y or other[0] >= right or other[1] <= left, (words, other)
    assert {f"{LONG}{number}" for number in range(1, 10)} <= {words for *_, words in found}


def test_a_picture_says_why_and_when_and_fits_a_phone_and_the_dark(found):
    page = picture.html(long_event())
    assert "positions in the election: " in page and "prefers-color-scheme:dark" in page
    assert 'name="viewport"' in page and "overflow-x:auto" in page
    assert "UTC" in picture.svg(found[1]) or time.tzname[0] in picture.svg(found[1])
    assert "\033" not in page
