"""The report of paf status: what Pacemaker and the servers say, put together. Pure."""

from collections import namedtuple

from paf import remarks
from paf.cli import configuration, servers, view
from paf.cli.common import ERROR, NOT_DONE, OK
from paf.cli.status import concerns, service, succession
from paf.cli.status.concern import refusal_in_words
from paf.cluster import cib
from paf.decide import scores, wal
from paf.decide.election import BARRED

#: Number of the JSON's format; it changes when a field changes its meaning or goes.
FORMAT = 2

REASON = "not_promoted_because-"
CRASHED = "failed_because-"
DEGRADED = remarks.ATTRIBUTE + "-"
ACCEPTED = "accept_loss-"


class Facts(namedtuple("Facts", "known commits outcome fencing votes ballot silence listed")):
    """What was found out besides what crm_mon and the CIB say.

    known: dict of node to servers.Server; commits: servers.Commits or None; outcome:
    simulate.Outcome of losing the primary's node (where there is no primary: of losing none);
    fencing: fencing.Fencing of that node, None where there is no primary; votes: votequorum.Votes;
    ballot: cluster.cib.Scan, None where it was not looked at; silence: why the server on this node
    did not answer root by SQL (dict of node to str); listed: as nodelist.names has it, None where
    it was not looked at.
    """

    __slots__ = ()

    def __new__(cls, known, commits, outcome, fencing, votes, ballot=None, silence=None,
                listed=None):
        """Make one; without a ballot where the agents' attributes were not looked at."""
        return super(Facts, cls).__new__(cls, known, commits, outcome, fencing, votes, ballot,
                                         silence or {}, listed)


def report(seen, configured, managed, facts):
    """Return the report (dict, as docs/schemas/status.json describes it).

    seen: view.View; configured: configuration.Configuration; managed: configuration.Managed.
    """
    primaries = view.promoted(seen, managed.name)
    primary = primaries[0] if len(primaries) == 1 else None
    top = facts.known.get(primary, servers.UNKNOWN).received
    vips = [_vip(vip, sorted(view.roles(seen, vip.name)))
            for vip in configuration.vips_of(configured, managed)]
    barred = configuration.barred(configured, configuration.names_of(managed),
                                  ("", "Started", "Promoted"))
    nodes = [dict(_node(node, seen, managed, facts.known.get(node, servers.UNKNOWN), top),
                  kept_off=node in barred)
             for node in sorted(configuration.outside_bundles(
                 configured.root, set(configured.nodes) | set(seen.nodes)))]
    found = {"format": FORMAT, "resource": managed.name, "clone": managed.clone,
             "primary": primary, "primaries": primaries, "vips": vips, "nodes": nodes,
             # without a DC crm_mon does not say
             "dc": seen.dc or None, "quorum": seen.quorum if seen.dc else None,
             "synchronous": _synchronous(facts)}
    if found["synchronous"]:
        found["synchronous"]["others"] = sorted(
            name for name in set(facts.known) - set(node["node"] for node in nodes)
            if service.is_streaming(facts.known[name]))
    if primary:
        facts = facts._replace(outcome=succession.foreseen(found, facts.outcome, [primary]))
    found.update(concerns.answers(found, seen, configured, managed, facts))
    return found


def _vip(vip, nodes):
    return {"name": vip.name, "address": vip.parameters.get("ip", ""),
            "node": nodes[0] if len(nodes) == 1 else None, "nodes": nodes}


def _synchronous(facts):
    commits = facts.commits
    if commits is None:
        return None
    return {"names": commits.names, "waiting": commits.waiting, "longest_wait": commits.longest,
            "commit": commits.level, "exempt": commits.exempt}


def _node(node, seen, managed, server, top):
    role = view.roles(seen, managed.name).get(node)
    attributes = seen.attributes.get(node, {})
    score = cib.score(attributes.get("master-" + managed.name, ""))
    reason = attributes.get(REASON + managed.name, "")
    failures = [_explained(item, attributes.get(CRASHED + managed.name, ""))
                for item in seen.failures
                if item.node == node and item.resource == managed.name]
    membership = seen.nodes.get(node, view.OFFLINE)
    lives = role not in (None, "Stopped")
    return {
        "node": node, "membership": membership, "heard": node in seen.heard,
        "flags": [flag for flag in seen.flags.get(node, []) if flag != membership],
        "managed": all(item.managed for item in seen.instances
                       if item.node == node and item.resource == managed.name),
        "blocked": any(item.blocked for item in seen.instances
                       if item.node == node and item.resource == managed.name),
        "role": _role(role, server), "pacemaker_role": role, "in_recovery": server.in_recovery,
        "state": _state(role, server, membership),
        "timeline": server.timeline, "received": _lsn(server.received),
        "replayed": _lsn(server.replayed),
        "lag_bytes": _less(top, server.replayed), "lag_seconds": server.lag,
        "not_received_bytes": _less(top, server.received),
        "sync_state": server.sync or None, "score": score,
        "score_means": score_means(
            score, refusal_in_words(reason, view.promoted(seen, managed.name)), lives,
            role == view.PROMOTED),
        "not_promoted_because": reason or None,
        "degraded_because": attributes.get(DEGRADED + managed.name) or None,
        "loss_accepted": bool(attributes.get(ACCEPTED + managed.name)),
        "failures": [{"operation": item.operation, "status": item.status, "reason": item.reason,
                      "when": item.when} for item in failures],
        "source": server.source or None}


def _less(top, position):
    return None if position is None or top is None else max(0, top - position)


def _explained(failure, crashed):
    """Return a Failure with its true reason: Pacemaker calls a reported crash simulated."""
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
        return servers.REPLAY_PAUSED
    if role == view.UNPROMOTED and server.in_recovery and not server.state and (
            server.timeline is not None):    # up to PostgreSQL 9.5 a standby says neither
        return servers.NOT_STREAMING
    return server.state or "running"


def _lsn(number):
    return None if number is None else wal.format_lsn(number)


def score_means(score, reason="", lives=True, promoted=True):
    """Return why a promotion score is what it is; the words are those of docs/decisions.md.

    score: int or None; reason: why a promotion was refused, "" if none was; lives: whether the
    instance runs, and is promoted. The score of one that does not run was left from when it did.
    """
    if score is None:
        return "none yet: the primary's monitor gives it" if lives else "none: it does not run"
    if score <= BARRED:
        return "promotion refused{0}; until it streams again and has caught up".format(
            ": " + reason if reason else "")
    if not lives:
        return "does not run; the score is what was left of {0}".format(
            "its time as the primary" if score >= scores.PRIMARY else "when it did")
    if score >= scores.PRIMARY:
        return "the primary" if promoted else "the last primary"
    if scores.BEST - score >= 0 and score > 1 and (scores.BEST - score) % scores.STEP == 0:
        return "connected, number {0} in line".format((scores.BEST - score) // scores.STEP + 1)
    return {1: "the last resort: first start, an old primary, or a lost election",
            scores.NOT_READY: "a base backup or the start of streaming was under way when the "
                              "primary was last monitored",
            scores.NOT_CONNECTED: "not connected to the primary, or lag above maxlag"}.get(
                score, "lag above maxlag" if score < 0 else "set by hand")


def verdict(found):
    """Return the exit code of a report."""
    if found["primary"] is None:
        return ERROR
    good = (found["up"]["answer"] is True and found["failover"]["answer"] is True
            and not found["todo"])
    return OK if good else NOT_DONE
