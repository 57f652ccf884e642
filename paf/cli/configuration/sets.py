"""Sets of name and value in the CIB: references, rules, and which of several sets wins. Pure.

Source: Pacemaker Explained, "Rules", "Reusing Parts of the Configuration".
"""

from collections import namedtuple

from paf.cli.configuration.spelling import points, seconds
from paf.cluster import rules

#: What a rule about a resource or an operation is asked for: kind (class, provider, type as a
#: tuple); operation: its name (str), None for a resource itself; interval: seconds or None.
Subject = namedtuple("Subject", "kind operation interval")


#: values: dict of str; uncertain: the names (set) that a set gives whose rule cannot be judged here
#: (it depends on the node, or on a form of date that is not read); origins: dict of name to the id
#: of the element that gives the value, "" where no tool of Pacemaker changes it there: where it
#: comes by reference, by a rule, or from one of several sets.
Pairs = namedtuple("Pairs", "values uncertain origins")


class Reader(object):
    """Reads sets of one CIB. root: an Element; now: seconds since 1970, None unknown.

    attributes: those of the node (dict of str) that the sets are read for, None for no node.
    """

    def __init__(self, root, now, attributes=None):
        self._now, self._attributes = now, attributes
        self._by_id = dict((item.get("id"), item)
                           for item in root.findall(".//*") if item.get("id"))

    def resolved(self, element):
        """Return the element that an id-ref leads to, itself without one; None if it leads nowhere.
        """
        seen = set()
        while element is not None and element.get("id-ref"):
            name = element.get("id-ref")
            if name in seen:
                return None
            seen.add(name)
            element = self._by_id.get(name)
        return element

    def by_id(self, name):
        """Return the element with an id; None without one."""
        return self._by_id.get(name)

    def pairs(self, parents, tag, subject=None, old_names=False):
        """Return the Pairs of all sets of that tag, those of the first parent before the next's.

        parents: Elements; subject: what they are about; old_names: "_" in a name is "-".
        """
        values, uncertain, origins = {}, set(), {}
        for parent in parents:
            plain = len(parent.findall(tag)) == 1 and not parent.findall(tag + "/rule") and (
                parent.find(tag).get("id-ref") is None)
            for holds, group in self._sets(parent, tag, subject):
                for name, value, own in self._in_set(group, old_names):
                    if name in values:
                        continue    # what wins over it is known
                    if holds is None:
                        uncertain.add(name)
                    else:
                        values[name] = value
                        origins[name] = parent.get("id", "") if plain and own else ""
        return Pairs(values, uncertain, origins)

    def _sets(self, parent, tag, subject):
        """Yield (whether it holds, set) in the order in which they win: by score, the last first.

        Of sets with one score Pacemaker takes the one that is listed last: its make_pairs of 1.1
        and 2.x puts each before the others, and sorts stably.
        """
        found = [self.resolved(group) for group in parent.findall(tag)]
        found = [group for group in found if group is not None]
        order = sorted(range(len(found)), key=lambda number: (
            found[number].get("id") != "cib-bootstrap-options",
            -points(found[number].get("score")), -number))
        for number in order:
            holds = self._all_rules(found[number], subject)
            if holds is not False:
                yield holds, found[number]

    def _all_rules(self, group, subject):
        answers = [self._rule(rule, subject) for rule in group.findall("rule")]
        return False if False in answers else None if None in answers else True

    def has_ended(self, constraint, known_to_all):
        """Return whether Pacemaker leaves a constraint (Element) out: its lifetime is over.

        known_to_all: whether this Pacemaker reads the lifetime of each kind of constraint, and for
        no node: see options.knows_lifetimes. Else it reads that of a location, as one of its rules.
        One rule that holds is enough; what cannot be judged here may hold. Source:
        pcmk_sched_constraints.c, evaluate_lifetime, and rules.c, pe_eval_rules, of Pacemaker 2.1.5;
        upgrade-3.10-3.xsl of 3.0.
        """
        if not known_to_all and constraint.tag != "rsc_location":
            return False
        found = [self.resolved(rule) for rule in constraint.findall("lifetime/rule")]
        return bool(found) and all(
            rule is not None and rules.holds(rule, {} if known_to_all else None, self._now) is False
            for rule in found)

    def _rule(self, rule, subject):
        rule = self.resolved(rule)
        if rule is None:
            return None
        return rules.holds(rule, self._of_node(rule), self._now,
                           None if subject is None else lambda part: about(part, subject))

    def _of_node(self, rule):
        """Return the node's attributes; None where a rule asks for another kind of fact, as #site.
        """
        names = [part.get("attribute", "") for part in rule.findall(".//expression")]
        if any(name[:1] == "#" and name not in (self._attributes or {}) for name in names):
            return None
        return self._attributes

    def _in_set(self, group, old_names):
        for pair in group.findall("nvpair"):
            found = self.resolved(pair)
            if found is None:
                continue
            name = pair.get("name") or found.get("name") or ""
            if found.get("value", "#default") == "#default":
                continue    # as if it was not there
            own = found is pair and "_" not in (name if old_names else "")
            yield (name.replace("_", "-") if old_names else name), found.get("value", ""), own


def about(part, subject):
    """Return whether an rsc_expression or op_expression (Element) is about a Subject."""
    if part.tag == "op_expression":
        if subject.operation is None:
            return None
        wanted = part.get("interval")
        return part.get("name") == subject.operation and (
            wanted is None or seconds(wanted) == (subject.interval or 0.0))
    names = dict(zip(("class", "provider", "type") if len(subject.kind) == 3 else
                     ("class", "type"), subject.kind))
    return all(part.get(name) is None or part.get(name) == names.get(name)
               for name in ("class", "provider", "type"))
