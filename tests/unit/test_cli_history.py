"""paf history on each node's own logs, recorded on a cluster of three (2.1.5).

Played: a switchover, a crash of the primary, a power cut of its node (srv2), a crash of a standby,
a cleanup, disable and enable, a switchover that was refused.
"""

import json
import pathlib

import jsonschema
import pytest

from paf.cli.alert import message
from paf.cli.main import main
from paf.cli.timeline import (
    action_times, changes, event_text, events, files, gather, history, logs, picture, timeline)

NOW = 1795700000.0
NODES = ("srv1", "srv2", "srv3")
SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "schemas"
PLAYED = [
    (events.START, ["srv1", "srv2", "srv3"]), (events.SWITCHOVER, ["srv1", "srv2"]),
    (events.PRIMARY_RECOVERY, ["srv2"]), (events.FAILOVER, ["srv2", "srv3"]),
    (events.START, ["srv2"]), (events.STANDBY_RECOVERY, ["srv1"]),
    (events.STOP, ["srv1", "srv2", "srv3"]), (events.START, ["srv1", "srv2", "srv3"]),
    (events.REFUSED, ["srv1"])]


@pytest.fixture(scope="module")
def facts(data):
    folder = data / "cli" / "history"
    return {node: logs.read(files.find([str(folder / node)]), NOW) for node in NODES}


def of(facts, node, live=()):
    return events.events(facts[node], "pgsqld", ("pgsqld-ip",), live=live)


@pytest.mark.parametrize("node", NODES)
def test_every_node_tells_the_same_and_names_it_rightly(facts, node):
    found = of(facts, node)
    assert [(event.kind, event.nodes) for event in found] == PLAYED
    assert [(event.old, event.new) for event in found][1:4] == [
        ("srv1", "srv2"), ("srv2", "srv2"), ("srv2", "srv3")]
    assert [event.begin for event in found] == pytest.approx(
        [event.begin for event in of(facts, "srv1")], abs=10 if node == "srv2" else 0.1)


@pytest.mark.parametrize("node", NODES)
def test_outages_are_the_same_on_all_nodes_that_were_there(facts, node):
    found = [timeline.outage(event) for event in of(facts, node)]
    assert found[1:3] == pytest.approx([6.46, 13.02], abs=0.1)
    # srv2 was off while it happened; its address took five seconds to follow
    assert found[3] == (None if node == "srv2" else pytest.approx(16.25, abs=0.1))


def test_reasons_are_the_same_on_all_nodes(facts):
    shown = {node: [history.reason(event) for event in of(facts, node)] for node in NODES}
    assert shown["srv1"] == shown["srv2"] == shown["srv3"]
    assert "crashed primary" in shown["srv1"][2] and "pg_waldump is missing" in shown["srv1"][8]


def test_on_what_positions_a_promotion_was_decided(facts):
    event = of(facts, "srv1")[3]
    assert sorted(event.votes) == ["srv1", "srv3"]
    words = "\n".join(timeline.lines(event))
    assert "positions in the election: srv1 TL 4, 0/30" in words and "absent: srv2" in words


def test_a_node_that_was_away_says_so_and_who_knows(facts):
    said = list(gather.missing(facts["srv2"], of(facts, "srv2"), ("srv2", "x"), ["srv1", "srv3"]))
    assert len(said) == 1 and "the logs of srv1 and srv3 have it" in said[0]
    assert list(gather.missing(facts["srv1"], of(facts, "srv1"), ("srv1",), ["srv2", "srv3"])) == []


def test_what_only_the_present_state_knows_is_an_event_and_said_to_be_missing(facts):
    live = [{"id": "pgsqld_last_0", "operation_key": "pgsqld_promote_0", "operation": "promote",
             "transition-magic": "0:0;12:9:0:abc", "call-id": "99", "rc-code": "0",
             "op-status": "0", "last-rc-change": "1795666000", "exec-time": "1500",
             "node": "srv1", "on_node": "srv1", "added": "yes"}]
    found = of(facts, "srv3", live)
    assert (found[-1].kind, found[-1].new, found[-1].only_live) == (events.FAILOVER, "srv1", True)
    said = list(gather.missing(facts["srv3"], found, ("srv3",), ["srv1", "srv2"]))
    assert len(said) == 1 and "only in the cluster's present state" in said[0]


