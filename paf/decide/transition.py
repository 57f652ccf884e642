"""The notify environment as one value, and the transition it announces. Pure.

Source: Pacemaker Explained, "Clone notifications". The lists come as parallel variables,
..._notify_<list>_resource and ..._notify_<list>_uname; an empty list is one blank. Pacemaker 2.1
added promoted and unpromoted to master and slave, which it still sends. Of a cloned group, the
lists have the instances of all its members.
"""

from collections import namedtuple

MYPY = False    # mypy reads the block below, Python never does
if MYPY:
    from paf import ocf  # noqa: F401

#: One instance of the clone on one node, both str.
Member = namedtuple("Member", "resource node")

_OLD_NAMES = {"promoted": "master", "unpromoted": "slave"}

#: kind: "pre" or "post", "" outside of a notify action; operation: "start", "stop", ...;
#: then the lists, each a tuple of Members.
Notification = namedtuple("Notification", "kind operation active inactive promoted unpromoted "
                          "start stop promote demote")
LISTS = Notification._fields[2:]

RECOVERY_OF_PRIMARY = "recovery of the primary"
RECOVERY_OF_STANDBY = "recovery of a standby"
SWITCHOVER = "switchover"
FAILOVER = "failover"
FIRST_START = "start of the cluster"
#: The lists have no primary, and do not show why.
PROMOTION = "promotion"


def read(environment):
    # type: (ocf.Environment) -> Notification
    """Return the Notification in the Environment, with empty lists where it has none."""
    lists = dict((name, _members(environment, name)) for name in LISTS)
    if not lists["active"]:
        # Pacemaker before 1.1.16 leaves it empty for promotable clones
        lists["active"] = lists["promoted"] + lists["unpromoted"]
    return Notification(
        kind=environment.meta("notify_type"),
        operation=environment.meta("notify_operation"), **lists)


def _members(environment, name):
    # type: (ocf.Environment, str) -> tuple[Member, ...]
    """Return those of a list that are instances of this resource.

    Another member of its group is on the same nodes, and may be announced later, or not at all.
    """
    own = environment.variables.get("OCF_RESOURCE_INSTANCE", "").partition(":")[0]
    return tuple(member for member in _listed(environment, name)
                 if member.resource.partition(":")[0] == own or not own)


def _listed(environment, name):
    # type: (ocf.Environment, str) -> tuple[Member, ...]
    for known_as in (name, _OLD_NAMES.get(name, name)):
        resources = environment.meta("notify_{0}_resource".format(known_as)).split()
        nodes = environment.meta("notify_{0}_uname".format(known_as)).split()
        if name == "inactive":    # has no nodes: an inactive instance is nowhere
            return tuple(Member(resource, "") for resource in resources)
        if resources and nodes:
            return tuple(Member(*pair) for pair in zip(resources, nodes))
    return ()


def nodes(members):
    # type: (tuple[Member, ...]) -> list[str]
    """Return the nodes (a list of str) of Members, in their order."""
    return [member.node for member in members]


def candidate(notification):
    # type: (Notification) -> str | None
    """Return the node that is to be promoted; None if there is none."""
    chosen = nodes(notification.promote)
    return chosen[0] if chosen else None


def voters(notification):
    # type: (Notification) -> list[str]
    """Return the nodes (a list of str, sorted) that run the resource once it is promoted.

    These have to publish their position: active, and started and not stopped in this transition.
    """
    counts = {}  # type: dict[str, int]
    for members, step in ((notification.active, 1), (notification.start, 1),
                          (notification.stop, -1)):
        for node in nodes(members):
            counts[node] = counts.get(node, 0) + step
    return sorted(node for node, count in counts.items() if count > 0)


def with_stops(notification, known):
    # type: (Notification, list[str]) -> Notification
    """Return the Notification in which no node but the voters `known` runs the resource then."""
    surplus = set(voters(notification)) - set(known)
    return notification._replace(stop=notification.stop + tuple(
        member for member in notification.active + notification.start if member.node in surplus))


def lasting_primaries(notification):
    # type: (Notification) -> list[str]
    """Return the nodes (a sorted list) that are primaries and are neither demoted nor stopped."""
    leaving = nodes(notification.demote) + nodes(notification.stop)
    return sorted(set(nodes(notification.promoted)) - set(leaving))


def starts_without_primary(notification, node=None):
    # type: (Notification, str | None) -> bool
    """Return whether `node`, or one at all, is started in this transition beside no primary.

    Not where the primary is recovered on its node: that needs no election.
    """
    started = nodes(notification.start)
    return (bool(started) if node is None else node in started) and not (
        lasting_primaries(notification) or is_recovery_of_primary(notification))


def is_recovery_of_primary(notification):
    # type: (Notification) -> bool
    """Return whether the primary is to be promoted again on its node."""
    chosen = candidate(notification)
    return chosen is not None and chosen in nodes(notification.promoted)


def is_recovery_of_standby(notification, node):
    # type: (Notification, str) -> bool
    """Return whether the standby on `node` is stopped and started again."""
    return (node in nodes(notification.unpromoted) and node in nodes(notification.stop)
            and node in nodes(notification.start))


def is_switchover(notification):
    # type: (Notification) -> bool
    """Return whether a healthy primary changes places with a standby.

    A primary that is stopped in the same transition does not: nothing is left to strand.
    """
    old, new = nodes(notification.promoted), nodes(notification.promote)
    return (len(old) == len(new) == len(notification.demote) == 1
            and old == nodes(notification.demote)
            and new[0] in nodes(notification.unpromoted)
            and old[0] not in nodes(notification.stop))


def moved_primary(notification):
    # type: (Notification) -> str | None
    """Return the node whose primary is stopped while another node is promoted; None without one.

    It may have been moved while it lived (node standby, a ban, resource disable, a placement
    rule), or it has failed, or was fenced: the lists do not say which.
    """
    old, new = nodes(notification.promoted), nodes(notification.promote)
    if len(old) == len(new) == 1 and old != new and old[0] in nodes(notification.demote):
        return old[0]
    return None


def transition(notification):
    # type: (Notification) -> str | None
    """Return the name of what Pacemaker is doing, None if the lists do not show it."""
    if is_recovery_of_primary(notification):
        return RECOVERY_OF_PRIMARY
    if is_switchover(notification):
        return SWITCHOVER
    if candidate(notification) is not None:
        if notification.promoted:
            return FAILOVER
        # Pacemaker announces a promotion again, without its cause, after it has computed a new
        # transition in the middle, or has fenced the lost primary before
        started = candidate(notification) in nodes(notification.start)
        return FIRST_START if started else PROMOTION
    if any(is_recovery_of_standby(notification, node) for node in nodes(notification.unpromoted)):
        return RECOVERY_OF_STANDBY
    return None


def stops_here(notification, node):
    # type: (Notification, str) -> bool
    """Return whether this transition stops the instance on `node`."""
    return node in nodes(notification.stop)


def picture(notification):
    # type: (Notification) -> str
    """Return the Notification as text, in the shape of the talk's slide "Infos du notify"."""
    lines = []
    for name in LISTS:
        members = getattr(notification, name)
        if not members:
            lines.append("{0} => [ ],".format(name))
            continue
        rows = ["  {{ rsc => '{0}'{1} }}".format(
            member.resource, ", uname => '{0}'".format(member.node) if member.node else "")
            for member in members]
        lines.append("{0} => [\n{1}\n],".format(name, ",\n".join(rows)))
    lines.append("type => '{0}',".format(notification.kind))
    lines.append("operation => '{0}'".format(notification.operation))
    return "\n".join(lines)
