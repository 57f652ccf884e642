"""Constraints of the CIB as plain pairs: sets, tags, templates and defaults written out. Pure.

Source: Pacemaker Explained, "Resource Constraints"; pcmk_sched_ordering.c and
pcmk_sched_colocation.c of Pacemaker 2.1.5 for what a sequence of sets means.
"""

import re
from collections import namedtuple

from paf.cli.configuration.spelling import boolean, points, role
from paf.cluster import rules as rules_of

#: One relation that a constraint makes. id: the constraint's; kind: location, order, colocation or
#: ticket; values: its attributes (dict of str), roles in the words of OCF 1.1 and the defaults of
#: actions filled in; node: of a location with or without a rule, "" when it names none; score: int,
#: None for a location whose score depends on the node; rules: of a location (Elements); whole:
#: whether the constraint says just this, so that to change or delete it touches nothing else.
Constraint = namedtuple("Constraint", "id kind values node score rules whole")

_NAMES = {"location": ("rsc",), "order": ("first", "then"), "colocation": ("rsc", "with-rsc"),
          "ticket": ("rsc",)}
INFINITY = 1000000
_ROLES = ("role", "rsc-role", "with-rsc-role")


def read(element, reader, resources):
    """Return the Constraints (a list) that an element of the constraints section makes.

    resources: resources.Resources, which know what a name in it means.
    """
    members = resources.members
    kind = element.tag.replace("rsc_", "")
    if kind not in _NAMES:
        return []
    groups = [reader.resolved(item) for item in element.findall("resource_set")]
    groups = [item for item in groups if item is not None]
    plain = dict(element.attrib)
    if groups:
        pairs = list({"order": _orders, "colocation": _colocations}.get(kind, _each)(
            plain, groups, kind, members))
    elif element.get("rsc-pattern"):
        pairs = [dict(plain, rsc=name) for name in resources.outermost()
                 if _matches(element.get("rsc-pattern"), name)]
    else:
        pairs = [plain]
    found = []
    for values in pairs:
        found += _written_out(values, kind, members, pairs == [plain] and not groups)
    rules = [item for item in map(reader.resolved, element.findall("rule")) if item is not None]
    return [_constraint(element, kind, values, whole, rules) for values, whole in found]


def _matches(pattern, name):
    """Return whether a pattern of a location means a resource; "!" before it is a no.

    Source: pcmk_sched_location.c, unpack_rsc_location; patterns are extended regular expressions.
    """
    no = pattern.startswith("!")
    try:
        return (rules_of.extended(pattern[no:]).search(name) is None) == no
    except re.error:
        return False


def _written_out(values, kind, members, whole):
    """Return [(values, whole)] with each name of a tag or template replaced by its members.
    """
    found = [(values, whole)]
    for name in _NAMES[kind]:
        if name in values:
            found = [(dict(item, **{str(name): member}), whole and member == item[name])
                     for item, whole in found for member in members(item[name])]
    return found


def _constraint(element, kind, values, whole, rules):
    if kind == "location" and rules and rules[0].get("role"):
        values = dict(values, role=rules[0].get("role"))    # pcs and crmsh write it there
    for name in _ROLES:
        if name in values:
            values[name] = role(values[name])
    if kind == "order":
        values["first-action"] = values.get("first-action") or "start"
        values["then-action"] = values.get("then-action") or values["first-action"]
    number = points(values.get("score"), 0)
    if kind == "location" and rules:
        number = points(rules[0].get("score")) if len(rules) == 1 and (
            rules[0].get("score-attribute") is None) else None
    return Constraint(element.get("id", ""), kind, values, _node(element, rules), number, rules,
                      whole)


def _node(element, rules):
    if element.get("node"):
        return element.get("node")
    for rule in rules:
        for expression in rule.findall(".//expression"):
            if expression.get("attribute") == "#uname" and expression.get("operation") == "eq":
                return expression.get("value", "")
    return ""


def _refs(group, members):
    return [member for item in group.findall("resource_ref")
            for member in members(item.get("id", ""))]


def _orders(plain, groups, kind, members):
    """Yield orders within each sequential set, and between each set and the next."""
    before = None
    for group in groups:
        names = _refs(group, members)
        action = group.get("action") or "start"
        values = dict(plain)
        for name in ("kind", "score"):
            if group.get(name) is not None:
                values[name] = group.get(name)
        in_turn = boolean(group.get("sequential"), True)
        for first, then in zip(names, names[1:]) if in_turn else ():
            yield _order(values, first, action, then, action)
        if before is not None:
            earlier, their_action, theirs_in_turn = before
            for first in earlier[-1:] if theirs_in_turn else earlier:
                for then in names[:1] if in_turn else names:
                    yield _order(plain, first, their_action, then, action)
        before = (names, action, in_turn)


