"""What the logs of Pacemaker 1.1 say, where they say it otherwise than those of 2.0. Pure.

Seen in the logs of 1.1.10, 1.1.12, 1.1.16 and 1.1.24; the rest from crmd/te_*.c and crmd/lrm.c of
these versions. The controller is called crmd there, and times are whole seconds.
"""

import re

DAEMON = "crmd"
#: That, and the attribute manager.
DAEMONS = (DAEMON, "attrd")
#: A word of each line that says something.
WORTH = ("Initiating action|confirmed on|Updating failcount|LRM operation|Operation |Result of|"
         "fencing operation|terminated|is now lost|ocf-exit-reason|failed \\(target|Sent ")

#: The results of operations as people know them, by the number in the log.
RESULTS = {"0": "ok", "1": "error", "2": "invalid parameter", "3": "unimplemented feature",
           "4": "insufficient privileges", "5": "not installed", "6": "not configured",
           "7": "not running", "8": "promoted", "9": "promoted (failed)"}

#: The attributes that are looked for.
ATTRIBUTES = r"(?P<name>(?:lsn_location|not_promoted_because|failed_because)-\S+?)"

_PATTERNS = (
    # up to 1.1.15; later ones have the words of 2.0
    ("started", r"Initiating action (?P<action>\d+): (?P<operation>[\w-]+) (?P<key>\S+) on "
                r"(?P<node>\S+)"),
    ("ended", r"Action (?P<key>\S+) \((?P<action>\d+)\) confirmed on (?P<node>\S+) "
              r"\(rc=(?P<result>\d+)\)"),
    ("ended", r"Action (?P<action>\d+) \((?P<key>\S+)\) on (?P<node>\S+) failed "
              r"\(target: \d+ vs\. rc: (?P<result>\d+)\)"),
    # a recurring monitor, or a crash reported with crm_resource --fail
    ("failed", r"Updating failcount for (?P<resource>\S+) on (?P<node>\S+) after failed "
               r"(?P<operation>monitor|asyncmon): rc=(?P<result>\d+)"),
    # 1.1.10
    ("result", r"LRM operation (?P<key>\S+) \(call=\d+, rc=(?P<result>\d+), .*\)"),
    # 1.1.11 to 1.1.15
    ("result", r"Operation (?P<key>\S+): \w.* \(node=(?P<node>\S+), call=\d+, rc=(?P<result>\d+)"),
    # 1.1.16 and later
    ("result", r"Result of (?P<operation>[\w-]+) operation for (?P<resource>\S+) on "
               r"(?P<node>\S+): (?P<result>\d+) \("),
    ("reason", r"process_lrm_event: *\t?\s*(?P<key>\S+):\d+ \[ (?:.*\\n)?"
               r"ocf-exit-reason:(?P<reason>.*?)(?:\\n)? \]"),
    ("fencing", r"Executing (?P<how>(?!on\b)\w+) fencing operation \(\d+\) on (?P<node>\S+)"),
    ("fenced", r"Peer (?P<node>\S+) was(?P<not> not)? terminated \([^)]*\) by .*?: "
               r"(?P<reason>[^(|]*)"),
    ("lost", r"Node (?P<node>[^\s\[]+)\[\d+\] - state is now lost"),
    # 1.1.13 and later; who has set it is no part of the value
    ("attribute", r"Setting " + ATTRIBUTES + r"\[(?P<node>[^\]]+)\]: .*? -> "
                  r"(?P<value>.*) from \S+$"),
    # up to 1.1.12 each node says what it has set of its own
    ("attribute", r"Sent update \d+: " + ATTRIBUTES + r"=(?P<value>.*)"),
    ("attribute", r"Sent delete -?\d+: .*?attr=" + ATTRIBUTES + r"(?P<value>), "),
)
_COMPILED = [(kind, re.compile(pattern)) for kind, pattern in _PATTERNS]
_KEY = re.compile(r"(?P<resource>.+)_(?P<operation>[a-z-]+)_\d+$")


def understand(text, host):
    """Return the (kind, values) of a daemon's line, as logs.LogFact has them; None for any other.

    text, host: the line without its head, and the node that wrote it (str).
    """
    for kind, pattern in _COMPILED:
        found = pattern.search(text)
        if found:
            values = dict((name, value or "") for name, value in found.groupdict().items())
            return _FORMS[kind](values, host) if kind in _FORMS else (kind, values)
    return None


def _ended(values, host):
    return "ended", dict(values, graph="", result=_word(values["result"]))


def _failed(values, host):
    # the line does not have the interval: any but that of a probe
    key = "{0}_{1}_1".format(values["resource"], values["operation"])
    return "ended", {"key": key, "action": "", "graph": "", "node": values["node"],
                     "result": _word(values["result"])}


def _result(values, host):
    values = dict(values, **_named(values.pop("key", ""), values.get("node") or host))
    return "result", dict(values, reason="", result=_word(values["result"]))


def _reason(values, host):
    name = values["key"]
    if name.startswith(host + "-"):    # of a node, it may have dashes itself
        name = name[len(host) + 1:]
    return "result", dict(_named(name, host), result="", reason=values["reason"])


def _fenced(values, host):
    ended = "failed" if values["not"] else "succeeded"
    reason = values["reason"].strip()
    return "fenced", {"node": values["node"], "result": ended,
                      "reason": "" if reason == "OK" else reason}


def _named(key, node):
    """Return the values of an operation's key, such as pgsqld_start_0; {} without one."""
    found = _KEY.match(key)
    return dict(found.groupdict(), node=node) if found else {}


def _attribute(values, host):
    return "attribute", dict(values, node=values.get("node") or host)


def _word(number):
    return RESULTS.get(number, number)


_FORMS = {"ended": _ended, "failed": _failed, "result": _result, "reason": _reason,
          "fenced": _fenced, "attribute": _attribute}
