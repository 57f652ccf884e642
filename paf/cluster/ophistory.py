"""Which nodes run the resource as a primary, by Pacemaker's history of operations. Pure.

Source: Pacemaker Explained, "Resource Operation History".
"""

from paf.cluster import cib
from paf.ocf import OcfError

#: What an operation that succeeded leaves: whether the resource is promoted.
_AFTER = {"promote": True, "demote": False, "stop": False, "start": False}
_NAMELESS = ""
_PENDING = "-1"
_ENDS = {"ok": True, "failed": False}
#: 190 and 191: degraded, of earlier versions of this agent.
_MONITOR = {"8": True, "9": True, "191": True, "0": False, "190": False, "7": False}


def promoted(xml, resource):
    """Return the nodes (a sorted list) that are there and run the resource promoted.

    Also where the controller has failed, or has not joined yet: the instance may run. xml: the
    CIB's (str); resource: its name, without the number of a clone's instance. Raises OcfError when
    the XML is no CIB, or does not say which node it is.
    """
    nodes = sorted(node for node, role in _last(xml, resource, _role).items() if role)
    if _NAMELESS in nodes:
        raise OcfError("cannot understand the CIB: it does not say on which node {0} is "
                       "promoted".format(resource))
    return nodes


def standbys(xml, resource):
    """Return the nodes (a sorted list) that are there and surely run the resource unpromoted.

    None on which an operation has failed since, or has not ended. xml, resource, errors: as in
    `promoted`.
    """
    return sorted(node for node, runs in _last(xml, resource, _runs_as_standby).items() if runs)


def promotion(xml, resource, node):
    """Return whether a node's promotion succeeded (bool), None where its end is not recorded yet.

    xml, resource: as in `promoted`. Raises OcfError when the XML is no CIB.
    """
    return _ENDS.get(_last(xml, resource, _end_of_promotion).get(node))


def _last(xml, resource, judge):
    """Return what the last operation of each node shows (a dict by its name).

    judge: what an operation's attributes (a dict) show, None for one that shows nothing.
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
            shown = judge(attributes)
            if shown is not None:
                found.setdefault(seen["node"], []).append((_number(attributes), shown))
    parser = cib.xml_parser()
    parser.StartElementHandler = start
    cib.feed(parser, xml)
    return dict((node, max(shown)[1]) for node, shown in found.items())


def _role(attributes):
    """Return whether an operation left the resource promoted; None where it does not show that."""
    operation, code = attributes.get("operation"), attributes.get("rc-code")
    if operation == "monitor":
        return _MONITOR.get(code)
    return _AFTER.get(operation) if code == "0" else None


def _runs_as_standby(attributes):
    """Return whether an operation left a standby: a bool, also where it left nothing that is known.
    """
    operation = attributes.get("operation")
    if operation in ("start", "demote"):
        return attributes.get("rc-code") == "0"
    return operation == "monitor" and _MONITOR.get(attributes.get("rc-code")) is False and (
        attributes.get("rc-code") != "7")


def _end_of_promotion(attributes):
    """Return "ok" or "failed" for the end of a promotion, "before" for what comes ahead of one."""
    if attributes.get("operation") == "promote":
        if attributes.get("rc-code") == "0":
            return "ok"
        return "failed" if attributes.get("op-status", "0") != _PENDING else None
    return {True: "ok", False: "before"}.get(_role(attributes))


def _number(attributes):
    text = attributes.get("call-id", "")
    return int(text) if text.isdigit() else -1
