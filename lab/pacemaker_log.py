"""What Pacemaker did, from its logs: transitions, their actions with times, results, reasons.

The DC's controller says what it starts ("Initiating … operation"), each node's controller how it
ended ("Result of …").
"""

import datetime
import re
from dataclasses import dataclass, field, replace

_LINE = re.compile(
    r"(?P<time>\w{3} +\d+ [\d:.]+) (?P<host>\S+) +pacemaker-controld *\[\d+\] "
    r"\((?P<function>[^)]*)\)\s+\w+: (?P<text>.*)"
)
_GRAPH = re.compile(r"Processing graph (\d+) ")
_INITIATING = re.compile(
    r"Initiating (?P<operation>[\w-]+) operation (?P<key>\S+)(?: locally)? on (?P<node>\S+?)"
    r"(?: \(.*\))?(?: \||$)"
)
# From 3.0.1 on the DC does not say what it starts on its own node; each node does, without the key
_LOCAL = re.compile(
    r"Requesting local execution of (?P<operation>[\w-]+) operation for "
    r"(?P<resource>\S+?)(?::\d+)? on (?P<node>\S+)"
)
_FENCING = re.compile(
    r"Requesting fencing \((?P<how>\w+)\) (?:of|targeting) node (?P<node>[^\s|]+)"
)
_FENCED = re.compile(
    r"(?:Fence|Stonith) operation \S+ for (?P<node>\S+) (?P<result>succeeded|passed|failed)"
    r"(?:: (?P<reason>.*))?"
)
_RESULT = re.compile(
    r"Result of (?P<operation>[\w-]+) operation for (?P<resource>\S+?)(?::\d+)? on (?P<node>\S+): "
    r"(?P<result>\w+ \((?:failed|degraded)\)|[^|(]*?)(?: \((?P<reason>.*?)\))?(?: \||$)"
)
_KEY = re.compile(
    r"(?P<resource>.+?)(?::\d+)?_"
    r"(?:(?P<when>pre|post)_notify_(?P<what>\w+)|(?P<operation>[a-z-]+))_(?P<interval>\d+)$"
)
_NOT_IN_TEXT = " | "
OK = ("ok", "not running", "promoted")
# up to Pacemaker 2.0
OLD_WORDS = {"master": "promoted"}


@dataclass(frozen=True)
class Action:
    """One action. `start` and `end` are epoch seconds, None if the logs lack them.

    `operation` is start, stop, promote, demote, monitor, notify, fence…; `notify` is e.g. 'pre-
    promote'.
    """

    resource: str
    operation: str
    node: str
    start: float | None = None
    end: float | None = None
    result: str = ""
    reason: str = ""
    notify: str = ""
    interval: int = 0

    @property
    def seconds(self):
        """How long it took, None if that is not known."""
        return None if self.start is None or self.end is None else round(self.end - self.start, 3)

    @property
    def label(self):
        """'demote', 'notify pre-demote', 'monitor'…"""
        return f"{self.operation} {self.notify}".strip()

    def __str__(self):
        took = "" if self.seconds is None else f"{self.seconds:.2f} s"
        result = self.result or "no result"
        reason = f"({self.reason})" if self.reason else ""
        words = (self.label, self.resource, "on", self.node, took, result, reason)
        return " ".join(word for word in words if word)


@dataclass(frozen=True)
class Transition:
    """One transition of a DC."""

    number: int
    dc: str
    start: float
    actions: list = field(default_factory=list)


@dataclass(frozen=True)
class _Record:
    moment: float
    host: str
    function: str
    text: str


def parse_time(text, now):
    """Return epoch seconds of a log's 'Nov 23 14:33:33.647': the last such moment before `now`.

    Pacemaker 2.0 logs whole seconds only.
    """
    year = datetime.datetime.fromtimestamp(now).year
    text = text if "." in text else f"{text}.0"
    for candidate in (year, year - 1):
        moment = datetime.datetime.strptime(
            f"{candidate} {text}", "%Y %b %d %H:%M:%S.%f"
        ).timestamp()
        if moment <= now + 86400:
            return moment
    return moment