def test_an_operation_that_the_logs_have_is_not_counted_twice(facts):
    known = [fact.values for fact in facts["srv1"] if fact.kind == "op"]
    names = {"1": "srv1", "2": "srv2", "3": "srv3"}
    # as in the CIB: all values of the last report of each element
    last = {}
    for values in known:
        place = (values.get("on_node") or names.get(values["node"]), values["id"])
        last.setdefault(place, {}).update(values)
    live = [{**values, "on_node": node, "added": "yes"} for (node, _), values in last.items()]
    assert [event.kind for event in of(facts, "srv1", live)] == [kind for kind, _ in PLAYED]


PENDING = ("+  /cib/status/node_state[@id='1']/lrm[@id='1']/lrm_resources/lrm_resource[@id='p']/"
           "lrm_rsc_op[@id='p_last_0']:  @operation_key=p_{0}_0, @operation={0}, "
           "@transition-key={1}, @transition-magic=-1:193;{1}, @call-id=-1, @rc-code=193, "
           "@op-status=-1")
ENDED = ("+  /cib/status/node_state[@id='1']/lrm[@id='1']/lrm_resources/lrm_resource[@id='p']/"
         "lrm_rsc_op[@id='p_last_0']:  @transition-magic=0:{2};{1}, @call-id=3, @rc-code={2}, "
         "@op-status=0, @exec-time=900")


def played(*steps):
    """Return the Actions of steps (second, line)."""
    head = "Nov 23 15:00:{0:06.3f} srv3 pacemaker-based [5] (cib_perform_op) info: "
    lines = ["Nov 23 15:00:00.000 srv3 pacemaker-fenced [5] (crm) info: Node 1 is now known as a1"]
    lines += [head.format(second) + line for second, line in steps]
    facts = [fact for line in lines for fact in logs.facts_of(line, NOW)]
    return events.events(facts, "p")


def run(begin, end, operation, number, code=0):
    key = f"{number}:3:0:uuid"
    return [(begin, PENDING.format(operation, key)), (end, ENDED.format(operation, key, code))]


def test_a_switchover_that_was_given_up_is_no_refusal():
    event, = played(*run(0, 1, "promote", 1), *run(20, 21, "demote", 2),
                    *run(22, 23, "promote", 3))[1:]
    assert (event.kind, event.nodes) == (events.GIVEN_UP, ["a1"])


@pytest.mark.parametrize("operation, kind, words", [
    ("stop", events.FAILED_STOP, None), ("demote", events.FAILED_DEMOTION, "not known from these")])
def test_a_stop_that_failed_is_called_so(operation, kind, words):
    """As where on-fail is block, or fencing is off: nothing follows."""
    event, = played(*run(0, 1, "promote", 1), *run(20, 21, operation, 2, code=1))[1:]
    assert (event.kind, event.nodes) == (kind, ["a1"])
    last = list(event_text.lines(event))[-1]
    assert (words in last) if words else "without a primary" not in last


def test_stop_and_start_by_hand_are_no_recovery():
    found = played(*run(0, 1, "promote", 1), *run(20, 21, "demote", 2), *run(21, 22, "stop", 3),
                   *run(23, 24, "start", 4), *run(25, 26, "promote", 5))
    assert [event.kind for event in found][1:] == [events.RESTART]


