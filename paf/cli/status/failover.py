"""Would it fail over now, to which node, and with what loss? Pure.

Each rule takes (report, view.View, Configuration, Managed, report.Facts).
"""

from paf.cli import devices, finding, topology
from paf.cli.configuration import is_certain, options, unfenced
from paf.cli.servers import NO_WAIT
from paf.cli.status import fencing as fenced
from paf.cli.status import service, simulate, succession, votequorum
from paf.cli.status.concern import FAILOVER, concern, unknown
from paf.cli.status.report_text import size
from paf.cli.view import OFFLINE, UNCLEAN
from paf.decide import quorum
from paf.decide.knowledge import is_known

_WHY = "a lost primary may still be writing: before another is promoted Pacemaker has to be sure " \
       "that it is off"


def fencing(found, seen, configured, managed, facts):
    """The primary's node can be fenced."""
    device = facts.fencing
    if device is None:
        return
    for item in fenced.flaws(configured, device):
        yield (concern if item.level == finding.ERROR else unknown)(
            "fencing-device", FAILOVER, item.what, item.why, (item.pcs, item.crm))
    possible = fenced.is_possible(device)
    if not device.enabled:
        option = options.fencing(configured, "enabled")
        yield concern(
            "fencing-off", FAILOVER, "fencing is off ({0}=false)".format(option),
            _WHY + "; without fencing a failover may make two primaries",
            finding.property_is(option, "true"))
    elif possible is None:
        yield unknown("fencing-unknown", FAILOVER, "whether {0} can be fenced is not known: {1}"
                      .format(found["primary"], device.unknown), _WHY)
    elif not possible and device.unusable:
        yield concern("no-fencing-device", FAILOVER, "{0} cannot be fenced: {1}".format(
            found["primary"], device.unusable), _WHY, finding.join(*[
                cure for _, cure, _ in topology.wrong(configured, found["primary"])]))
    elif not possible and not (_is_alone(found) and devices.has_usable(
            configured, found["primary"])):    # it may not run on the node that it fences
        wrong, cure = devices.lacking(configured, found["primary"])
        yield concern("no-fencing-device", FAILOVER, "; ".join(
            ["no fencing device can reach {0}".format(found["primary"])] + [wrong] * bool(wrong)),
            _WHY, cure)


def order(found, seen, configured, managed, facts):
    """A promotion waits for the fencing of the lost primary."""
    value = unfenced(managed)
    if not is_certain(managed, "requires"):
        yield unknown("requires", FAILOVER, "whether requires is set is not known",
                      "a rule decides on it that only Pacemaker can judge")
    elif value:
        what, why, cure = finding.requires_fencing(managed, value)
        yield concern("requires", FAILOVER, what, why, cure)


def votes(found, seen, configured, managed, facts):
    """Without the primary's node there is still quorum."""
    if not found["primary"] or _is_alone(found) or (
            configured.properties.get("no-quorum-policy", "").lower() == "ignore"):
        return
    kept = votequorum.is_kept_without(facts.votes, [
        seen.ids.get(name, "") for name in [found["primary"]] if name not in seen.remote])
    if kept is None:
        why = ": " + facts.votes.unknown if facts.votes.unknown else ""
        yield unknown(
            "votes-unknown", FAILOVER, "whether the other nodes have quorum without {0} is not "
            "known{1}".format(found["primary"], why),
            "without quorum nothing is promoted", finding.both("corosync-quorumtool -s"))
    elif not kept:
        yield concern(
            "votes", FAILOVER, "without {0} the other nodes have no quorum ({1} of {2} votes are "
            "needed)".format(found["primary"], facts.votes.needed, facts.votes.expected),
            "nothing is promoted without quorum: " + (
                "the quorum device does not vote; look at corosync-qdevice.service on the nodes, "
                "and at the device's host" if votequorum.is_without_device(facts.votes) else
                "bring back the nodes that are away" if any(
                    row["membership"] in (OFFLINE, UNCLEAN) and row["node"] not in seen.remote
                    for row in found["nodes"]) else
                "no node is away: look at two_node and expected_votes in corosync.conf, and where "
                "that has a device, at corosync-qdevice.service on the nodes"),
            finding.both("corosync-qdevice-tool -s") if (
                votequorum.is_without_device(facts.votes)) else ((), ()))


def successor(found, seen, configured, managed, facts):
    """Pacemaker would promote another node."""
    outcome = facts.outcome
    if not found["primary"]:
        yield concern("no-primary", FAILOVER, "there is no primary to fail over from")
    elif outcome.unknown:
        yield unknown(
            "successor-unknown", FAILOVER, "who would be promoted is not known: "
            "{0}".format(outcome.unknown))
    elif outcome.promoted is None and _is_alone(found):
        yield concern("no-successor", FAILOVER, "{0} is alone: no other node is in the "
                      "cluster".format(found["primary"]), "bring one back: see below")
    elif outcome.promoted is None:
        yield concern(
            "no-successor", FAILOVER, "Pacemaker would promote no other node", "a standby that "
            "runs, streams and has a promotion score above 0 is needed: see the table")
    elif elected(found, facts).refused:
        yield concern("refused", FAILOVER, "the agents would promote no other node: {0}".format(
            elected(found, facts).refused), "Pacemaker's candidate refuses where an acknowledged "
            "commit might be lost" + _strangers(found, facts.commits))
    elif elected(found, facts).unknown:
        yield unknown("refusal-unknown", FAILOVER, "whether the agents would promote {0} is not "
                      "known: {1}".format(elected(found, facts).to, elected(found, facts).unknown),
                      "run paf status as root, on the primary's node")
    elif loss(found, facts)["loss_bytes"] is None:
        yield unknown(
            "loss-unknown", FAILOVER, "what {0} has received is not known".format(
                elected(found, facts).to),
            "the servers could not be asked from here: run paf status as root, on the primary's "
            "node")


