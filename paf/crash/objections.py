"""Pacemaker's view of a resource on a node: is it managed, and what failed.

Source: Pacemaker Explained, "Cluster options", "Resource meta-attributes", "Status". Every
setting that could mean "do nothing" counts, even if a stronger one may overrule it.
"""

from collections import namedtuple
from xml.parsers import expat

from paf.cluster import cib
from paf.crash import failure_report
from paf.ocf import OcfError, versions

#: objection: why a failure is not reported to Pacemaker (str), None if it is; attribute: the name
#: of the attribute that counts the failure (str); failures: its value (str), "" without one.
Standing = namedtuple("Standing", "objection attribute failures")

_TRUE = ("true", "on", "yes", "y", "1")
_FALSE = ("false", "off", "no", "n", "0")
_USUAL = ("", "restart")


class _Element(object):
    """An element of the CIB: tag, attributes (dict), children (list)."""

    def __init__(self, tag, attributes):
        self.tag, self.attributes, self.children = tag, attributes, []

    def all(self, tag):
        """Return the elements of that tag in it, at any depth, itself included."""
        found = [self] if self.tag == tag else []
        for child in self.children:
            found += child.all(tag)
        return found

    def pairs(self):
        """Return the (name, value) of all nvpairs in it; "_" in names is "-"."""
        return [(pair.attributes.get("name", "").replace("_", "-"),
                 pair.attributes.get("value", "")) for pair in self.all("nvpair")]

    def holds(self, name, values):
        """Return whether an nvpair `name` in it has one of these values."""
        return any(name == other and value.lower() in values for other, value in self.pairs())


def read(xml, resource, node):
    """Return the Standing of a resource on a node, from the CIB's XML (all str).

    Raises OcfError when the XML is no CIB.
    """
    root = _parsed(xml)
    attribute = failure_report.attribute(resource, _feature_set(root))
    states = [state for state in root.all("node_state")
              if state.attributes.get("uname") == node]
    found = [value for state in states for pair in state.all("nvpair")
             for value in [pair.attributes.get("value", "")]
             if pair.attributes.get("name") == attribute]
    return Standing(_of_cluster(root) or _of_node(root, states, node)
                    or _of_resource(root, resource), attribute, found[0] if found else "")


def _feature_set(root):
    """Return the CRM feature set of the DC that wrote the CIB (a tuple of ints), () without it.

    Raises OcfError where the XML is no CIB.
    """
    for element in root.all("cib"):
        return versions(element.attributes.get("crm_feature_set", ""))
    raise OcfError("cannot understand the CIB: it does not begin as one")


def _parsed(xml):
    root = _Element("", {})
    stack = [root]

    def start(tag, attributes):
        stack.append(_Element(tag, attributes))
        stack[-2].children.append(stack[-1])
    parser = cib.xml_parser()
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda tag: stack.pop()
    try:
        parser.Parse(xml if isinstance(xml, bytes) else xml.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise OcfError("cannot understand the CIB: {0}".format(error))
    return root


def _of_cluster(root):
    for config in root.all("crm_config"):
        if config.holds("maintenance-mode", _TRUE):
            return "the cluster is in maintenance mode"
        if config.holds("is-managed-default", _FALSE):
            return "the cluster manages no resources"
    return None


def _of_node(root, states, node):
    if not any(cib.is_online(state.attributes) for state in states):
        return "this node is not in the cluster"
    if any(name == "shutdown" and value not in ("", "0")
           for state in states for name, value in state.pairs()):
        return "this node is being shut down"
    entries = [entry for entry in root.all("node") if entry.attributes.get("uname") == node]
    if any(entry.holds("maintenance", _TRUE) for entry in entries + states):
        return "this node is in maintenance mode"
    return None


def _of_resource(root, resource):
    chain = _chain(root, resource)
    if not chain:
        return "Pacemaker has no resource {0}".format(resource)
    # of the elements around it only their own meta attributes, not those of other members
    sets = [child for element in chain for child in element.children
            if child.tag == "meta_attributes"] + root.all("rsc_defaults")
    if any(group.holds("maintenance", _TRUE) for group in sets):
        return "the resource is in maintenance mode"
    if any(group.holds("is-managed", _FALSE) for group in sets):
        return "the resource is not managed"
    own = [element for element in chain if element.tag in ("primitive", "template")]
    if any(_has_answer(element) for element in own + root.all("op_defaults")):
        return "the monitors have an on-fail of their own"
    return None


def _chain(root, resource):
    """Return the primitive, its template, and the elements around it; [] without it."""
    def down(element, above):
        if element.tag == "primitive" and element.attributes.get("id") == resource:
            found[:] = [element] + above
        for child in element.children:
            down(child, [element] + above)
    found = []
    for section in root.all("resources"):
        down(section, [])
    templates = [template for template in root.all("template") if found
                 and template.attributes.get("id") == found[0].attributes.get("template")]
    return found[:1] + templates + found[1:]


def _has_answer(element):
    """Return whether the configured reaction to a failed monitor is not a restart."""
    monitors = [op for op in element.all("op") if op.attributes.get("name") == "monitor"]
    answers = [op.attributes.get("on-fail", "") for op in monitors]
    answers += [value for op in monitors + element.all("op_defaults")
                for name, value in op.pairs() if name == "on-fail"]
    return any(answer not in _USUAL for answer in answers)
