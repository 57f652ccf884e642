"""paf check: the virtual address that follows the primary. Pure."""

from paf.cli import finding
from paf.cli.configuration import (
    barred, is_led, is_optional, is_serialized, is_symmetrical, names_of, not_let_in, place_of,
    vips_of)
from paf.cli.configuration.constraints import INFINITY, bars, ties

_LOST = "the address would stay on a node that is not the primary"
_TOO_EARLY = "clients would reach a server that takes no writes yet"
_NO_CURE = ((), ())
_ORDERS = (("promote", "start"), ("demote", "stop"))


def address(configured, managed):
    """The virtual address follows the primary and outlives its demotion."""
    if not managed.clone:
        return
    vips = vips_of(configured, managed)
    seen = set()
    for vip in vips:
        places = place_of(vip)
        if places[0] in seen:
            continue    # another address of the same group
        seen.add(places[0])
        own = (_colocation, _backwards, _orders) if _is_named(configured, managed, places) else (
            _follower,)    # standbys fetch their WAL through the one that it follows
        for rule in own + (_banned,):
            for found in rule(configured, managed, places):
                yield found
    free = [] if vips else _unbound(configured)
    if free:
        yield finding.warning(
            "no constraint ties the address {0} to the primary".format(" or ".join(free)),
            "if clients use it, they reach a standby",
            _NO_CURE if len(free) > 1 else finding.join(
                _colocated(configured, managed, free),
                *[_ordered(configured, managed, free, first, then) for first, then in _ORDERS]))


def _is_named(configured, managed, places):
    """Return whether a constraint names both the resource and the address (its ids, a tuple)."""
    names = names_of(managed)
    return any(_of(configured, kind, **pair) for kind, pair in (
        ("colocation", {"rsc": places, "with_rsc": names}),
        ("colocation", {"rsc": names, "with_rsc": places}),
        ("order", {"first": names, "then": places})))


def _unbound(configured):
    """Return the addresses (sorted list) that no constraint binds to anything.

    One that is bound follows another resource, or is for readers: it is not to be moved.
    """
    bound = set(item.values.get(place) for item in configured.constraints
                if item.kind in ("colocation", "order")
                for place in ("rsc", "with-rsc", "first", "then"))
    names = set(vip.name for vip in configured.vips)
    return sorted(set(
        place_of(vip)[0] for vip in configured.vips if not bound.intersection(place_of(vip))
        and _members(configured, vip.group) <= names))


def _members(configured, group):
    """Return the ids (set) of a group's primitives; empty for the group ""."""
    return set(item.get("id")
               for found in configured.root.findall("configuration/resources//group")
               if group and found.get("id") == group for item in found.findall("primitive"))


def _of(configured, kind, **places):
    """Return the constraints of a kind that name in each place one of the ids given (tuples)."""
    return [item for item in configured.constraints if item.kind == kind and all(
        item.values.get(place.replace("_", "-")) in names for place, names in places.items())]


def _instead(item, *cures):
    """Return the cure that puts others in the place of a constraint.

    One that says more than this relation (a set, a tag) is for people to change.
    """
    return finding.join(finding.without_constraint(item.id), *cures) if item.whole else _NO_CURE


def _colocated(configured, managed, places):
    """Return the cure that keeps an address (its ids) with the primary."""
    ended = _of(_ended(configured), "colocation", rsc=places, with_rsc=names_of(managed))
    return _after(ended, finding.colocated(places[0], managed.clone))


def _ordered(configured, managed, places, first, then):
    """Return the cure that orders an address (its ids) after a change of the primary."""
    ended = _of(_ended(configured), "order", first=names_of(managed), then=places,
                first_action=(first,), then_action=(then,))
    return _after(ended, finding.ordered(managed.clone, first, places[0], then))


def _ended(configured):
    return configured._replace(constraints=configured.ended)


def _after(ended, cure):
    """Return a cure behind the removal of constraints that have ended: pcs makes none twice."""
    return finding.join(*[finding.without_constraint(item.id) for item in ended if item.whole]
                        + [cure])


def _colocation(configured, managed, places):
    found = _of(configured, "colocation", rsc=places, with_rsc=names_of(managed))
    if is_led(configured, managed, places):
        return
    wanted = _colocated(configured, managed, places)
    if not found and not _reversed(configured, managed, places):
        yield finding.error("{0} is not colocated with the primary".format(places[0]), _LOST,
                            wanted)
    for item in found:
        if item.values.get("with-rsc-role") != "Promoted":
            wrong = "it names no role Promoted"
        elif item.score < INFINITY:
            wrong = "its score is below INFINITY"
        else:
            wrong = "it compares {0}, not the node".format(item.values["node-attribute"])
        yield finding.error("{0} does not tie {1} to the primary: {2}".format(
            item.id, places[0], wrong), _LOST, _instead(item, wanted))


