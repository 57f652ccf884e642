"""Which nodes run the resource as a primary, by Pacemaker's history of operations. Pure.

Source: Pacemaker Explained, "Resource Operation History".
"""

from paf.cluster import cib
from paf.ocf import OcfError

#: What an operation that succeeded leaves: whether the resource is promoted.
_AFTER = {"promote": True, "demote": False, "stop": False, "start": False}
_NAMELESS = ""
_MONITOR = {"8": True, "9": True, "191": True, "0": False, "190": False, "7": False}


def promoted(xml, resource):
    """Return the nodes (a sorted list) that are there and run the resource promoted.

    Also where the controller has failed, or has not joined yet: the instance may run. xml: the
    CIB's (str); resource: its name, without the number of a clone's instance. Raises OcfError when
    the XML is no CIB, or does not say which node it is.
    """
    found, names, seen = {}, {}, {"node": None, "ours": False}

    def start(tag, attributes):
        if tag == "node":
            names[attributes.get("id")] = attributes.get("uname", _NAMELESS)
        elif tag == "node_state":
            # Pacemaker does not always repeat the name
            name = attributes.get("uname") or names.get(attributes.get("id"), _NAMELESS)
            seen["node"] = name if cib.is_there(attributes) else None
        elif tag == "lrm_resource":
            seen["ours"] = attributes.get("id", "").partition(":")[0] == resource
        elif tag == "lrm_rsc_op" and seen["node"] is not None and seen["ours"]:
            role = _role(attributes)
            if role is not None:
                found.setdefault(seen["node"], []).append((_number(attributes), role))
    parser = cib.xml_parser()
    parser.StartElementHandler = start
    cib.feed(parser, xml)
    nodes = sorted(node for node, roles in found.items() if max(roles)[1])
    if _NAMELESS in nodes:
        raise OcfError("cannot understand the CIB: it does not say on which node {0} is "
                       "promoted".format(resource))
    return nodes


def _role(attributes):
    """Return whether an operation left the resource promoted; None where it does not show that."""
    operation, code = attributes.get("operation"), attributes.get("rc-code")
    if operation == "monitor":
        return _MONITOR.get(code)
    return _AFTER.get(operation) if code == "0" else None


def _number(attributes):
    text = attributes.get("call-id", "")
    return int(text) if text.isdigit() else -1
