"""Rules about each node and its instance. Pure.

Each takes (report, view.View, Configuration, Managed, report.Facts).
"""

from paf import variant
from paf.cli import configuration, finding, nodelist, view
from paf.cli.operate import pauses
from paf.cli.servers import REPLAY_PAUSED
from paf.cli.status.concern import (
    FAILOVER, OTHER, concern, refusal_in_words, unknown)
from paf.decide.election import BARRED

#: The codes of an instance that has diverged. Pacemaker cuts the advice off the end of the reason.
_DIVERGED = ("PAF-E201 ", "PAF-E202 ")


def membership(found, seen, configured, managed, facts):
    """Every node is a member and may run resources."""
    barred = configuration.barred(configured, configuration.names_of(managed))
    removed = nodelist.removed(configured.root, facts.listed)
    for node in found["nodes"]:
        name, flags = node["node"], [node["membership"]] + node["flags"]
        if name in removed and (view.UNCLEAN in flags or view.OFFLINE in flags):
            # nothing can fence it, and Pacemaker promotes nothing before it is
            yield concern("removed", FAILOVER if view.UNCLEAN in flags else OTHER,
                          nodelist.WORDS.format(name), nodelist.WHY, nodelist.cure(name), name)
        elif view.UNCLEAN in flags:
            yield concern("unclean", OTHER, "{0} is unclean: it has to be fenced".format(name),
                          "until then Pacemaker moves nothing that may still run there; look at "
                          "the fencing devices, and confirm only what is really off",
                          finding.both("stonith_admin --history {0}".format(name)), name)
        elif view.OFFLINE in flags:
            for item in _offline(seen, name, name in barred):
                yield item
        elif view.PENDING in flags:
            yield unknown("pending", OTHER, "{0} is joining the cluster (pending)".format(name),
                          "it runs nothing before it has joined", node=name)
        if "standby_onfail" in flags:
            yield concern("standby-on-fail", OTHER, "{0} is a standby node because an operation "
                          "failed (on-fail=standby)".format(name),
                          "it runs nothing until the failure is cleaned up",
                          _cleanup(managed, name), name)
        elif view.STANDBY in flags:
            yield concern(
                "standby-node", OTHER, "{0} is a standby node: it runs no resources".format(name),
                "one node fewer to fail over to",
                (["pcs node unstandby {0}".format(name)], ["crm node online {0}".format(name)]),
                name)
        if "shutdown" in flags and view.OFFLINE not in flags:
            yield unknown("leaving", OTHER, "{0} is leaving the cluster".format(name), node=name)


def _offline(seen, name, is_barred):
    """Yield the Concern about a node that is offline. A remote node without PostgreSQL is none.

    is_barred: whether a constraint lets no instance run there.
    """
    if name not in seen.remote:
        yield concern("offline", OTHER, "{0} is offline".format(name),
                      "one vote fewer for quorum" if is_barred else
                      "one node fewer to fail over to",
                      (["pcs cluster start {0}".format(name)],
                       ["crm cluster start    # on {0}".format(name)]), name)
    elif not is_barred:
        yield concern(
            "offline", OTHER, "the remote node {0} is offline".format(name), "Pacemaker does not "
            "reach pacemaker_remoted there. Where {0} is not for PostgreSQL, a location "
            "constraint with its name and -INFINITY says so".format(name), node=name)


#: Strategies for the health of nodes with which Pacemaker runs nothing on an unhealthy one, and
#: what is unhealthy. Source: Pacemaker Explained, "Tracking Node Health".
_UNHEALTHY = {"migrate-on-red": ("red",), "only-green": ("red", "yellow")}


def health(found, seen, configured, managed, facts):
    """No node is kept free of resources because it is unhealthy."""
    for node in found["nodes"]:
        causes = _causes(configured, node["node"])
        if causes:
            yield concern(
                "unhealthy", OTHER, "{0} is unhealthy: {1}".format(
                    node["node"], ", ".join(causes)),
                "Pacemaker runs no resource there until it is healthy again (node-health-strategy="
                "{0}); the agent that watches it says what is wrong".format(
                    configured.properties["node-health-strategy"]), node=node["node"])


def _causes(configured, node):
    """Return what keeps a node free of resources by its health (list of str); crm_mon has none."""
    strategy = configured.properties.get("node-health-strategy", "").lower()
    return ["{0} is {1}".format(name, value) for name, value in sorted(
        configuration.attributes(configured, node).items())
        if name.startswith("#health") and value.lower() in _UNHEALTHY.get(strategy, ())]


def maintenance(found, seen, configured, managed, facts):
    """No node is in maintenance."""
    for node in found["nodes"]:
        if view.MAINTENANCE not in [node["membership"]] + node["flags"]:
            continue
        name, primary = node["node"], found["primary"] == node["node"]
        yield concern(
            "node-maintenance", FAILOVER if primary else OTHER,
            "{0} is in maintenance".format(name),
            "Pacemaker watches what runs there and does nothing: {0}".format(
                "a crash of the primary stays as it is" if primary else
                "the instance is not recovered, not promoted, and takes no part in an election"),
            # it looks first whether the server there has the role that Pacemaker knows
            finding.both("paf resume {0} --resource {1}".format(name, managed.name)) if (
                pauses.is_in_maintenance(configured.root, name)) else finding.both(
                "crm_attribute --type status --node {0} --name maintenance --delete".format(name)),
            name)


