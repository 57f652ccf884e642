"""paf alert: the verb that Pacemaker runs as an alert agent."""

import os
import time

from paf import variant
from paf.cli import configuration
from paf.cli.alert import fold
from paf.cli.common import ERROR, OK, Pacemaker, Problem
from paf.cluster import ophistory
from paf.deadline import Deadline

HELP = "alert agent for Pacemaker: one message for each failover"
TEXT = """Pacemaker runs this for each of its alerts (paf-alert, beside the library, is the name
that it wants). It folds what belongs together into one message: who was primary and who is, how
long clients had none, the first reason, what was given up, where to look. All nodes find the event
in their logs, and the one where it was decided sends the message: after five seconds of rest; after
at most twenty, if there is still no primary: then another message follows with the end. At most ten
messages in an hour. A recipient is "syslog", a mail address (sendmail sends it) or an http:// or
https:// address (curl posts JSON there, with the message in "text").
paf create --alert makes the commands that set it up.
""" + variant.PAGES + "/monitoring.md has them as well."
EXAMPLES = ("paf alert",)
EXIT_CODES = ((OK, "done, or nothing to say"), (ERROR, "the message could not be sent: syslog "
                                                       "has why"))

_REST = 5.0         # seconds without an alert, after which an event is over
_LONGEST = 20.0     # seconds that are waited for the end of one
_WHOLE = 45.0       # seconds after which the process ends in any case: Pacemaker gives it 60
_LATELY = 600.0     # seconds: an older event is no news
_TAIL = 4 << 20     # bytes of a log that are looked at
_STEP = 0.5         # seconds between two looks


def arguments(parser):
    """Declare the verb's arguments: there are none."""


def run(options):
    """Take one Pacemaker alert; return the exit code."""
    from paf.cli.alert import send
    if not os.environ.get("CRM_alert_kind"):
        raise Problem("Pacemaker runs this for its alerts; see paf alert --help")
    if not fold.is_worth(os.environ):
        return OK
    recipient = os.environ.get("CRM_alert_recipient", "")
    try:
        send.kind_of(recipient)
        _take(recipient)
    except (Problem, EnvironmentError) as error:
        # Pacemaker ignores the exit status
        send.say("no message was sent: {0}".format(
            getattr(error, "strerror", None) or error))
        return ERROR
    return OK


def _take(recipient):
    """Note an alert; be the one that waits for the end of the event, unless another is."""
    from paf.cli.alert.memory import Memory
    memory = Memory(recipient)
    memory.note()
    if not memory.is_mine():
        return
    whole, deadline = Deadline(_WHOLE), Deadline(_LONGEST)
    while not whole.passed:
        deadline.wait_for(lambda: memory.silence() >= _REST, longest=_STEP)
        came = memory.last()
        over = _send(recipient, memory, deadline.passed) or deadline.passed
        if over and memory.last() == came:
            return
        # an alert that came meanwhile has left its event to this process
        whole.within(_REST).wait_for(lambda before=came: memory.last() != before, longest=_STEP)


def _send(recipient, memory, at_once):
    """Send what this node has to say; return whether nothing has to be waited for.

    at_once: also of an event that is not over.
    """
    from paf.cli.alert import message, send
    from paf.cli.alert.memory import allowance
    pacemaker, now = Pacemaker(5.0), time.time()
    xml = pacemaker.cib()
    configured = configuration.parse(xml, now)
    node, said = pacemaker.node(), memory.read()
    since = max(now - _LATELY, memory.since())
    waits = False
    for managed in configured.resources:
        promoted = ophistory.promoted(xml, managed.name)
        for event in _events(configured, managed, since):
            is_open = fold.is_open(event, promoted)
            speaker = fold.speaker(event, managed.name, dc_of(configured.root))
            if fold.is_said(event, said[0]) or speaker not in (node, fold.NO_NODE):
                continue
            # a DC is waited for; where there is none, each node sends it rather than none
            if (is_open or speaker == fold.NO_NODE) and not at_once:
                waits = True
                continue
            left = allowance(said[1], now)
            if left > 0:
                only = len(configured.resources) == 1
                send.send(recipient, message.of(event, managed.name, reasons(
                    configured.root, managed.name), is_open, only) if left > 1 else
                    message.held_back(managed.name, only))
                said[1].append(now)
            said[0].append(fold.key(event))
            memory.remember(*said)
    return not waits


def _events(configured, managed, since):
    """Return the events.Events of a resource that ended after `since` (epoch seconds).

    Raises Problem where there is no log in which they could be found.
    """
    from paf.cli.timeline import changes, events, files, logs
    names = [name for name in files.places() if os.path.isfile(name) and os.access(name, os.R_OK)]
    vips = tuple(vip.name for vip in configuration.vips_of(configured, managed))
    found = events.events(logs.recent(names, _TAIL), managed.name, vips,
                          live=list(changes.of_cib(configured.root)))
    if not names and not found:
        raise Problem("no log of Pacemaker's can be read here")
    return fold.of_now(fold.merged(found), since)


def dc_of(root):
    """Return the node (str) of the DC, as the CIB (an Element) has it; "" if it has none; pure."""
    for node in root.findall("configuration/nodes/node"):
        if node.get("id") == root.get("dc-uuid"):
            return node.get("uname", "")
    return ""


def reasons(root, resource):
    """Return why nodes failed or were not promoted (dict of node to str), by the CIB; pure."""
    found = {}
    for node, state in configuration.node_states(root):
        for pair in state.findall("transient_attributes/instance_attributes/nvpair"):
            if pair.get("name") in ("failed_because-" + resource,
                                    "not_promoted_because-" + resource) and pair.get("value"):
                found[node] = pair.get("value")
    return found
