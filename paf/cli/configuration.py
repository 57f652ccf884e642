"""What the administrator configured: the CIB as one value, seen from PAF's resources. Pure."""

from collections import namedtuple
from xml.etree import ElementTree

from paf.cli.common import Problem

AGENT = ("ocf", "heartbeat", "pgsqlms")

#: properties, rsc_defaults (of resources), operation_defaults: dict of str; nodes: list of names;
#: resources: list of Managed; vips, devices: lists of Primitive; constraints: list of Constraint;
#: root: the whole, an Element.
Configuration = namedtuple(
    "Configuration", "properties rsc_defaults operation_defaults nodes resources vips devices "
    "constraints root")

#: One resource of the agent. clone: its id, "" when it is in none; meta: what holds for it, the
#: clone's attributes before the primitive's; operations: list of Operation.
Managed = namedtuple("Managed", "name clone kind parameters meta operations")

#: values: all attributes and options of the op element, dict of str.
Operation = namedtuple("Operation", "id name interval timeout role values")

Primitive = namedtuple("Primitive", "name kind parameters operations group meta")

#: kind: location, order, colocation; values: the element's attributes; node: of a location with or
#: without a rule, "" when it names none.
Constraint = namedtuple("Constraint", "id kind values node")


def parse(xml):
    """Return the Configuration in a CIB (XML, str). Raises Problem."""
    try:
        root = ElementTree.fromstring(xml.encode("utf-8") if str is not bytes else xml)
    except SyntaxError as error:
        raise Problem("cannot understand the CIB: {0}".format(error))
    if root.tag != "cib":
        raise Problem("this is no CIB: its first element is {0}".format(root.tag))
    primitives = [_primitive(element, parents) for element, parents in _resources(root)]
    return Configuration(
        properties=pairs(root, "configuration/crm_config/cluster_property_set"),
        rsc_defaults=pairs(root, "configuration/rsc_defaults/meta_attributes"),
        operation_defaults=pairs(root, "configuration/op_defaults/meta_attributes"),
        nodes=[node.get("uname") for node in root.findall("configuration/nodes/node")],
        resources=[_managed(element, parents) for element, parents in _resources(root)
                   if _kind(element) == AGENT],
        vips=[item for item in primitives if item.kind[-1] in ("IPaddr2", "IPaddr", "IPv6addr")],
        devices=[item for item in primitives if item.kind[0] == "stonith"],
        constraints=[_constraint(element) for element in
                     root.findall("configuration/constraints/*")],
        root=root)


def pairs(element, path):
    """Return the nvpairs of all sets at a path below the element, as a dict of str."""
    found = {}
    for group in element.findall(path):
        for pair in group.findall("nvpair"):
            found.setdefault(pair.get("name", "").replace("_", "-")
                             if "meta" in path or "property" in path else pair.get("name"),
                             pair.get("value", ""))
    return found


def _resources(root):
    """Yield (primitive, parents from the outermost) of all primitives."""
    def below(element, parents):
        for child in element:
            if child.tag == "primitive":
                yield child, parents
            elif child.tag in ("group", "clone", "master"):
                for found in below(child, parents + [child]):
                    yield found
    section = root.find("configuration/resources")
    return list(below(section, [])) if section is not None else []


def _kind(element):
    names = (element.get("class"), element.get("provider"), element.get("type"))
    return tuple(name for name in names if name)


def _managed(element, parents):
    clones = [parent for parent in parents if parent.tag in ("clone", "master")]
    clone = clones[-1] if clones else None
    meta = pairs(element, "meta_attributes")
    if clone is not None:
        meta.update(pairs(clone, "meta_attributes"))
        if clone.tag == "master":
            meta["promotable"] = "true"
    return Managed(element.get("id"), "" if clone is None else clone.get("id"),
                   "" if clone is None else clone.tag, pairs(element, "instance_attributes"),
                   _words_of_today(meta), _operations(element))


def _words_of_today(meta):
    for old, new in (("master-max", "promoted-max"), ("master-node-max", "promoted-node-max")):
        if old in meta:
            meta.setdefault(new, meta[old])
    return meta


def _operations(element):
    found = []
    for item in element.findall("operations/op"):
        values = pairs(item, "instance_attributes")
        values.update(pairs(item, "meta_attributes"))
        values.update(item.attrib)
        role = values.get("role", "")
        found.append(Operation(
            values.get("id", ""), values.get("name", ""), seconds(values.get("interval", "0")),
            seconds(values.get("timeout", "")),
            {"Master": "Promoted", "Slave": "Unpromoted"}.get(role, role), values))
    return found


def _primitive(element, parents):
    groups = [parent.get("id") for parent in parents if parent.tag == "group"]
    return Primitive(element.get("id"), _kind(element), pairs(element, "instance_attributes"),
                     _operations(element), groups[-1] if groups else "",
                     pairs(element, "meta_attributes"))


def _constraint(element):
    node = element.get("node", "")
    if not node:
        for expression in element.findall(".//expression"):
            if expression.get("attribute") == "#uname":
                node = expression.get("value", "")
    return Constraint(element.get("id", ""), element.tag.replace("rsc_", ""),
                      dict(element.attrib), node)


_UNITS = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 0.001, "msec": 0.001, "us": 1e-6, "usec": 1e-6,
          "m": 60.0, "min": 60.0, "h": 3600.0, "hr": 3600.0}


def seconds(text):
    """Return Pacemaker's way to write a time as seconds (float); None when it is none."""
    text = text.strip()
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = text[len(number):].strip()
    if not number.isdigit() or unit not in _UNITS:
        return None
    return int(number) * _UNITS[unit]


def is_true(text):
    """Tell whether Pacemaker takes the text for true."""
    return text.lower() in ("true", "on", "yes", "y", "1")


def is_optional(order):
    """Return whether an order (Constraint) applies only where both actions are to be run.

    Without a kind its score decides: 0 is optional (Pacemaker Explained, "Ordering").
    """
    kind = order.values.get("kind", "")
    return kind in ("Optional", "Serialize") or (not kind and order.values.get("score") == "0")


def names_of(managed):
    """Return the ids that constraints may name the resource by."""
    return tuple(name for name in (managed.clone, managed.name) if name)


def vips_of(configuration, managed):
    """Return the addresses that follow the primary: those a constraint ties to the clone."""
    tied = set()
    names = names_of(managed)
    for constraint in configuration.constraints:
        values = constraint.values
        if constraint.kind == "colocation" and values.get("with-rsc") in names:
            tied.add(values.get("rsc"))
        elif constraint.kind == "order" and values.get("first") in names:
            tied.add(values.get("then"))
    return [vip for vip in configuration.vips if vip.name in tied or vip.group in tied]


def find(configuration, name=""):
    """Return the Managed called `name` (the clone's name will do); without one, the only one.

    Raises Problem.
    """
    found = [item for item in configuration.resources if not name or name in names_of(item)]
    if not found:
        raise Problem("there is no resource of ocf:heartbeat:pgsqlms{0} in this cluster".format(
            " called {0}".format(name) if name else ""))
    if len(found) > 1:
        raise Problem("name one of the resources with --resource: {0}".format(
            ", ".join(item.name for item in found)))
    return found[0]
