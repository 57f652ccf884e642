"""The resources of the CIB: templates merged, groups, clones, bundles and defaults looked through.

Pure. Source: Pacemaker Explained, "Resources", "Reusing Parts of the Configuration".
"""

from collections import namedtuple

from paf.cli.configuration.sets import Subject
from paf.cli.configuration.spelling import boolean, role, seconds

#: One resource of the agent. clone: the id of the clone (or bundle) around it, "" when it is in
#: none; kind: "clone", "master", "bundle" or ""; parameters, meta: what holds for it (dicts of
#: str), without defaults; operations: list of Operation; group: its id or ""; defaults: the
#: rsc_defaults that hold for it (dict of str); uncertain: names (set) of parameters, meta
#: attributes and defaults that a rule decides on which cannot be judged here; of_template: its
#: template's id or ""; origins: dict of name (of a parameter or meta attribute) to the id of the
#: element that has it, see sets.Pairs.
Managed = namedtuple("Managed", "name clone kind parameters meta operations group defaults "
                     "uncertain of_template origins")

#: Meta attributes that Pacemaker reads at the clone only, not at the resource in it.
OF_CLONES = ("promotable", "promoted-max", "promoted-node-max", "master-max", "master-node-max",
             "clone-max", "clone-min", "clone-node-max", "notify", "ordered", "interleave",
             "globally-unique")

#: interval, timeout: seconds (float), None if the value is not a time; without a timeout, the
#: default one; role: in the words of OCF 1.1, "" without; values: all attributes and options (dict
#: of str), with on-fail of op_defaults; enabled: bool; inherited: whether it comes from the
#: template; has_timeout: whether it has its own.
Operation = namedtuple(
    "Operation", "id name interval timeout role values enabled inherited has_timeout")

#: Any primitive. kind: (class, provider, type) or (class, type); group, clone: ids or ""; meta:
#: what holds for it (dict of str), be it of what is around it or by default; origins: dict of a
#: meta attribute's name to the id of the element that has it, see sets.Pairs.
Primitive = namedtuple("Primitive", "name kind parameters operations group meta clone origins")

_CONTAINERS = ("group", "clone", "master", "bundle")
_DEFAULT_TIMEOUT = "20s"