def test_a_failed_start_is_not_merged_with_the_switchover_after_it():
    head = "Nov 23 15:00:{0:06.3f} srv1 pacemaker-controld [5] (x) notice: "
    lines = [head.format(0) + "Initiating promote operation p_promote_0 on srv1 | action 1",
             head.format(1) + "Transition 1 action 1 (p_promote_0 on srv1) confirmed: ok | rc=0",
             head.format(10) + "Initiating start operation p_start_0 on srv3 | action 2",
             head.format(11) + "Transition 2 action 2 (p_start_0 on srv3): expected 'ok' but got "
             "'not installed' | target-rc=0",
             head.format(12) + "Initiating demote operation p_demote_0 on srv1 | action 3",
             head.format(13) + "Transition 3 action 3 (p_demote_0 on srv1) confirmed: ok | rc=0",
             head.format(14) + "Initiating promote operation p_promote_0 on srv2 | action 4",
             head.format(15) + "Transition 3 action 4 (p_promote_0 on srv2) confirmed: ok | rc=0"]
    found = events.events([fact for line in lines for fact in logs.facts_of(line, NOW)], "p")
    assert [(event.kind, event.nodes) for event in found][1:] == [
        (events.FAILED_START, ["srv3"]), (events.SWITCHOVER, ["srv1", "srv2"])]


@pytest.mark.parametrize("where, result, kind", [
    ("srv2", "error", events.FAILOVER), ("srv2", "ok", events.SWITCHOVER),
    ("srv2", None, events.SWITCHOVER),
    ("srv1", "error", events.PRIMARY_RECOVERY), ("srv1", "ok", events.RESTART)])
def test_a_demotion_that_failed_is_trouble(where, result, kind):
    """paf alert said of it that nothing is lost, as the old primary was stopped cleanly."""
    head, lines = "Nov 23 15:00:{0:06.3f} srv1 pacemaker-controld [5] (x) notice: ", []
    for second, (operation, node, ended) in enumerate((
            ("promote", "srv1", "ok"), ("demote", "srv1", result), ("stop", "srv1", "ok"),
            ("start", where, "ok"), ("promote", where, "ok"))):
        moment, key = 10 * bool(second) + second, f"p_{operation}_0"
        lines += [head.format(moment) + f"Initiating {operation} operation {key} on {node} | "
                  f"action {second}"]
        lines += [head.format(moment + 0.5) + f"Transition 1 action {second} ({key} on {node})" + (
            " confirmed: ok | rc=0" if ended == "ok" else
            f": expected 'ok' but got '{ended}' | target-rc=0")] * bool(ended)
    event = events.events([fact for line in lines for fact in logs.facts_of(line, NOW)], "p")[-1]
    assert (event.kind, event.old, event.new) == (kind, "srv1", where)
    said = message.of(event, "p", {}, False).lines
    assert any("nothing is lost" in line for line in said) == ((where, result) == ("srv2", "ok"))


@pytest.mark.parametrize("pause", [1, 5, 30])
def test_the_stop_after_a_failed_start_belongs_to_it(pause):
    found = by_the_dc(*done(0, "promote", "srv1", 1), *done(100, "start", "srv3", 2, "error"),
                      *done(101 + pause, "stop", "srv3", 3),
                      *done(110 + pause, "stop", "srv3", 4))
    assert [(event.kind, event.nodes) for event in found][1:] == [
        (events.FAILED_START, ["srv3"]), (events.STOP, ["srv3"])]


def address(second, node, number):
    return [(second, f"Initiating start operation ip_start_0 on {node} | action {number}"),
            (second + 1, f"Transition 3 action {number} (ip_start_0 on {node}) confirmed: ok | rc")]


@pytest.mark.parametrize("is_dc", [True, False])
@pytest.mark.parametrize("pause", [1, 5, 30])
def test_the_address_that_follows_the_first_promotion_late_belongs_to_it(is_dc, pause):
    shown = [(102, "Initiating notify operation p_post_notify_promote_0 on srv1 | action 60"),
             (103, "Transition 3 action 60 (p_post_notify_promote_0 on srv1) confirmed: ok | rc")]
    found = by_the_dc(*done(97, "start", "srv1", 1), *done(99, "promote", "srv1", 2),
                      *(shown if is_dc else []), *address(100 + pause, "srv1", 3),
                      vips=("ip",))
    assert [(event.kind, event.nodes) for event in found] == [(events.START, ["srv1"])]


