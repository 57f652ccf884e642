"""What Pacemaker and corosync wrote in their logs, as facts with a time. Pure, except for reading.

The DC's controller says what it starts ("Initiating ...") and how it ended ("... confirmed: ...");
each node's own controller says why it failed ("Result of ..."). The CIB manager of every node
writes each change of the CIB, see changes.py; its attribute manager each attribute, and with it the
positions of an election; its fencer each fencing. What Pacemaker 1.1 logs differently is in
old_logs.py.
"""

import calendar
import os
import re
import time
from collections import namedtuple

from paf.cli.common import Problem
from paf.cli.timeline import changes, files, old_logs
from paf.cli.view import base_name

#: kind: started, ended, result, fencing, fenced, lost, token, attribute, began, op, name; moment:
#: epoch seconds; host: who says so; values: dict of str, by kind.
LogFact = namedtuple("LogFact", "kind moment host values")

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CLOCK = r"\d{1,2}:\d{1,2}:\d{1,2}(?:[.,]\d*)?"
_ZONE = r"(?P<zone>Z|[+-]\d\d:?\d\d)?"
_TIME = r"^(?:(?P<iso>\d{4}-\d\d-\d\d)[T ](?P<isotime>" + _CLOCK + r")" + _ZONE + r"\S*|" \
        r"(?P<day>(?:" + "|".join(_MONTHS) + r") +\d{1,2}) (?P<time>" + _CLOCK + r"))"
_LINE = re.compile(_TIME + r" +(?:\[\d+\] +)?(?P<host>\S+) +(?P<daemon>[a-z-]+) *(?:\[\d+\])?:? *"
                   r"(?P<text>.*)")

_INTERVAL = r"_(?P<interval>\d+)"
_PATTERNS = (
    ("started", r"Initiating (?P<operation>[\w-]+) operation (?P<key>\S+)(?: locally)? on "
                r"(?P<node>\S+?)(?: \(.*\))?(?: \| action (?P<action>\d+))?$"),
    # 3.0.1 and later; of what the DC starts on its own node, the log has only what that node says
    ("started", r"Asking \S+ to execute (?P<key>\S+) on (?P<node>\S+?)(?: \(.*\))? \| "
                r"transition \S+ action (?P<action>\d+)"),
    ("requested", r"Requesting local execution of (?P<operation>[\w-]+) operation for \S+ on "
                  r"(?P<node>\S+) *\| transition (?P<action>\d+):(?P<graph>\d+):"),
    ("ended", r"Transition (?P<graph>\d+) action (?P<action>\d+) \((?P<key>\S+) on (?P<node>\S+)\) "
              r"confirmed: (?P<result>[^|]*?)(?: \||$)"),
    ("ended", r"Transition (?P<graph>-?\d+) action (?P<action>\d+) \((?P<key>\S+) on "
              r"(?P<node>\S+)\): "
              r"expected \S.*? but got '(?P<result>[^']*)'"),
    ("result", r"Result of (?P<operation>[\w-]+) operation for (?P<resource>\S+) on (?P<node>\S+): "
               r"(?P<result>\w[\w ]*(?: \((?:failed|degraded)\))?)(?: \((?P<reason>.*?)\))?"
               r"(?: \||$)"),
    # "on" is unfencing, with which a node comes back
    ("fencing", r"Requesting fencing \((?P<how>(?!on\b)\w+)\) "
                r"(?:of|targeting) node (?P<node>[^\s|]+)"),
    ("fenced", r"(?:Fence|Stonith) operation \S+ for (?P<node>\S+) "
               r"(?P<result>succeeded|passed|failed)(?:: (?P<reason>.*))?"),
    ("fenced", r"Operation '?(?P<how>(?!on\b)\w+)'? (?:of|targeting) (?P<node>\S+?) .*?by \S+ for "
               r"\S+: (?P<result>OK|\w[\w ]*?)(?P<reason>)(?: \(|$)"),
    ("lost", r"Node (?P<node>\S+) state is now lost"),
    ("token", r"A processor failed, forming new configuration: "
              r"token timed out \((?P<ms>\d+)ms\)"),
    ("attribute", r"Setting " + old_logs.ATTRIBUTES +
                  r"\[(?P<node>[^\]]+)\](?: in \S+)?: .*? -> (?P<value>.*?)(?: \| from .*)?$"),
    ("began", r"Starting Pacemaker \d"),
)
_COMPILED = [(kind, re.compile(pattern)) for kind, pattern in _PATTERNS]
_WORTH = re.compile("Initiating|Asking|Requesting local|confirmed: |but got|Result of|fencing|"
                    "Fence op|Stonith op|is now lost|A processor failed|Operation|Setting|"
                    "Starting Pacemaker|lrm_rsc_op|uname=|known as|nodeid=|" + old_logs.WORTH)