class Resources(object):
    """All resources of one CIB; root: its Element; reader: a sets.Reader."""

    def __init__(self, root, reader):
        self._root, self._reader = root, reader
        section = root.find("configuration/resources")
        #: (primitive, elements around it from the outermost), of all primitives
        self.primitives = [] if section is None else list(_below(section, []))
        self.tags = self._read_tags()

    def _read_tags(self):
        found = {}
        for tag in self._root.findall("configuration/tags/tag"):
            found.setdefault(tag.get("id"), []).extend(
                item.get("id") for item in tag.findall("obj_ref"))
        return found

    def members(self, name):
        """Return the ids (list) of the resources that a name in a constraint means."""
        if name in self.tags:
            return [member for item in self.tags[name] if item != name
                    for member in self.members_of_template(item)]
        return self.members_of_template(name)

    def members_of_template(self, name):
        """Return those made from a template of this name; the name itself where it is none."""
        made = [element.get("id") for element, _ in self.primitives
                if element.get("template") == name]
        return made or [name]

    def kind(self, element):
        """Return (class, provider, type), or (class, type), of a primitive."""
        source = self._template(element)
        source = element if source is None else source
        names = (source.get("class"), source.get("provider"), source.get("type"))
        return tuple(name for name in names if name)

    def _template(self, element):
        found = self._reader.by_id(element.get("template")) if element.get("template") else None
        return found if found is not None and found.tag == "template" else None

    def _layers(self, element):
        """Return the elements whose sets make up a primitive: its own before its template's."""
        template = self._template(element)
        return [element] if template is None else [element, template]

    def primitive(self, element, parents):
        """Return the Primitive of an element."""
        kind = self.kind(element)
        subject = Subject(kind, None, None)
        around = dict((parent.tag, parent.get("id", "")) for parent in parents)
        layers = self._layers(element)
        meta = self._reader.pairs(
            layers + parents[::-1] + self._root.findall("configuration/rsc_defaults"),
            "meta_attributes", subject, True)
        return Primitive(
            element.get("id", ""), kind,
            self._reader.pairs(layers, "instance_attributes", subject).values,
            self.operations(element), around.get("group", ""),
            meta.values, _clone_of(around), meta.origins)

    def parameters(self, element):
        """Return the sets.Pairs of a primitive's parameters."""
        return self._reader.pairs(self._layers(element), "instance_attributes",
                                  Subject(self.kind(element), None, None))

    def managed(self, element, parents):
        """Return the Managed of an element."""
        subject = Subject(self.kind(element), None, None)
        around = dict((parent.tag, parent.get("id", "")) for parent in parents)
        clones = [parent for parent in parents if parent.tag != "group"]
        parameters = self.parameters(element)
        # what is nearer to the instance wins, but what only a clone has is read of it alone
        meta = self._reader.pairs(
            self._layers(element) + parents[::-1], "meta_attributes", subject, True)
        of_clone = self._reader.pairs(clones[-1:], "meta_attributes", subject, True)
        for own, clones_own in zip(meta, of_clone):
            _take_from_clone(own, clones_own)
        if around.get("master"):
            meta.values["promotable"] = "true"
        defaults = self._reader.pairs(
            self._root.findall("configuration/rsc_defaults"), "meta_attributes", subject, True)
        return Managed(
            element.get("id", ""), _clone_of(around), clones[-1].tag if clones else "",
            parameters.values, _in_words_of_today(meta.values), self.operations(element),
            around.get("group", ""), defaults.values,
            parameters.uncertain | meta.uncertain | defaults.uncertain,
            element.get("template", ""), dict(meta.origins, **_strings(parameters.origins)))

    def operations(self, element):
        """Return the Operations of a primitive; its own replace those of its template."""
        found, seen = [], set()
        for number, layer in enumerate(self._layers(element)):
            for section in layer.findall("operations"):
                whole = self._reader.resolved(section)
                for item in whole.findall("op") if whole is not None else ():
                    operation = self._operation(item, self.kind(element), number > 0)
                    key = (operation.name, operation.interval)
                    if number == 0 or key not in seen:
                        found.append(operation)
                    if number == 0:
                        seen.add(key)
        return found

    def _operation(self, item, kind, inherited):
        interval = seconds(item.get("interval") or "0")
        subject = Subject(kind, item.get("name", ""), interval)
        values = self._reader.pairs([item], "meta_attributes", subject, True).values
        values.update(self._reader.pairs([item], "instance_attributes", subject).values)
        values.update(item.attrib)
        own = values.get("timeout")
        default = self.operation_defaults(kind, item.get("name", ""), interval).get("on-fail")
        if default:
            values.setdefault("on-fail", default)
        timeout = seconds(own) if own else None
        if timeout is None:
            timeout = self.default_timeout(kind, item.get("name", ""), interval)
        return Operation(
            item.get("id", ""), item.get("name", ""), interval, timeout, role(values.get("role")),
            values, boolean(values.get("enabled"), True), inherited, bool(own))

    def default_timeout(self, kind, name, interval=0.0):
        """Return the timeout (seconds) of an operation that has none of its own."""
        values = self.operation_defaults(kind, name, interval)
        return seconds(values.get("timeout") or _DEFAULT_TIMEOUT) or seconds(_DEFAULT_TIMEOUT)

    def operation_defaults(self, kind, name, interval=0.0):
        """Return the op_defaults (dict of str) that hold for an operation."""
        return self._reader.pairs(
            self._root.findall("configuration/op_defaults"), "meta_attributes",
            Subject(kind, name, interval), True).values

    def outermost(self):
        """Return the ids (list) of what is in no group, clone or bundle: patterns mean these."""
        section = self._root.find("configuration/resources")
        return [item.get("id", "") for item in ([] if section is None else section)
                if item.tag in ("primitive",) + _CONTAINERS]


def _below(element, parents):
    for child in element:
        if child.tag == "primitive":
            yield child, parents
        elif child.tag in _CONTAINERS:
            for found in _below(child, parents + [child]):
                yield found


def _take_from_clone(found, of_clone):
    """Replace in a dict or set what only a clone has by what the clone has of it."""
    for name in OF_CLONES:
        if isinstance(found, set):
            found.discard(name)
            found.update([name] if name in of_clone else [])
        else:
            found.pop(name, None)
            if name in of_clone:
                found[name] = of_clone[name]


def _strings(names):
    return dict((str(name), value) for name, value in names.items())


def _clone_of(around):
    for tag in ("clone", "master", "bundle"):
        if around.get(tag):
            return around[tag]
    return ""


def _in_words_of_today(meta):
    for old, new in (("master-max", "promoted-max"), ("master-node-max", "promoted-node-max")):
        if old in meta:
            meta.setdefault(new, meta[old])
    return meta