@pytest.mark.parametrize("is_dc", [True, False])
def test_notifications_that_only_the_dc_logs_hold_no_event_open(is_dc):
    shown = [(102, "Initiating notify operation p_post_notify_promote_0 on srv1 | action 60"),
             (103, "Transition 3 action 60 (p_post_notify_promote_0 on srv1) confirmed: ok | rc")]
    found = by_the_dc(*done(97, "start", "srv1", 1), *done(99, "promote", "srv1", 2),
                      *(shown if is_dc else []), *done(104, "start", "srv2", 3))
    assert [(event.kind, event.nodes) for event in found] == [
        (events.START, ["srv1"]), (events.START, ["srv2"])]


def test_an_outage_whose_begin_is_not_in_the_logs_is_said_to_be_longer(data):
    facts = [fact for fact in logs.read(files.find([str(data / "cli" / "history" / "srv3")]), NOW)
             if fact.kind != "token"]
    event = events.events(facts, "pgsqld", ("pgsqld-ip",))[3]
    assert event.at_least and "at least" in timeline.shown(event)
    assert not events.events(facts, "pgsqld", ("pgsqld-ip",), silence=3.0)[3].at_least


def by_the_dc(*steps, vips=()):
    """Return the Events of steps (second, text of the DC's controller)."""
    facts = [fact for second, line in steps for fact in logs.facts_of(
        "Nov 23 {0:02d}:{1:02d}:{2:02d}.000 srv3 pacemaker-controld [5] (x) notice: {3}".format(
            15 + second // 3600, second // 60 % 60, second % 60, line), NOW)]
    return events.events(facts, "p", vips)


def done(second, operation, node, number, result="ok"):
    words = "confirmed: ok | rc=0" if result == "ok" else f"expected 'ok' but got '{result}' | rc"
    return [(second, f"Initiating {operation} operation p_{operation}_0 on {node} | action "
             f"{number}"),
            (second + 1, f"Transition 3 action {number} (p_{operation}_0 on {node})"
             f"{':' if result != 'ok' else ''} {words}")]


FENCED = [(100, "Requesting fencing (reboot) targeting node srv1 | action=1 timeout=60"),
          (110, "Fence operation 2 for srv1 succeeded")]


@pytest.mark.parametrize("boot", [30, 900, 9000])
@pytest.mark.parametrize("node, kind", [("srv1", events.PRIMARY_RECOVERY),
                                        ("srv2", events.FAILOVER)])
def test_a_primary_that_was_fenced_and_the_next_one_are_one_event(boot, node, kind):
    found = by_the_dc(*done(0, "promote", "srv1", 1), *FENCED, *done(boot + 100, "start", node, 3),
                      *done(boot + 170, "promote", node, 4), *done(boot + 300, "start", "srv3", 5))
    assert [event.kind for event in found][1:] == [kind, events.START]
    assert (found[1].old, found[1].new) == ("srv1", node)
    assert timeline.outage(found[1]) == boot + 71


@pytest.mark.parametrize("boot", [1, 100, 10 ** 5, 10 ** 7])
def test_a_picture_has_room_for_an_outage_of_any_length(boot):
    event = by_the_dc(*done(0, "promote", "srv1", 1), *FENCED)[-1]
    event = event._replace(up=event.begin + boot, end=event.begin + boot)
    assert picture.svg(event).count('class="l"') < 40


def test_the_reason_of_another_resource_is_not_given():
    line = ("Nov 23 15:00:20.100 srv3 pacemaker-attrd [5] (x) notice: Setting failed_because-{0}"
            "[a1]: (unset) -> crashed | from a1 with no write delay")
    crash = [("Nov 23 15:00:20.000 srv3 pacemaker-based [5] (cib_perform_op) info: " + part)
             for part in (PENDING.format("asyncmon", "1:3:0:u"),
                          ENDED.format("asyncmon", "1:3:0:u", 1))]
    name = "Nov 23 15:00:00.000 srv3 pacemaker-fenced [5] (crm) info: Node 1 is now known as a1"
    for resource, reason in (("p", "crashed"), ("q", "")):
        facts = [fact for text in [name, *crash, line.format(resource)]
                 for fact in logs.facts_of(text, NOW)]
        (item,), _ = action_times.actions(facts)
        assert (item.operation, item.reason) == (action_times.CRASH, reason)


def test_an_outage_that_has_no_end_is_shown_to_go_on():
    found = by_the_dc(*done(0, "promote", "srv1", 1), *FENCED,
                      *done(500, "start", "srv1", 3, "error"))
    event = found[-1]
    assert len(found) == 2 and (event.kind, event.new, event.up) == (events.FAILOVER, None, None)
    assert timeline.outage(event) is None
    assert "there is none by the end" in "\n".join(timeline.lines(event))
    assert "goes on" in "\n".join(history.lines(found))
    assert "no primary" in picture.svg(event) and "all the time" not in picture.svg(event)


def test_a_primary_that_starts_again_was_away_at_least_so_long():
    """Its own log has neither the loss of its node nor the fencing."""
    found = by_the_dc(*done(0, "promote", "srv1", 1), *done(500, "start", "srv1", 3),
                      *done(503, "promote", "srv1", 4))
    event = found[-1]
    assert (event.kind, event.nodes, event.at_least) == (events.PRIMARY_RECOVERY, ["srv1"], True)
    assert timeline.outage(event) == pytest.approx(4)
    assert "at least 4.00 s" in "\n".join(history.lines(found))


def test_an_outage_that_these_logs_do_not_show_is_not_none(facts):
    event = of(facts, "srv2")[3]
    assert event.kind == events.FAILOVER and timeline.outage(event) is None
    assert "not known" in "\n".join(history.lines([event]))
    assert "not known from these logs" in "\n".join(timeline.lines(event))


def test_a_failed_recovery_and_what_ends_the_outage_are_one_event():
    crash = (100, "Transition 2 action 9 (p_monitor_15000 on srv1): expected 'promoted' but got "
             "'promoted (failed)'")
    found = by_the_dc(*done(0, "promote", "srv1", 1), crash, *done(101, "demote", "srv1", 2),
                      *done(103, "stop", "srv1", 3), *done(105, "start", "srv1", 4, "error"),
                      *done(4000, "start", "srv1", 5), *done(4003, "promote", "srv1", 6))
    assert [event.kind for event in found][1:] == [events.PRIMARY_RECOVERY]
    assert timeline.outage(found[1]) == pytest.approx(3904)


def test_a_primary_that_the_logs_lack_ends_what_went_on():
    found = by_the_dc(*done(0, "promote", "srv1", 1), *FENCED, *done(5000, "demote", "srv2", 3),
                      *done(5002, "promote", "srv3", 4))
    assert [(event.kind, event.new) for event in found][1:] == [
        (events.FAILOVER, None), (events.SWITCHOVER, "srv3")]


def test_a_reason_with_quotes_is_read_back():
    kind, values = changes.values_of(
        '++ /cib/status/x:  <lrm_rsc_op id="p_last_failure_0" operation_key="p_start_0" '
        'transition-magic="0:5;1:2:0:u" exit-reason="a &lt; &quot;b&quot;" on_node="n"/>')
    assert kind == "op" and values["exit-reason"] == 'a < "b"'


def test_a_monitor_that_fails_later_is_seen_on_each_node():
    """Its failure has the number of the monitor's first action; only the DC says more of it."""
    key = "15:4:8:e924a38e-1176-4e37-8f32-be900902926f"
    runs = changes.Runs({})
    for moment, element, code, since in (
            (10.0, "p_monitor_15000", "8", "10"), (34.0, "p_last_failure_0", "9", "34"),
            (34.1, "p_monitor_15000", "9", "34")):
        runs.add({"id": element, "node": "", "added": "yes", "on_node": "srv2", "rc-code": code,
                  "operation_key": "p_monitor_15000", "transition-magic": f"0:{code};{key}",
                  "op-status": "0", "last-rc-change": since, "exec-time": "0",
                  "exit-reason": "crashed primary"}, moment)
    assert [(run.rc, run.end) for run in runs.found()] == [(8, 10.0), (9, 34.0)]


def test_attributes_that_a_node_gets_when_it_is_back_are_no_refusal():
    lines = ["Nov 23 15:00:00.000 srv1 pacemakerd [5] (main) notice: Starting Pacemaker 2.1.5",
             "Nov 23 15:00:02.000 srv1 pacemaker-attrd [6] (x) notice: Setting "
             "not_promoted_because-p[srv2]: (unset) -> switchover refused: x | from srv2 with no"]
    facts = [fact for line in lines for fact in logs.facts_of(line, NOW)]
    assert action_times.actions(facts)[0] == []


@pytest.mark.parametrize("code", ["", "PAF-E115 "])
def test_a_refusal_has_its_code_in_front_since_there_are_codes(code):
    line = ("Nov 23 15:00:20.000 srv1 pacemaker-attrd [6] (x) notice: Setting "
            f"not_promoted_because-p[srv2]: (unset) -> {code}switchover refused: x | from srv2")
    event, = events.events(list(logs.facts_of(line, NOW)), "p")
    assert (event.kind, event.nodes) == (events.REFUSED, ["srv2"])
    assert history.reason(event) == code + "switchover refused: x"


@pytest.mark.parametrize("is_dc", [True, False])
def test_what_follows_a_refusal_is_another_event_on_the_dc_too(is_dc):
    """Only the log of the DC has the notification that a demotion was to come."""
    head = "Nov 23 15:{0} srv1 pacemaker-{1}"
    lines = [head.format("00:20.300", "attrd [6] (x) notice: Setting not_promoted_because-p[srv2]: "
                         "(unset) -> switchover refused: x | from srv2")]
    if is_dc:
        lines += [head.format(f"00:20.{at}", "controld [5] (x) notice: " + line) for at, line in (
            ("100", "Initiating notify operation p_pre_notify_demote_0 on srv2 | action 60"),
            ("900", "Transition 3 action 60 (p_pre_notify_demote_0 on srv2) confirmed: ok | rc=0"))]
    lines += [head.format(f"00:{second:02d}.000", "controld [5] (x) notice: " + line)
              for second, line in done(50, "demote", "srv1", 1) + done(52, "stop", "srv1", 2)]
    facts = sorted((fact for line in lines for fact in logs.facts_of(line, NOW)), key=logs.order)
    assert [(event.kind, event.nodes) for event in events.events(facts, "p")] == [
        (events.REFUSED, ["srv2"]), (events.STOP, ["srv1"])]


@pytest.mark.parametrize("verb", ["history", "timeline"])
def test_the_json_fits_its_schema(data, capsys, verb):
    source = ["--log", str(data / "cli" / "history" / "srv1"), "--resource", "pgsqld",
              "--vip", "pgsqld-ip", "--output", "json"]
    assert main([verb, *source]) == 0
    jsonschema.validate(json.loads(capsys.readouterr().out),
                        json.loads((SCHEMAS / f"{verb}.json").read_text()))


def test_an_address_that_follows_late_belongs_to_the_switchover():
    address = ("+  /cib/status/node_state[@id='2']/lrm[@id='2']/lrm_resources/"
               "lrm_resource[@id='ip']/lrm_rsc_op[@id='ip_last_0']:  "
               "@operation_key=ip_start_0, @operation=start, "
               "@transition-magic=0:0;9:3:0:uuid, @call-id=3, @rc-code=0, @op-status=0, "
               "@exec-time=100")
    head = "Nov 23 15:00:{0:06.3f} srv3 pacemaker-based [5] (cib_perform_op) info: "
    steps = [*run(0, 1, "promote", 1), *run(20, 21, "demote", 2),
             *[(second, line.replace("@id='1'", "@id='2'"))
               for second, line in run(22, 23, "promote", 3)], (29, address)]
    facts = [fact for second, line in steps for fact in logs.facts_of(
        head.format(second) + line, NOW)]
    event = events.events(facts, "p", ("ip",))[-1]
    assert (event.kind, timeline.outage(event)) == (events.SWITCHOVER, pytest.approx(9))