def _is_alone(found):
    """Return whether the primary's node is the only one in this partition."""
    return len(found["nodes"]) > 1 and all(
        service.is_lost(row) != (row["node"] == found["primary"]) for row in found["nodes"])


def _strangers(found, commits):
    """Return what to do about names in synchronous_standby_names that are no nodes', "" for none.

    commits: servers.Commits or None. A node that was removed is waited for like one that is off.
    """
    rule = quorum.parse(commits.names) if commits is not None else None
    if rule is None or not is_known(rule) or rule.value is None:
        return ""
    nodes = [row["node"].lower() for row in found["nodes"]]
    names = [name for name in rule.value.names if name not in nodes + [quorum.ALL]]
    return "" if not names else (
        "; synchronous_standby_names has {0}, which is no node of this cluster: take that out, "
        "once a standby has caught up (paf check has the command)".format(", ".join(names)))


def address(found, seen, configured, managed, facts):
    """The address would be where the new primary is."""
    names = [vip["name"] for vip in found["vips"]]
    words = "after a failover to {0} {1}"
    for what in simulate.left_behind(facts.outcome, names):
        yield concern("address-stays", FAILOVER, words.format(facts.outcome.promoted, what), (
            "clients would not reach the primary: look for "
            "constraints that keep the address off a node, or do not tie it to the primary, and "
            "whether Pacemaker manages it, or a failure blocks it"))
    for what in simulate.unplaced(facts.outcome, names):
        yield unknown("address-unknown", FAILOVER, words.format(facts.outcome.promoted, what), (
            "crm_simulate does not name it, or in a form that is not understood, or promotes no "
            "node as long as the primary holds {0} back".format(facts.outcome.promoted)))


def elected(found, facts):
    """Return the succession.Election after the loss of the primary."""
    lost = [found["primary"]] if found["primary"] else []
    return succession.of(found, facts.ballot, lost, facts.outcome.promoted if lost else None)


def loss(found, facts):
    """Return who would be promoted and what would be lost (dict: to, loss_bytes,
    loses_acknowledged, text), as `loss_to`.
    """
    return loss_to(elected(found, facts).to, found, facts.commits)


def loss_to(to, found, commits):
    """Return what would be lost with the promotion of a node (str, None for none): see `loss`.

    loss_bytes: WAL (int) that the primary has and the other has not received, at this moment; None
    where it is not known. loses_acknowledged: whether acknowledged commits are in it.
    """
    if not to:
        return {"to": None, "loss_bytes": None, "loses_acknowledged": None, "text": ""}
    node = dict((item["node"], item) for item in found["nodes"]).get(to, {})
    missing = node.get("not_received_bytes")
    text, acknowledged = _synchronous(to, node.get("sync_state"), commits)
    if text is None:
        text, acknowledged = _by_position(to, found["primary"], missing, commits)
    return {"to": to, "loss_bytes": missing, "loses_acknowledged": acknowledged, "text": text}


def _synchronous(to, state, commits):
    """Return (text, whether acknowledged commits would be lost) where commits wait for `to`.

    (None, None) where they do not, or that is not known. state: its sync_state; commits:
    servers.Commits or None.
    """
    if (commits is None or not commits.names.strip() or state not in ("sync", "quorum")
            or commits.level in (None,) + NO_WAIT):
        return None, None
    who = "to {0}, which is synchronous".format(to) if state == "sync" else (
        "to {0} or another of its quorum".format(to))
    if commits.exempt:
        return "{0}: no acknowledged commit would be lost, but of {1}, whose " \
               "synchronous_commit does not wait".format(who, ", ".join(commits.exempt)), None
    return "{0}: no acknowledged commit would be lost".format(who), False


def _by_position(to, primary, missing, commits):
    """Return the same by the WAL that `to` has not received at this moment (int or None)."""
    remark = ""
    if commits is not None and commits.level == "off":
        remark = "; synchronous_commit is off: what was acknowledged last may not even be written"
    elif commits is not None and commits.names.strip() and commits.level in (None, "local"):
        remark = "; synchronous_commit is {0}".format(
            "local: commits wait for no standby" if commits.level else
            "not known here: perhaps commits wait for no standby")
    if missing is None:
        return "to {0}; what would be lost is not known{1}".format(to, remark), None
    if missing:
        return "to {0}; {1} of WAL that it has not received would be lost{2}".format(
            to, size(missing), remark), True
    return "to {0}, which has all of {1}'s WAL at this moment{2}".format(
        to, primary, remark), None if commits is None or commits.level in (None, "off") else False
