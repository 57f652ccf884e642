"""Rules and location constraints of the CIB: what they say of a node. Pure.

An element has a tag, get(name) and its children in order, as those of xml.etree have; see cib.Item.
Source: Pacemaker Explained, "Rules" and "Constraints".
"""

import re

from paf.ocf import INFINITY, score

_PROMOTED = ("promoted", "master")

#: Classes of characters that Python's patterns do not have.
_CLASSES = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z",
    "xdigit": "0-9A-Fa-f", "space": r"\s", "blank": r" \t", "cntrl": r"\0-\x1f\x7f",
    "print": " -~", "graph": "!-~", "punct": r"!-/:-@\[-`{-~"}

_DATE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ]+(\d\d):?(\d\d)(?::?(\d\d))?)?"
                   r"\s*(Z|[+-]\d\d:?\d\d)$")
_NUMBER = re.compile(r"\s*[+-]?\d+(?:\.\d*)?")


def moment(text):
    """Return a date of the CIB in seconds since 1970 (UTC); None where it has another form.

    A date without a time zone is in that of the node which reads it: it is not known here.
    """
    found = _DATE.match((text or "").strip())
    if not found:
        return None
    year, month, day, hours, minutes, seconds = [int(text or 0) for text in found.groups()[:6]]
    seconds += _days(year, month, day) * 86400 + hours * 3600 + minutes * 60
    zone = found.group(7)
    if zone == "Z":
        return seconds
    offset = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
    return seconds - offset if zone[0] == "+" else seconds + offset


def _days(year, month, day):
    """Return the days since 1970-01-01; years begin in March here, so that a leap day ends one."""
    if month < 3:
        year, month = year - 1, month + 12
    leaps = year // 4 - year // 100 + year // 400
    return 365 * year + leaps + (153 * (month - 3) + 2) // 5 + day - 1 - 719468


def holds(rule, attributes, now, about=None):
    """Return whether a rule holds for a node: True, False, or None where that is not known.

    attributes: the node's (dict of str), "#uname" and "#id" among them, None for no
    node; now: seconds since 1970, None where it is not known; about: a function that returns
    whether an rsc_expression or op_expression holds, None for no operation.
    """
    if rule.get("id-ref"):
        return None
    found = [_of_part(part, attributes, now, about) for part in rule
             if part.tag in ("rule", "expression", "date_expression", "rsc_expression",
                             "op_expression")]
    if (rule.get("boolean-op") or "and") == "or":
        return _any(found)
    return _not(_any([_not(one) for one in found]))


def _not(value):
    return value if value is None else not value


def _any(values):
    if True in values:
        return True
    return None if None in values else False


def _of_part(part, attributes, now, about):
    if part.tag == "rule":
        return holds(part, attributes, now, about)
    if part.tag == "expression":
        return None if attributes is None else _expression(part, attributes)
    if part.tag == "date_expression":
        return _date(part, now)
    return None if about is None else about(part)


def _expression(part, attributes):
    """Compare an attribute of the node by its type, as Pacemaker does."""
    mine, operation = attributes.get(part.get("attribute")), part.get("operation")
    if operation in ("defined", "not_defined"):
        return (mine is not None) == (operation == "defined")
    wanted = part.get("value", "")
    if (part.get("value-source") or "literal") != "literal":
        return None
    kind = part.get("type") or ("number" if operation in ("lt", "lte", "gt", "gte") else "string")
    if mine is None:
        return operation == "ne"
    pair = _typed(kind, mine, wanted)
    if pair is None:
        return None
    mine, wanted = pair
    return {"eq": mine == wanted, "ne": mine != wanted, "lt": mine < wanted, "gt": mine > wanted,
            "lte": mine <= wanted, "gte": mine >= wanted}.get(operation)


def _typed(kind, mine, wanted):
    """Return both values as they are compared; None where this is not known."""
    if kind == "string":
        return mine.lower(), wanted.lower()
    found = [_NUMBER.match(text) for text in (mine, wanted)]
    if kind == "version" or None in found:
        return None
    numbers = [float(match.group()) for match in found]
    return tuple(int(number) for number in numbers) if kind == "integer" else tuple(numbers)


