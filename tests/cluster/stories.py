"""What `paf history` says on the nodes of a lab, compared with each other and with a client."""

import re

from lab import scenarios
from lab.tools import LabError, wait_until

#: Two outages are the same within this part of the longer one, or within so many seconds: a log
#: line is written, and a row is acknowledged, a little after what it is about.
PART, SECONDS = 0.1, 1.0


def names(found):
    """Return what the events of a history (JSON) are called, and the nodes they concern."""
    return [(event["kind"], event["nodes"], event["old"], event["new"])
            for event in found["events"]]


def are_alike(one, other, more=0.0):
    """Return whether two outages (seconds, None where there was none) are the same.

    more: seconds that are allowed beyond PART and SECONDS.
    """
    if one is None or other is None:
        return one is other
    return abs(one - other) <= max(PART * max(one, other), SECONDS) + more


def of_all(lab, since, expected, absent=()):
    """Return the events that began after `since`, once each node that is on tells the same story.

    since: see Lab.now; expected: (kind, nodes) of each event, in order, None for whatever all nodes
    agree on; absent: nodes that were
    not there all the time: they name the events as the others do, but may not know an outage, and
    say so. Each node's whole history is compared, not only what began after `since`.
    """
    there = sorted((name for name, node in lab.nodes.items() if node.is_on),
                   key=lambda name: name in absent)
    stories, results = {}, {}

    def ask(name):
        def keep(result, _):
            results[name] = result
            return True
        stories[name] = scenarios.paf(lab.nodes[name], ["history"], keep)

    def same():
        for name in there:
            ask(name)
        fresh = [(event["kind"], event["nodes"]) for event in stories[there[0]]["events"]
                 if event["begin"] >= since]
        return (expected in (None, fresh)
                and all(names(story) == names(stories[there[0]]) for story in stories.values())
                and all(results[name].ok and not stories[name]["missing"]
                        for name in there if name not in absent))
    wait_until(same, 90, f"the history {expected} on {there}", step=0.5, seen=lambda: str(
        {name: (names(story), story["missing"]) for name, story in stories.items()}))
    _compare_outages(stories, absent)
    for name, story in stories.items():
        _compare_text(lab.nodes[name], story)
    return [event for event in stories[there[0]]["events"] if event["begin"] >= since]


def _compare_outages(stories, absent):
    first = next(iter(stories.values()))
    for name, story in stories.items():
        for event, other in zip(first["events"], story["events"]):
            if name in absent and (other["outage"] is None or other["at_least"]):
                assert story["missing"], (name, other)
                continue
            assert are_alike(event["outage"], other["outage"]), (name, event, other)


def _compare_text(node, story):
    """Hold the table that people read to the JSON: a line for each event, with its name."""
    text = node.run(["paf", "history"], check=False).output
    for number, event in enumerate(story["events"]):
        line = next((line for line in text.splitlines()
                     if re.match(rf"\s*{number + 1}\s", line)), "")
        if f" {event['kind']} " not in line:
            raise LabError(f"{node.name}: event {number + 1} is no {event['kind']} in:\n{text}")


def assert_clients_outage(play, event):
    """Hold the outage of an event to the client's: PART of it, or SECONDS, and how late it was.

    How late the client may be is seen in the second of its gaps: on a machine that is busy it gets
    no processor for a while, or its connection attempt is lost.
    """
    longest, second = [gap.seconds for gap in play.client.longest(2)] + [0.0] * (
        2 - len(play.client.longest(2)))
    seen = f"{event['kind']}: paf {event['outage']}, the client {longest:.2f} s, then {second:.2f}"
    print(seen)
    assert event["outage"] is not None and are_alike(event["outage"], longest, second), seen