def _records(logs, now):
    found = []
    for text in logs.values():
        for line in text.splitlines():
            if "pacemaker-controld" not in line:
                continue
            match = _LINE.match(line)
            if match:
                found.append(
                    _Record(
                        parse_time(match["time"], now),
                        match["host"],
                        match["function"],
                        match["text"],
                    )
                )
    # where only whole seconds are logged, what was started comes before what ended
    return sorted(found, key=lambda record: (record.moment, _ended(record) is not None))


def _started(record, by_dc=True):
    """Return the Action that a line starts, None for any other line.

    by_dc: whether the DC logs all that it starts; if not, the nodes do. They do not log the
    interval: a monitor then has the interval 1, a probe is none.
    """
    fencing = _FENCING.search(record.text)
    if fencing:
        return Action("", "fence", fencing["node"], record.moment)
    if not by_dc:
        match = _LOCAL.search(record.text)
        return match and Action(match["resource"], match["operation"].replace("probe", "monitor"),
                                match["node"], record.moment,
                                interval=int(match["operation"] == "monitor"))
    match = _INITIATING.search(record.text)
    key = _KEY.match(match["key"]) if match else None
    if not match or not key:
        return None
    notify = f"{key['when']}-{key['what']}" if key["when"] else ""
    return Action(
        key["resource"],
        match["operation"],
        match["node"],
        record.moment,
        notify=notify,
        interval=int(key["interval"]),
    )


def _ended(record):
    """Return (match key, result, reason) of a result line, None for any other line."""
    fenced = _FENCED.search(record.text)
    if fenced:
        result = "failed" if fenced["result"] == "failed" else "ok"
        return ("", "fence", fenced["node"]), result, fenced["reason"] or ""
    match = _RESULT.search(record.text)
    if not match:
        return None
    operation = "monitor" if match["operation"] == "probe" else match["operation"]
    key = (match["resource"], operation, match["node"])
    return key, _plain(match["result"].strip()), (match["reason"] or "").split(_NOT_IN_TEXT)[0]


def _plain(result):
    """Return the word for a good result as Pacemaker 2.1 has it; 3 begins it with a capital."""
    word = OLD_WORDS.get(result.lower(), result.lower())
    return word if word in OK else result


def transitions(logs, now):
    """Return the Transitions in the nodes' pacemaker.log texts ({node: text}), oldest first.

    `now` (epoch seconds) shows the year. Results that no initiated action explains are left out.
    """
    found, pending = [], {}
    by_dc = any(_INITIATING.search(text) for text in logs.values())
    for record in _records(logs, now):
        graph = _GRAPH.search(record.text)
        action, ended = _started(record, by_dc), _ended(record)
        if graph or (action and not found):
            number = int(graph[1]) if graph else -1
            found.append(Transition(number, record.host, record.moment))
        if action:
            mine = found[-1].actions
            mine.append(action)
            pending.setdefault(_identity(action), []).append((mine, len(mine) - 1))
        elif ended and pending.get(ended[0]):
            mine, index = pending[ended[0]].pop(0)
            mine[index] = replace(mine[index], end=record.moment, result=ended[1], reason=ended[2])
    return found


def _identity(action):
    return action.resource, action.operation, action.node


def actions(found, resource="pgsqld", notify=False, monitor=False):
    """Return the actions in order: by default what changes pgsqld's state, and fencings."""
    left_out = {"cancel", *([] if notify else ["notify"]), *([] if monitor else ["monitor"])}
    return [
        action
        for transition in found
        for action in transition.actions
        if (not resource or action.resource in (resource, "")) and action.operation not in left_out
    ]


def steps(found, **which):
    """Return the actions as short words in order: ['demote srv1', 'stop srv1', …]."""
    return [f"{action.label} {action.node}" for action in actions(found, **which)]