def _date(part, now):
    if now is None:
        return None
    begin, end = moment(part.get("start")), moment(part.get("end"))
    operation = part.get("operation") or "in_range"
    if operation == "lt":
        return None if end is None else now < end
    if operation == "gt":
        return None if begin is None else now > begin
    if operation != "in_range":
        return None
    # an end may be given as a duration instead, which is not read here
    if begin is not None and now < begin or end is not None and now > end:
        return False
    ends = part.get("end") or len(part)
    if (part.get("start") and begin is None) or (ends and end is None):
        return None
    return True


def is_wish(role):
    """Return whether a role of a constraint (str or None) is the promoted one."""
    return (role or "").lower() in _PROMOTED


def wished(locations, names, nodes, now):
    """Return the nodes (set of str) to which a constraint draws the promoted role with INFINITY.

    locations: rsc_location elements; names: the ids by which a constraint may name the resource,
    the outermost first; nodes: dict of name to its attributes, with "#uname"; now: seconds since
    1970, None where it is not known.
    A rule that cannot be judged counts as one that holds: to keep a refused node out for some
    monitors costs less than to ask for it again at once.
    """
    found, nodes, by_id = set(), _with_named(nodes, locations), {}
    _note_ids(locations, by_id)
    for location in locations:
        parts = [by_id.get(part.get("id-ref"), part) for part in location]
        roles = list(_roles(location, parts, names))
        if not roles:
            continue
        if location.get("node") is not None:
            if any(is_wish(role) for role in roles) and (
                    score(location.get("score") or "") == INFINITY):
                found.add(location.get("node"))
            continue
        for rule in parts:
            if rule.tag != "rule" or not any(is_wish(rule.get("role") or role) for role in roles):
                continue
            found.update(node for node, attributes in nodes.items()
                         if _score(rule, attributes) == INFINITY
                         and holds(rule, attributes, now) is not False)
    return found


def _note_ids(elements, by_id):
    """Note in a dict what an id-ref may lead to: the elements with an id, at any depth."""
    for element in elements:
        if element.get("id"):
            by_id[element.get("id")] = element
        _note_ids(element, by_id)


def _with_named(nodes, elements):
    """Return the nodes and those that only an expression names, with no attribute but the name."""
    found = dict(nodes)
    for element in elements:
        if element.get("attribute") == "#uname":
            found.setdefault(element.get("value"), {"#uname": element.get("value")})
        found.update((name, attributes) for name, attributes in _with_named({}, element).items()
                     if name not in found)
    return found


def _score(rule, attributes):
    if rule.get("score-attribute"):
        return score(attributes.get(rule.get("score-attribute")) or "")
    return score(rule.get("score") or "")


def _roles(location, parts, names):
    """Yield the role (str or None) with which a constraint names the resource, for each time.

    parts: what is in the location, references resolved.
    """
    role = location.get("role")
    pattern = location.get("rsc-pattern")
    if location.get("rsc") in names or pattern is not None and matches(pattern, names[:1]):
        yield role
    for group in parts:
        if group.tag == "resource_set" and any(
                item.tag == "resource_ref" and item.get("id") in names for item in group):
            yield group.get("role") or role


def extended(pattern):
    """Return the compiled form of an extended regular expression of POSIX.

    Raises re.error where it is none. "\\d" is a d there.
    """
    plain = re.sub(r"\\([ac-rt-vx-zAC-RT-VX-Z])", r"\1", pattern)
    return re.compile(re.sub(r"\[:(\w*):\]", _class, plain))


def _class(found):
    if found.group(1) not in _CLASSES:
        raise re.error("no class of characters is called {0}".format(found.group(1)))
    return _CLASSES[found.group(1)]


def matches(pattern, names):
    """Return whether a pattern of Pacemaker (extended, "!" before it negates) matches a name.

    One that Python does not understand may match.
    """
    negated = pattern.startswith("!")
    try:
        expression = extended(pattern[1:] if negated else pattern)
    except re.error:
        return True
    return any(bool(expression.search(name)) != negated for name in names)
