"""The report of paf status as lines for people. Pure, except for colours on a terminal."""

from paf.cli.common import coloured, table
from paf.cli.status.concern import refusal_in_words
from paf.cli.status.service import is_lost
from paf.decide.election import BARRED

_WORDS = {True: "yes", False: "NO", None: "NOT KNOWN"}
_COLOURS = {True: "green", False: "red", None: "yellow"}


def lines(found):
    """Yield the report (dict) as lines."""
    where = ", ".join("{0} {1} on {2}".format(vip["name"], vip["address"], " AND ".join(
        vip["nodes"]) or "no node") for vip in found["vips"])
    primary = found["primary"] or (
        "{0} AT ONCE".format(" AND ".join(found["primaries"])) if found["primaries"] else "NONE")
    primary += "".join(", whose node is {0}".format(node["membership"]) for node in found["nodes"]
                       if node["node"] == found["primary"] and is_lost(node))
    yield coloured("{0}: primary {1}{2}".format(
        found["resource"], primary, "; " + where if where else ""),
        "bold" if found["primary"] else "red")
    for name, question in (("up", "up?"), ("failover", "failover now?")):
        yield _answer(question, found[name])
    todo = found["todo"]
    yield "{0:<14} {1}".format("to do?", coloured("nothing", "green") if not todo else coloured(
        "{0} thing{1}, see below".format(len(todo), "" if len(todo) == 1 else "s"), "yellow"))
    yield ""
    rows = [["node", "role", "state", "TL", "received", "replayed", "lag", "sync", "score"]]
    for line in table(rows + [_row(node) for node in found["nodes"]]):
        yield line
    yield ""
    for node in found["nodes"]:
        for line in _remarks(node, found["primaries"]):
            yield line
    for number, item in enumerate(todo):
        for line in _concern(number + 1, item):
            yield line


def _answer(question, answer):
    word = coloured(_WORDS[answer["answer"]], _COLOURS[answer["answer"]])
    return "{0:<14} {1}{2}".format(question, word, ", " + answer["text"] if answer["text"] else "")


def _concern(number, item):
    """Yield a thing to do, and its commands in the spelling of each cluster shell."""
    yield ""
    yield coloured("{0}. {1}".format(number, item["what"]), "yellow")
    if item["why"]:
        yield "   {0}".format(item["why"])
    if item["pcs"] == item["crm"]:
        for command in item["pcs"]:
            yield "   run: {0}".format(command)
        return
    for spelling in ("pcs", "crm"):
        for command in item[spelling]:
            yield "   {0}: {1}".format(spelling, command)


def _row(node):
    primary = node["role"] == "primary"
    state = ", ".join([node["state"]] + ["node {0}".format(word) for word in marks(node)])
    return [node["node"], node["role"], state, _shown(node["timeline"]),
            _shown(node["received"]), "-" if primary else _shown(node["replayed"]),
            "-" if primary else "{0} {1}".format(size(node["lag_bytes"]),
                                                 _seconds(node["lag_seconds"])),
            "-" if primary else _shown(node["sync_state"]),
            "-" if node["score"] is None else str(node["score"])]


def marks(node):
    """Return what a node (dict of the report) is besides online (list of str)."""
    first = [] if node["membership"] in ("online", "offline", "unclean") else [node["membership"]]
    return first + [flag for flag in node["flags"] if flag not in ("unclean", "offline")]


def _shown(value):
    return "?" if value is None else str(value)


def _seconds(value):
    return "" if value is None else "{0:.1f} s".format(value)


def size(count):
    """Return a number of bytes as people write it; "?" for None."""
    if count is None:
        return "?"
    for unit in ("B", "kB", "MB", "GB"):
        if count < 10240 or unit == "GB":
            return "{0} {1}".format(count, unit)
        count //= 1024


def _remarks(node, primaries):
    yield "{0}: score {1}: {2}".format(
        node["node"], "-" if node["score"] is None else node["score"], node["score_means"])
    if node["not_promoted_because"] and not (node["score"] or 0) <= BARRED:
        yield coloured("{0}: not promoted: {1}".format(
            node["node"], refusal_in_words(node["not_promoted_because"], primaries)), "yellow")
    for failure in node["failures"]:
        yield coloured("{0}: {1} failed ({2}) at {3}: {4}".format(
            node["node"], failure["operation"], failure["status"], failure["when"],
            failure["reason"] or "no reason given"), "red")