_PACEMAKER = re.compile("pacemaker|crmd|stonith-ng|attrd")
#: What is in a line of Pacemaker's own programs; syslog has the lines of others, too.
_OWN = re.compile(r" (?:pacemaker[a-z-]*|crmd|stonith-ng|attrd|cib|lrmd|pengine) *(?:\[\d+\]|:)")
_KEY = re.compile(r"(?P<resource>.+?)_(?:(?P<when>pre|post)_notify_(?P<what>\w+)|"
                  r"(?P<operation>[a-z-]+))" + _INTERVAL + "$")

_FIRST_LINES = 60   # of a Pacemaker that starts, before it says so
_NO_TIME = 1e9      # epoch seconds: before there was a Pacemaker
_TURNED = 60.0      # seconds by which lines are out of order, without a clock that was turned back
_PAUSE = 1.0        # seconds between the last line of one Pacemaker and the first of the next


def read(names, now=None, broken=None):
    """Return the LogFacts in log files, oldest first.

    names: plain files, packed ones, archives of crm_report; of one log, the oldest first. broken: a
    list that gets a sentence on each file that cannot be read to its end; without it that is a
    Problem.
    """
    facts, before, kind = [], [], None
    for name in names:
        if files.kind_of(name) != kind:
            before, kind = [], files.kind_of(name)
        reading = _Reading(now or time.time(), before)
        problem = None
        try:
            for number, (stream, written) in enumerate(files.streams(name)):
                if number:    # another log of an archive
                    reading.before = []
                reading.take(stream, written)
        except files.BROKEN as error:
            problem = "cannot read {0}: {1}".format(
                name, getattr(error, "strerror", None) or error or "it is cut off")
        if problem is None and reading.is_strange():
            problem = "cannot read {0}: no line has a time in a form that is known".format(name)
        if problem and broken is None:
            raise Problem(problem)
        if problem:
            broken.append(problem)
        facts += reading.facts
        before = reading.before
    return sorted(set_of(facts), key=order)


def recent(names, longest, now=None):
    """Return the LogFacts at the end of plain log files, oldest first, as far as they can be read.

    longest: how many bytes of each are looked at.
    """
    facts = []
    for name in names:
        reading = _Reading(now or time.time(), [])
        try:
            with open(name, "rb") as stream:
                stream.seek(max(0, os.path.getsize(name) - longest))
                reading.take(stream, os.path.getmtime(name))
        except files.BROKEN:
            pass
        facts += reading.facts
    return sorted(set_of(facts), key=order)


class _Reading(object):
    """The LogFacts in a log; "began" gets, as "after", when the log ended before.

    now: epoch seconds; before: the last lines (list of str) of the part before this one.
    """

    def __init__(self, now, before):
        self._now, self.before = now, before
        self.facts = []
        self._worth = self._understood = 0

    def take(self, stream, written):
        """Read a binary stream to its end.

        written: epoch seconds when its file was written last: no line is later. Some tools set that
        to no time at all.
        """
        now, last = min(self._now, written) if written > _NO_TIME else self._now, 0.0
        for data in stream:
            line = data.decode("utf-8", "replace")
            if str is bytes:    # in Python 2 no message can be made of others
                line = line.encode("ascii", "replace")
            if self._understood == 0 and _WORTH.search(line) and _PACEMAKER.search(line):
                self._worth += 1
                self._understood += moment_of(line, now) is not None
            for fact in facts_of(line, now, last):
                last = fact.moment
                if fact.kind == "began":
                    fact.values["after"] = _end_of_the_run_before(self.before, fact.moment, now)
                self.facts.append(fact)
            if _OWN.search(line):
                self.before = self.before[-_FIRST_LINES:] + [line]

    def is_strange(self):
        """Return whether Pacemaker's lines are there, and none of them has a time."""
        return self._worth > 0 and self._understood == 0


def order(fact):
    """Return the sort key of a LogFact: a node's result of an action follows the DC's start of it.

    Times are whole seconds in Pacemaker 1.1's own logs.
    """
    return fact.moment, fact.kind == "result"


