"""The nodes of the cluster, also those that are away. Pure.

Source: Pacemaker Explained, "Nodes": an entry stays until the node is removed from the cluster.
"""

from paf.cluster import cib
from paf.ocf import OcfError


def nodes(xml):
    """Return the names (a sorted list) of the CIB's nodes. Raises OcfError when the XML is none.

    Also where a node has no name yet: its slot would be that of a stranger. xml: the CIB's (str).
    """
    found = []

    def start(tag, attributes):
        if tag == "node":
            if not attributes.get("uname"):
                raise OcfError("cannot understand the CIB: a node has no name")
            found.append(attributes["uname"])
    parser = cib.xml_parser()
    parser.StartElementHandler = start
    cib.feed(parser, xml)
    return sorted(found)
