"""paf status: one table of all nodes, from any node."""

import time

from paf.decide import scores, wal
from paf.cli import configuration, servers, view
from paf.cli.common import ERROR, NOT_DONE, OK, Pacemaker, coloured, say, say_json, table
from paf.cluster import cib
from paf.decide.election import BARRED

HELP = "show nodes, roles, WAL positions, lag, promotion scores and failures"
TEXT = """Shows one table for the whole cluster, on whatever node it is run (as root).

What is known, and from where:
  roles, scores, reasons and failures come from Pacemaker: the same on all nodes;
  this node's timeline, LSNs and lag come from its own server, by SQL;
  the other nodes' from the primary: by SQL here if this is the primary's node, else with the
  primary_conninfo of this node, if its role may connect to the database "postgres" and is a
  member of pg_monitor;
  where it may not, timeline and received LSN are asked of each node over a replication
  connection. Replayed LSN, lag and sync state of other nodes are then shown as "?".
Lag in bytes is the primary's position less what is replayed; in seconds, as the server counts."""
EXAMPLES = ("paf status", "paf status --watch", "paf status --output json")
EXIT_CODES = ((OK, "there is a primary, and nothing has failed"),
              (NOT_DONE, "there is something to look at: a node away, a failure, a standby that "
                         "does not stream or has no promotion score above 0"),
              (ERROR, "there is no primary, or the cluster cannot be asked"))

REASON = "not_promoted_because-"
CRASHED = "failed_because-"
_PAUSE = 2.0    # seconds


def arguments(parser):
    """Declare the verb's arguments."""
    parser.add_argument("--resource", metavar="NAME", default="",
                        help="the resource, where the cluster has several")
    parser.add_argument("--output", choices=("text", "json"), default="text",
                        help="the form of the answer (text)")
    parser.add_argument("--watch", action="store_true",
                        help="show it again every two seconds, until Ctrl-C")


def run(options):
    """Print the status; return the exit code."""
    while True:
        report = look(options.resource, Pacemaker())
        if options.output == "json":
            say_json(report)
        else:
            if options.watch:
                say("\033[H\033[J" + time.strftime("%H:%M:%S"))
            for line in lines(report):
                say(line)
        if not options.watch:
            return verdict(report)
        time.sleep(_PAUSE)


def look(resource, pacemaker):
    """Return the report (dict, as --output json prints it) of the cluster as it is now."""
    seen = view.parse(pacemaker.crm_mon())
    configured = configuration.parse(pacemaker.cib())
    managed = configuration.find(configured, resource)
    primaries = view.promoted(seen, managed.name)
    online = [node for node, role in view.roles(seen, managed.name).items() if role != "Stopped"]
    known = servers.Servers(managed, pacemaker.node()).known(
        online, primaries[0] if primaries else None, lambda: servers.addresses(pacemaker))
    return report(seen, configured, managed, known)


def report(seen, configured, managed, known):
    """Put together what Pacemaker and the servers say; pure. known: dict of node to Server."""
    primaries = view.promoted(seen, managed.name)
    primary = primaries[0] if len(primaries) == 1 else None
    top = known.get(primary, servers.UNKNOWN).received
    vips = [{"name": vip.name, "address": vip.parameters.get("ip", ""),
             "node": next(iter(view.roles(seen, vip.name)), None)}
            for vip in configuration.vips_of(configured, managed)]
    nodes = [_node(node, seen, managed, known.get(node, servers.UNKNOWN), top)
             for node in sorted(set(configured.nodes) | set(seen.nodes))]
    return {"resource": managed.name, "clone": managed.clone, "primary": primary,
            "primaries": primaries, "vips": vips, "nodes": nodes, "dc": seen.dc,
            "quorum": seen.quorum, "maintenance": _maintenance(seen, managed)}


def _maintenance(seen, managed):
    if seen.maintenance:
        return "maintenance-mode: Pacemaker watches and does nothing"
    if any(not item.managed for item in seen.instances if item.resource == managed.name):
        return "the resource is not managed: Pacemaker watches and does nothing"
    return ""


def _node(node, seen, managed, server, top):
    role = view.roles(seen, managed.name).get(node)
    attributes = seen.attributes.get(node, {})
    score = cib.score(attributes.get("master-" + managed.name, ""))
    reason = attributes.get(REASON + managed.name, "")
    failures = [_explained(item, attributes.get(CRASHED + managed.name, ""))
                for item in seen.failures
                if item.node == node and item.resource == managed.name]
    lag = None if server.replayed is None or top is None else max(0, top - server.replayed)
    return {
        "node": node, "membership": seen.nodes.get(node, view.OFFLINE),
        "role": _role(role, server), "pacemaker_role": role,
        "state": _state(role, server, seen.nodes.get(node)),
        "timeline": server.timeline, "received": _lsn(server.received),
        "replayed": _lsn(server.replayed), "lag_bytes": lag, "lag_seconds": server.lag,
        "sync_state": server.sync or None, "score": score,
        "score_means": score_means(score, reason), "not_promoted_because": reason or None,
        "failures": [{"operation": item.operation, "status": item.status, "reason": item.reason,
                      "when": item.when} for item in failures],
        "source": server.source or None}