def _reversed(configured, managed, places):
    """Return the colocations that tie the primary to the address; a score of 0 ties nothing."""
    return [item for item in _of(configured, "colocation", rsc=names_of(managed), with_rsc=places)
            if item.score > 0]


def _backwards(configured, managed, places):
    right = [item for item in _of(configured, "colocation", rsc=places, with_rsc=names_of(managed))
             if ties(item) and item.values.get("with-rsc-role") == "Promoted"]
    for item in _reversed(configured, managed, places):
        cures = [] if right else [_colocated(configured, managed, places)]
        yield finding.error(
            "{0} ties the primary to {1}, and not the reverse".format(item.id, places[0]),
            "where the address cannot run, no instance is promoted, and a failed address moves "
            "the primary", _instead(item, *cures))


def _orders(configured, managed, places):
    found = _of(configured, "order", first=names_of(managed), then=places)
    for first, then in _ORDERS:
        mine = [item for item in found if item.values["first-action"] == first
                and item.values["then-action"] == then and not is_serialized(item)]
        # a mandatory symmetrical order has the reverse, which is not the one that is needed
        wanted = _ordered(configured, managed, places, first, then)
        if not mine:
            yield finding.error(
                "{0} has no order: {1}, then {2}".format(places[0], first, then),
                _TOO_EARLY if first == "promote" else
                "standbys fetch the primary's last WAL through the address: it has to outlive "
                "the demotion, or the switchover is refused", wanted)
        for item in mine:
            for problem in _of_order(item, then, wanted):
                yield problem


def _follower(configured, managed, places):
    """An address that follows another one is started after the promotion, through that or not."""
    around = set(name for vip in configured.vips for name in place_of(vip)) - set(places)
    if not _of(configured, "colocation", rsc=places, with_rsc=around):
        return
    seen, names = set(), set(places)
    while names:
        seen |= names
        before = [item for item in _of(configured, "order", then=names)
                  if item.values["then-action"] == "start" and not is_optional(item)]
        if any(item.values.get("first") in names_of(managed)
               and item.values["first-action"] == "promote" for item in before):
            return
        names = set(item.values.get("first") for item in before
                    if item.values["first-action"] == "start") - seen
    yield finding.error("{0} has no order: promote, then start".format(places[0]), _TOO_EARLY,
                        finding.join(*[_ordered(configured, managed, places, first, then)
                                       for first, then in _ORDERS]))


def _of_order(item, then, wanted):
    if is_symmetrical(item):
        yield finding.error(
            "the order {0} is symmetrical".format(item.id),
            "its reverse stops the address before the demotion, and standbys cannot "
            "fetch the primary's last WAL", _instead(item, wanted))
    elif then == "stop" and not is_optional(item):
        yield finding.warning(
            "the order {0} is mandatory".format(item.id),
            "Pacemaker does not stop the address in a transition without a demotion: the "
            "shutdown of a node, or a failover, may wait without end",
            _as_option(item, wanted))
    elif then == "start" and is_optional(item):
        yield finding.error(
            "the order {0} is optional".format(item.id),
            "the address may start where the promotion has failed: clients would reach a standby",
            _instead(item, wanted))


def _as_option(item, wanted):
    """Return the cure for a mandatory order: in place, where there is no score beside the kind."""
    if "score" in item.values or not item.whole:
        return _instead(item, wanted)
    return finding.order_has(item.id, kind="Optional")


def _banned(configured, managed, places):
    """The address may run wherever an instance may be promoted."""
    own = barred(configured, names_of(managed), ("", "Started", "Promoted"))
    nowhere = not_let_in(configured, names_of(managed)) == configured.nodes
    outside = [node for node in not_let_in(configured, places) if nowhere or node not in own]
    if outside:
        yield finding.error(*finding.let_in(places[0], outside))
    for item in _of(configured, "location", rsc=places):
        nodes = [node for node in bars(item, configured.nodes, configured.now) if node not in own]
        if nodes and not item.id.startswith("cli-"):
            yield finding.error(
                "{0} keeps {1} off {2}".format(item.id, item.values["rsc"], " and ".join(nodes)),
                "an instance may be promoted there, and clients would not reach it",
                _instead(item))


def others(configured, managed):
    """No order makes the clone wait for the address."""
    for vip in vips_of(configured, managed):
        for item in _of(configured, "order", first=place_of(vip), then=names_of(managed)):
            if item.values["first-action"] != "start" or is_optional(item):
                continue
            yield finding.error(
                "the order {0} starts the address before PostgreSQL".format(item.id),
                "clients would reach a standby", _instead(item))