def _order(values, first, first_action, then, then_action):
    return dict(values, **{"first": first, "first-action": first_action, "then": then,
                           "then-action": then_action})


def _colocations(plain, groups, kind, members):
    """Yield the pairs within each sequential set (a later member goes with the one before), and
    between sets (each goes with the one behind it).
    """
    before = None
    for group in groups:
        names, in_turn = _refs(group, members), boolean(group.get("sequential"), True)
        own = group.get("role") or ""
        values = dict(plain)
        if group.get("score") is not None:
            values["score"] = group.get("score")
        for with_, name in zip(names, names[1:]) if in_turn else ():
            yield _colocation(values, name, own, with_, own)
        if before is not None:
            earlier, their_role, theirs_in_turn = before
            for name in earlier[:1] if theirs_in_turn else earlier:
                for with_ in names[-1:] if in_turn else names:
                    yield _colocation(plain, name, their_role, with_, own)
        before = (names, own, in_turn)


def _colocation(values, name, own, with_, other):
    return dict(values, **{"rsc": name, "rsc-role": own, "with-rsc": with_, "with-rsc-role": other})


def _each(plain, groups, kind, members):
    """Yield a location or ticket for each member of each set."""
    for group in groups:
        for name in _refs(group, members):
            values = dict(plain, rsc=name)
            if group.get("role"):
                values["role" if kind == "location" else "rsc-role"] = group.get("role")
            yield values


def meant(location, nodes, now):
    """Return those of the nodes (list) that a location (Constraint) is about.

    None where that is not known: only the node's name and the date are looked at.
    """
    if not location.rules:
        return [location.node] if location.node else []
    rule = location.rules[0]
    if any(part.get("attribute") != "#uname" for part in rule.findall(".//expression")):
        return None
    return [node for node in nodes if rules_of.holds(rule, {"#uname": node}, now) is True]


def bars(location, nodes, now):
    """Return those of the nodes (list) on which a location (Constraint) lets nothing run."""
    if location.score is None or location.score > -INFINITY:
        return []
    return meant(location, nodes, now) or []


def has_expired(constraint, now):
    """Return whether a Constraint's rules keep it from holding at a moment (epoch seconds)."""
    return bool(constraint.rules) and all(
        rules_of.holds(rule, {"#uname": constraint.node}, now) is False
        for rule in constraint.rules)


def is_symmetrical(order):
    """Return whether an order (Constraint) holds for the reverse actions as well."""
    # a negative score or Serialize turns it off, but no page recommends either
    return boolean(order.values.get("symmetrical"), not is_serialized(order))


def is_serialized(order):
    """Return whether an order only keeps two actions from running at the same time."""
    return order.values.get("kind", "").lower() == "serialize"


def is_optional(order):
    """Return whether an order applies only where both actions are to be run.

    Without a kind its score decides: 0 is optional (Pacemaker Explained, "Ordering").
    """
    kind = order.values.get("kind", "").lower()
    return kind in ("optional", "serialize") or (
        not kind and "score" in order.values and order.score == 0)


def ties(item):
    """Return whether a colocation (Constraint) leaves its resource no other node."""
    return item.kind == "colocation" and item.score >= INFINITY and (
        item.values.get("node-attribute", "#uname") == "#uname")


def follows(found, start, leaders, known_as):
    """Return whether colocations tie a resource to a primary, be it through other resources.

    found: Constraints; start, leaders: the ids (tuples) by which they may name it, and the resource
    that is promoted; known_as: dict of id to all ids (tuple) of what it names, where it has more.
    """
    seen, names = set(), set(start)
    while names:
        seen |= names
        mine = [item for item in found if ties(item) and item.values.get("rsc") in names]
        if any(item.values.get("with-rsc") in leaders
               and item.values.get("with-rsc-role") == "Promoted" for item in mine):
            return True
        with_ = [item.values.get("with-rsc", "") for item in mine
                 if item.values.get("with-rsc-role", "") in ("", "Started")
                 and item.values.get("with-rsc") not in leaders]
        names = set(name for one in with_ for name in known_as.get(one, (one,))) - seen
    return False
