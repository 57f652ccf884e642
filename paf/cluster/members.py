"""The nodes of the cluster, also those that are away. Pure.

Source: Pacemaker Explained, "Nodes": an entry stays until the node is removed from the cluster.
"""

from paf.cluster import cib


def nodes(xml):
    """Return the names (a sorted list) of the CIB's nodes. Raises OcfError when the XML is none.

    xml: the CIB's (str).
    """
    found = []

    def start(tag, attributes):
        if tag == "node" and attributes.get("uname"):
            found.append(attributes["uname"])
    parser = cib.xml_parser()
    parser.StartElementHandler = start
    cib.feed(parser, xml)
    return sorted(found)