def _end_of_the_run_before(lines, began, now):
    """Return when the last Pacemaker but this one wrote its last line (str), "" if none did.

    Its programs say a few things before they say that they start. A line of a later time is of
    another part of the log, which was read in another order.
    """
    later = began
    for line in reversed(lines):
        earlier = moment_of(line, now, later - 3600)
        if earlier is None or earlier > began:
            continue
        if later - earlier > _PAUSE:
            return str(earlier)
        later = min(later, earlier)
    return "" if len(lines) <= _FIRST_LINES else str(began)


def set_of(facts):
    """Return the facts without those that are in two files."""
    seen, kept = set(), []
    for fact in facts:
        identity = (fact.kind, fact.moment, fact.host, tuple(sorted(fact.values.items())))
        if identity not in seen:
            seen.add(identity)
            kept.append(fact)
    return kept


def facts_of(line, now, last=0.0):
    """Return the LogFacts (a list) in a line of a log.

    now: no line is later (epoch seconds), but for a clock that is somewhat ahead; last: the time of
    the line before it, 0.0 where that is not known.
    """
    if not _WORTH.search(line):
        return []
    head = _LINE.match(line.rstrip("\n"))
    when = _moment(head, now, last)
    if when is None:
        return []
    changed = changes.values_of(head.group("text"))
    if changed:
        kept = [LogFact(changed[0], when, head.group("host"), changed[1])]
        return kept + [fact for fact in _of_patterns(head, when) if changed[0] == "name"]
    return _of_patterns(head, when)


def _of_patterns(head, when):
    if head.group("daemon") in old_logs.DAEMONS:
        found = old_logs.understand(head.group("text"), head.group("host"))
        if found:
            return [LogFact(found[0], when, head.group("host"), found[1])]
    for kind, pattern in _COMPILED:
        found = pattern.search(head.group("text"))
        if found:
            if kind == "lost" and not _is_controller(head.group("daemon")):
                return []    # the other daemons log the same loss again
            values = dict((name, value or "") for name, value in found.groupdict().items())
            return [LogFact(kind, when, head.group("host"), values)]
    return []


def _is_controller(daemon):
    return "controld" in daemon or daemon == old_logs.DAEMON


def moment_of(line, now, last=0.0):
    """Return epoch seconds of a line's time; None where it has none that makes sense."""
    return _moment(_LINE.match(line.rstrip("\n")), now, last)


def _moment(head, now, last):
    try:
        return moment(head, now, last) if head else None
    except (ValueError, OverflowError):
        return None


def moment(head, now, last=0.0):
    """Return epoch seconds of a line's time; the year is that of the last such day before now.

    Without an offset from UTC it is in the time zone of this node.
    """
    if head.group("iso"):
        year, month, day = [int(part) for part in head.group("iso").split("-")]
        if not 1 <= day <= calendar.monthrange(year, month)[1]:    # mktime takes February 30
            raise ValueError(head.group("iso"))
        clock = head.group("isotime")
    else:
        name, day = head.group("day").split()
        year, month, day = time.localtime(now)[0], _MONTHS.index(name) + 1, int(day)
        clock = head.group("time")
    whole, _, fraction = clock.replace(",", ".").partition(".")
    hour, minute, second = [int(part) for part in whole.split(":")]
    if head.group("zone"):
        found = calendar.timegm((year, month, day, hour, minute, second)) - _offset(
            head.group("zone"))
    else:
        found = _local((year, month, day, hour, minute, second), last)
    if not head.group("iso") and found > now + 86400:
        found = _local((year - 1, month, day, hour, minute, second), last)
    return found + (float("0." + fraction) if fraction else 0.0)


def _local(parts, last):
    """Return epoch seconds of a local time (tuple: year to second).

    last: that of the line before. The hour that comes twice in autumn is the first of the two,
    unless the line before is later.
    """
    found = [time.mktime(parts + (0, 0, daylight)) for daylight in (1, 0)]
    real = [one for one, daylight in zip(found, (1, 0)) if time.localtime(one)[8] == daylight]
    if len(real) < 2:
        return real[0] if real else time.mktime(parts + (0, 0, -1))
    return real[1] if real[0] < last - _TURNED else real[0]


def _offset(zone):
    """Return the offset of a zone (Z, +02:00, -0330) from UTC in seconds."""
    if zone == "Z":
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
    return seconds if zone[0] == "+" else -seconds


def operation_of(key):
    """Return (resource, operation, interval) of an operation key: pgsqld:2_pre_notify_start_0."""
    found = _KEY.match(key)
    if not found:
        return base_name(key), "", 0
    operation = found.group("operation")
    if found.group("when"):
        operation = "{0}-{1}".format(found.group("when"), found.group("what"))
    return base_name(found.group("resource")), operation, int(found.group("interval"))
