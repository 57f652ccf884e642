"""The parameter `slots`: a replication slot on each server for each other member of the clone.

Called by a recurring monitor, and only where the parameter is set. A primary advances the slot of a
standby to what that has flushed; a standby advances its own to what the primary's keeps. So a
standby that was away finds its WAL, also on another primary. A standby may read from its slot
(primary_slot_name); it need not.
"""

from paf import instance as local
from paf import ocf
from paf.cluster import members, ophistory
from paf.decide import slots, state
from paf.decide.knowledge import is_known
from paf.instance import queries
from paf.instance import serverslots as actual

_PATIENCE = 6.0    # seconds
_NOT_YET = ("startup", "backup")    # of pg_stat_replication: it has flushed nothing yet


def keep(context, sight, replicas):
    """Make, advance and drop slots; return what is wrong (a list of str). Raises nothing.

    sight: observe.Sight with the rows of queries.monitor; replicas: scores.Replica of its standbys.
    """
    if not context.in_cluster or not sight.rows:
        return []
    limit, wrong = actual.limit(sight.rows), []
    if limit == "":
        return [_without_limit(context.instance)]
    if limit == "-1":
        wrong = ["slots=true: max_slot_wal_keep_size is -1, so no slot is made"]
    if actual.idle(sight.rows) not in ("", "0"):
        wrong.append("slots=true: idle_replication_slot_timeout is {0}: the server gives the slot "
                     "of a standby up that is away for longer; set it to 0".format(
                         actual.idle(sight.rows)))
    if context.deadline.passed:    # each step would take a moment more
        return wrong + ["slots=true: the slots are as they were: no time is left"]
    try:
        return wrong + _keep(context, sight, replicas, limit != "-1")
    except ocf.OcfError as error:
        return wrong + ["slots=true: the slots are as they were: {0}".format(error)]


def _without_limit(instance):
    """Return why the server's answer has no limit for slots (str)."""
    try:
        if local.version(instance) < queries.FIRST_WITH_LIMIT:
            return "slots=true: it needs PostgreSQL 13, so no slot is kept"
    except ocf.OcfError as error:    # the monitor did not know what it may ask
        return "slots=true: the slots are as they were: {0}".format(error)
    return "slots=true: the slots are as they were: the server was not asked for them, since its " \
           "version could not be read"


def _keep(context, sight, replicas, may_make):
    """Return what is wrong (a list of str). Raises OcfError."""
    deadline = context.deadline.within(_PATIENCE)
    here, found = actual.here(sight.rows)
    if here is None:
        return ["slots=true: the server does not say how much WAL it has"]
    xml = context.cluster.cib(deadline)
    nodes, me = members.nodes(xml), context.node
    if sight.verdict.state == state.PRIMARY:
        known = _streaming(nodes, me, replicas)
        found, wrong = _that_hold(found, known)
        wrong += ["slots=true: the slot of {0} has lost its WAL: {0} has to find that in an "
                  "archive, or be rebuilt".format(node) for node in slots.empty(found, known)]
    else:
        streams = sight.rows[0][2] not in ("", "0")
        known, wrong = _of_primary(context, xml, [node for node in nodes if node != me], here,
                                   streams, deadline)
    wanted = slots.strangers(found, me, nodes) + slots.changes(found, known, here)
    return wrong + _change(context, wanted, may_make, deadline)


def _that_hold(found, known):
    """Return a primary's slots, and what is wrong (a list of str), by slots.Slot and slots.Peer.

    For a standby that is away a slot keeps rows as well, as PostgreSQL does: it holds nothing up
    that should go on. One that streams without its slot has its rows kept by its WAL sender.
    """
    streams = set(slots.name_of(peer.node) for peer in known if peer.wanted)
    found = [slot._replace(holds=slot.holds and slot.name in streams) for slot in found]
    return found, ["slots=true: the slot {0} holds vacuum back, and its standby streams without "
                   "it".format(slot.name) for slot in found if slot.holds and not slot.active]


def _change(context, wanted, may_make, deadline):
    """Make the slots.Changes; return what failed (a list of str). Raises OcfError."""
    wrong = []
    # what could not be made again is not dropped
    made = set(change.name for change in wanted if change.what in (slots.MAKE, slots.MAKE_EMPTY))
    for change in wanted:
        if change.name in made and not may_make:
            continue
        failed = actual.change(context.instance, change, deadline)
        if failed:
            wrong.append("slots=true: cannot {0} the slot {1}: {2}".format(
                change.what.partition(" ")[0], change.name, failed))
        elif change.what != slots.ADVANCE:
            context.log.info("replication slot {0}: {1}".format(
                change.name, {slots.DROP: "dropped", slots.MAKE: "made"}.get(
                    change.what, "made; it had lost its WAL, and keeps none until its node "
                    "streams")))
    return wrong


def _streaming(nodes, me, replicas):
    """Return the slots.Peers as a primary sees them: what streams, up to what it has flushed."""
    flushed = {}    # type: dict[str, list[int | None]]
    for replica in replicas:
        if replica.state not in _NOT_YET:
            flushed.setdefault(replica.name, []).append(replica.flushed)
    return [slots.Peer(node, node in flushed, _least(flushed.get(node, [])))
            for node in nodes if node != me]


def _least(numbers):
    """Return the least of some numbers; None where there is none, or one is not known."""
    return None if not numbers or None in numbers else min(numbers)


def _of_primary(context, xml, others, here, streams, deadline):
    """Return the slots.Peers as a standby sees them, and what is wrong. Raises OcfError.

    others: all other nodes. The primary itself reads from no slot: what it would need here, should
    this standby take over, is no older than this server's last restartpoint.
    """
    promoted = ophistory.promoted(xml, context.cluster.resource)
    names = dict((node, slots.name_of(node)) for node in others)
    fact = actual.of_primary(context.instance, [names[node] for node in others], deadline) if (
        others) else None
    if fact is None or not is_known(fact):
        known = [slots.Peer(node, False, None) for node in others]
        return known, ["slots=true: the primary's slots cannot be read: {0}".format(
            fact.reason)] if fact is not None and streams else []
    return [slots.Peer(node, True, here.redo)
            if promoted == [node] and names[node] not in fact.value else
            slots.Peer(node, names[node] in fact.value, fact.value.get(names[node]))
            for node in others], []