def instances(found, seen, configured, managed, facts):
    """Every instance runs, streams and may be promoted."""
    idle = meant_to_be_idle(found, configured, managed)
    for node in found["nodes"]:
        if node["state"] == "stopped" and (
                node["node"] in idle or _causes(configured, node["node"])):
            continue
        if (node["membership"] in (view.OFFLINE, view.UNCLEAN, view.PENDING, view.STANDBY)
                or node["failures"] or node["node"] in found["primaries"]):
            continue
        for item in _instance(node, found["primaries"]):
            yield item


def meant_to_be_idle(found, configured, managed):
    """Return the nodes (set) that are to have no instance: by a constraint, or by clone-max."""
    idle = configuration.barred(configured, configuration.names_of(managed))
    most = configuration.points(configuration.meta(managed, "clone-max"), None)
    if most and sum(node["state"] != "stopped" for node in found["nodes"]) >= most:
        idle.update(node["node"] for node in found["nodes"])
    return idle


_PAUSED = "it keeps what it receives, and replays none of it: its promotion would have to do " \
          "that first. Unless its agent says what is wrong with its settings, somebody has " \
          "paused it: SELECT pg_wal_replay_resume() there (up to PostgreSQL 9.6 " \
          "pg_xlog_replay_resume)"


def _instance(node, primaries):
    name = node["node"]
    if node["state"] in ("stopped", "runs, not by Pacemaker", "promoted by hand"):
        yield concern(
            "instance-down", OTHER, "the instance on {0}: {1}".format(name, node["state"]),
            "Pacemaker's log on that node says why; paf check there does, too", node=name)
    elif node["state"] == "running":
        yield unknown("streaming-unknown", OTHER, "whether the standby on {0} streams is not "
                      "known".format(name), "neither it nor the primary could be asked from here: "
                      "run paf status as root, on the primary's node", node=name)
    elif node["state"] != "streaming":
        yield concern("not-streaming", OTHER, "the standby on {0}: {1}".format(name, node["state"]),
                      _PAUSED if node["state"] == REPLAY_PAUSED else
                      "it falls behind; its server's log says why", node=name)
    if node["not_promoted_because"]:
        yield concern("not-promoted", OTHER, "{0} was not promoted: {1}".format(
            name, refusal_in_words(node["not_promoted_because"], primaries)),
            "{0}/troubleshooting.md has what to do for each reason".format(variant.PAGES),
            node=name)
    elif node["state"] == "streaming" and (node["score"] or 0) <= 0:
        yield concern("score", OTHER, "{0} may not be promoted: its score is {1}".format(
            name, "missing" if node["score"] is None else node["score"]), node["score_means"],
            node=name)
    elif node["score"] is not None and node["score"] <= BARRED:
        yield concern("score", OTHER, "{0} is barred from promotion".format(name),
                      node["score_means"], node=name)


def remarks(found, seen, configured, managed, facts):
    """No agent says that something is wrong, and none is allowed to lose data."""
    for node in found["nodes"]:
        name = node["node"]
        if node["degraded_because"]:
            yield concern("degraded", OTHER, "{0}: {1}".format(name, node["degraded_because"]),
                          "the agent there goes on as well as it can; {0}/troubleshooting.md has "
                          "what to do for each reason".format(variant.PAGES), node=name)
        if node["loss_accepted"]:
            yield concern(
                "loss-accepted", FAILOVER, "{0} may be promoted whatever it lacks "
                "(accept_loss-{1})".format(name, managed.name), "an administrator, or a paf "
                "promote that was killed, has set that for one promotion", finding.both(
                    "crm_attribute --type status --node {0} --name accept_loss-{1} "
                    "--delete".format(name, managed.name)), name)
    for item in seen.degraded:
        if item.resource != managed.name:    # the agent says its own in degraded_because
            yield concern("degraded", OTHER, "{0} on {1} is degraded: {2}".format(
                item.resource, item.node, item.reason or item.status), "", node=item.node)


def failures(found, seen, configured, managed, facts):
    """No failed action waits to be looked at."""
    for node in found["nodes"]:
        if node["failures"]:
            last = node["failures"][-1]
            why, cure = _after_a_failure(last["reason"], managed, node["node"])
            yield concern("failed", OTHER, "{0} of {1} has failed on {2}: {3}".format(
                last["operation"], found["resource"], node["node"],
                last["reason"] or last["status"]), why, cure, node["node"])
    for item in seen.failures:
        if item.resource != managed.name:
            yield concern("failed", OTHER, "{0} of {1} has failed on {2}: {3}".format(
                item.operation, item.resource, item.node, item.reason or item.status), "",
                finding.both("crm_resource --cleanup --resource {0} --node {1}".format(
                    item.resource, item.node)), item.node)


def _after_a_failure(reason, managed, node):
    """Return (why it matters, the cure) of an instance's failure with this reason (str)."""
    if reason.startswith(_DIVERGED):
        return ("run these on {0}: a cleanup alone has it fail again. The first shows what exists "
                "only there; the second gives that up, keeps its WAL, and asks before".format(node),
                finding.both(*["paf {0} --resource {1}".format(verb, managed.name)
                               for verb in ("lost", "rebuild")]))
    return ("find out why, then clean up: failures count towards migration-threshold",
            _cleanup(managed, node))


def _cleanup(managed, node):
    return finding.both("crm_resource --cleanup --resource {0} --node {1}".format(
        managed.name, node))
