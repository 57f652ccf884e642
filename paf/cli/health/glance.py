"""The CIB at a glance: what a load balancer's question needs of it, without an element tree. Pure.

A request is answered by a process of its own, and the import of the modules that understand all of
a CIB takes longer than all else that it does. So a CIB in which the resource is written plainly, as
`paf create` does, is read here; `of` returns None for any other, and looks.py reads it in full.
"""

from collections import namedtuple
from xml.parsers import expat

from paf.cluster import cib

#: The resource's name, its parameters (dict of str), the nodes' names (list), and the quorum that
#: the CIB has (str).
Glance = namedtuple("Glance", "name parameters nodes quorum")

_KIND = {"class": "ocf", "provider": "heartbeat", "type": "pgsqlms"}


def of(xml, wanted=""):
    """Return the Glance of a CIB (XML, str); None where it has to be read in full.

    wanted: the resource's name, "" where there is one only. A template, a rule, a reference,
    several sets of parameters, a bundle, another number of resources than one: those are for the
    reader of all.
    """
    reader = _Glancer()
    parser = cib.xml_parser()
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    try:
        parser.Parse(xml if isinstance(xml, bytes) else xml.encode("utf-8", "replace"), True)
    except expat.ExpatError:
        return None
    if reader.is_odd or len(reader.found) != 1 or wanted not in ("", reader.found[0]):
        return None
    return Glance(reader.found[0], reader.parameters, reader.nodes, reader.quorum)


class _Glancer(object):
    """Follows the XML from tag to tag; `is_odd` once something is not written plainly."""

    def __init__(self):
        self.found, self.parameters, self.nodes = [], {}, []
        self.is_odd, self.quorum = False, ""
        self._primitive, self._sets, self._inside = None, 0, []

    def start(self, tag, attributes):
        """Take the start of an element."""
        self._inside.append(tag)
        if tag == "cib":
            self.quorum = attributes.get("have-quorum", "")
        elif tag in ("bundle", "template"):
            self.is_odd = True
        elif tag == "node" and self._inside[-2:-1] == ["nodes"]:
            self.nodes.append(attributes.get("uname", ""))
        elif tag == "primitive":
            self._start_primitive(attributes)
        elif self._primitive:
            self._start_inside(tag, attributes)

    def _start_primitive(self, attributes):
        ours = all(attributes.get(name) == value for name, value in _KIND.items())
        if "template" in attributes:
            self.is_odd = True
        if ours:
            self.found.append(attributes.get("id", ""))
            self._primitive = attributes.get("id", "")

    def _start_inside(self, tag, attributes):
        if self._inside[-2:] == ["primitive", "instance_attributes"]:
            self._sets += 1
            self.is_odd = self.is_odd or self._sets > 1 or "id-ref" in attributes
        elif self._inside[-3:-1] == ["primitive", "instance_attributes"]:
            if tag != "nvpair" or "id-ref" in attributes or "name" not in attributes:
                self.is_odd = True
            else:
                self.parameters[attributes["name"]] = attributes.get("value", "")

    def end(self, tag):
        """Take the end of an element."""
        self._inside.pop()
        if tag == "primitive":
            self._primitive = None