def _explained(failure, crashed):
    """Return a Failure with its true reason: Pacemaker calls a crash told to it simulated."""
    return failure._replace(reason=crashed) if crashed and failure.operation == "asyncmon" \
        else failure


def _role(role, server):
    if server.in_recovery is not None:
        return "standby" if server.in_recovery else "primary"
    return {view.PROMOTED: "primary", view.UNPROMOTED: "standby", None: "stopped",
            "Stopped": "stopped"}.get(role, "unknown")


def _state(role, server, membership):
    """Return what the server is doing, in a word or two."""
    if membership in (view.OFFLINE, view.UNCLEAN, None):
        return "node {0}".format(membership or view.OFFLINE)
    if role in (None, "Stopped"):
        return "stopped" if server.in_recovery is None else "runs, not by Pacemaker"
    if server.in_recovery is False:
        return "running" if role == view.PROMOTED else "promoted by hand"
    if role == view.PROMOTED and server.in_recovery:
        return "in recovery"
    if server.paused:
        return "replay paused"
    if role == view.UNPROMOTED and server.in_recovery and not server.state:
        return servers.NOT_STREAMING
    return server.state or "running"


def _lsn(number):
    return None if number is None else wal.format_lsn(number)


def score_means(score, reason):
    """Return why a promotion score is what it is; the words are those of docs/decisions.md."""
    if score is None:
        return "none yet: the primary's monitor gives it"
    if score <= BARRED:
        return "promotion refused{0}; until it streams again and has caught up".format(
            ": " + reason if reason else "")
    if score >= scores.PRIMARY:
        return "the primary"
    if scores.BEST - score >= 0 and score > 1 and (scores.BEST - score) % scores.STEP == 0:
        return "connected, number {0} in line".format((scores.BEST - score) // scores.STEP + 1)
    return {1: "the last resort: first start, an old primary, or a lost election",
            scores.NOT_READY: "a base backup or the start of streaming was under way when the "
                                  "primary was last monitored",
            scores.NOT_CONNECTED: "not connected to the primary, or lag above maxlag"}.get(
                score, "lag above maxlag" if score < 0 else "set by hand")


def verdict(found):
    """Return the exit code that a report stands for."""
    if found["primary"] is None:
        return ERROR
    for node in found["nodes"]:
        if node["failures"] or node["not_promoted_because"] or node["state"] not in (
                "running", "streaming") or (node["score"] or 0) <= 0:
            return NOT_DONE
    return OK


def lines(found):
    """Return the report as lines for people."""
    where = ", ".join("{0} {1} on {2}".format(vip["name"], vip["address"], vip["node"] or "no node")
                      for vip in found["vips"])
    primary = found["primary"] or (
        "{0} AT ONCE".format(" AND ".join(found["primaries"])) if found["primaries"] else "NONE")
    yield coloured("{0}: primary {1}{2}".format(
        found["resource"], primary, "; " + where if where else ""),
        "bold" if found["primary"] else "red")
    if found["maintenance"]:
        yield coloured(found["maintenance"], "yellow")
    if not found["quorum"]:
        yield coloured("this partition has no quorum", "red")
    yield ""
    rows = [["node", "role", "state", "TL", "received", "replayed", "lag", "sync", "score"]]
    for line in table(rows + [_row(node) for node in found["nodes"]]):
        yield line
    yield ""
    for node in found["nodes"]:
        for line in _remarks(node):
            yield line


def _row(node):
    primary = node["role"] == "primary"
    return [node["node"], node["role"], node["state"], _shown(node["timeline"]),
            _shown(node["received"]), "-" if primary else _shown(node["replayed"]),
            "-" if primary else "{0} {1}".format(size(node["lag_bytes"]),
                                                 _seconds(node["lag_seconds"])),
            "-" if primary else _shown(node["sync_state"]),
            "-" if node["score"] is None else str(node["score"])]


def _shown(value):
    return "?" if value is None else str(value)


def _seconds(value):
    return "" if value is None else "{0:.1f} s".format(value)


def size(count):
    """Return a number of bytes as people write it."""
    if count is None:
        return "?"
    for unit in ("B", "kB", "MB", "GB"):
        if count < 10240 or unit == "GB":
            return "{0} {1}".format(count, unit)
        count //= 1024


def _remarks(node):
    yield "{0}: score {1}: {2}".format(
        node["node"], "-" if node["score"] is None else node["score"], node["score_means"])
    if node["not_promoted_because"] and not (node["score"] or 0) <= BARRED:
        yield coloured("{0}: not promoted: {1}".format(
            node["node"], node["not_promoted_because"]), "yellow")
    for failure in node["failures"]:
        yield coloured("{0}: {1} failed ({2}) at {3}: {4}".format(
            node["node"], failure["operation"], failure["status"], failure["when"],
            failure["reason"] or "no reason given"), "red")
