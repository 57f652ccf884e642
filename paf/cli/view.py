"""What Pacemaker says is going on: crm_mon's XML as one value. Pure.

The element names are the same since Pacemaker 1.1; roles are Promoted and Unpromoted since 2.1,
Master and Slave before.
"""

from collections import namedtuple
from paf.cli import old_crm_mon
from paf.cli.common import Problem, element

#: nodes: dict of node to its state (one of the words below); instances: a list of CloneInstance;
#: attributes: dict of node to dict; failures: a list of Failure; degraded: the same for monitors
#: that say only that something else may fail soon; pending: a list of str; flags:
#: dict of node to the list of all that holds for it besides (FLAGS); ids: dict of node to str;
#: remote: the nodes (set) that are no members: Pacemaker reaches them by a resource; heard: those
#: (set) that are in the membership, be they unclean.
View = namedtuple("View", "dc quorum maintenance nodes instances attributes failures degraded "
                  "pending flags ids remote heard")

#: One running instance of a resource. role: Promoted, Unpromoted, Started...; blocked: whether
#: Pacemaker does nothing with it until a failure is cleaned up, which makes it unmanaged, too.
CloneInstance = namedtuple("CloneInstance", "resource node role failed managed blocked")

Failure = namedtuple("Failure", "resource node operation status reason when")

ONLINE, OFFLINE, UNCLEAN = "online", "offline", "unclean"
PENDING, STANDBY, MAINTENANCE = "pending", "standby", "maintenance"
#: Of a node, in crm_mon's words. standby_onfail: made a standby node by an operation's on-fail.
FLAGS = (UNCLEAN, PENDING, STANDBY, "standby_onfail", MAINTENANCE, "shutdown")
_DEGRADED = ("190", "191")
_OLD_ROLES = {"Master": "Promoted", "Slave": "Unpromoted"}
PROMOTED, UNPROMOTED = "Promoted", "Unpromoted"


def look(pacemaker):
    """Return the View of the cluster as it is now. Raises Problem.

    pacemaker: common.Pacemaker.
    """
    seen = parse(pacemaker.crm_mon())
    return seen if seen.attributes else completed(seen, pacemaker.cib())


def completed(seen, cib):
    """Return a View with what crm_mon of Pacemaker 1.1 leaves out, from the CIB (XML, str)."""
    try:
        return seen._replace(
            attributes=old_crm_mon.attributes(cib),
            maintenance=seen.maintenance or old_crm_mon.in_maintenance(cib))
    except SyntaxError as error:
        raise Problem("cannot understand the CIB: {0}".format(error))


def parse(xml):
    """Return the View in crm_mon's XML (str). Raises Problem."""
    try:
        root = element(xml)
    except SyntaxError:    # ParseError, which Python 2.6 has not
        try:
            root = element(old_crm_mon.repaired(xml))
        except SyntaxError as error:
            raise Problem("cannot understand crm_mon: {0}".format(error))
    dc = root.find("summary/current_dc")
    options = root.find("summary/cluster_options")
    return View(
        dc="" if dc is None else dc.get("name", ""),
        quorum=dc is not None and dc.get("with_quorum") == "true",
        maintenance=options is not None and options.get("maintenance-mode") == "true",
        nodes=dict((node.get("name"), _state(node)) for node in root.findall("nodes/node")),
        instances=list(_instances(root)),
        attributes=dict((node.get("name"), _attributes(node))
                        for node in root.findall("node_attributes/node")),
        failures=[_failure(item) for item in root.findall("failures/failure")
                  if item.get("exitcode") not in _DEGRADED],
        degraded=[_failure(item) for item in root.findall("failures/failure")
                  if item.get("exitcode") in _DEGRADED],
        pending=list(_pending(root)),
        flags=dict((node.get("name"), [flag for flag in FLAGS if node.get(flag) == "true"])
                   for node in root.findall("nodes/node")),
        ids=dict((node.get("name"), node.get("id", "")) for node in root.findall("nodes/node")),
        remote=set(node.get("name") for node in root.findall("nodes/node")
                   if node.get("type") == "remote"),
        heard=set(node.get("name") for node in root.findall("nodes/node")
                  if node.get("online") == "true"))


def _state(node):
    if node.get("unclean") == "true":
        return UNCLEAN
    if node.get("online") != "true":
        return OFFLINE
    for state in (PENDING, STANDBY, MAINTENANCE):
        if node.get(state) == "true":
            return state
    return ONLINE


def _instances(root):
    clones = [clone for clone in root.findall(".//clone") if clone.get("multi_state") == "true"]
    promotable = [resource for clone in clones for resource in clone.findall(".//resource")]
    for resource in root.findall(".//resource"):
        for node in resource.findall("node"):
            role = resource.get("role", "")
            if role == "Started" and any(resource is other for other in promotable):
                role = UNPROMOTED    # 1.1.10, where the recurring monitor was lost
            yield CloneInstance(base_name(resource.get("id", "")), node.get("name"),
                                _OLD_ROLES.get(role, role), resource.get("failed") == "true",
                                resource.get("managed") != "false",
                                resource.get("blocked") == "true")


def _pending(root):
    for resource in root.findall(".//resource"):
        if resource.get("pending"):
            yield "{0} {1}".format(resource.get("pending"), base_name(resource.get("id", "")))


def base_name(resource):
    """Return a resource's name without the number of its clone instance."""
    return resource.split(":")[0]


def _attributes(node):
    return dict((item.get("name"), item.get("value", "")) for item in node.findall("attribute"))


def _failure(item):
    key = item.get("op_key", "")
    resource, _, operation = key.rpartition("_")[0].rpartition("_")
    # Pacemaker 2.1.5 escapes reasons before it writes the XML, which escapes them again
    reason = _unescaped(item.get("exitreason", ""))
    return Failure(base_name(resource), item.get("node", ""), operation,
                   item.get("exitstatus", ""), "" if reason == "none" else reason,
                   item.get("last-rc-change", ""))


def _unescaped(text):
    for name, sign in (("lt", "<"), ("gt", ">"), ("quot", '"'), ("apos", "'"), ("amp", "&")):
        text = text.replace("&{0};".format(name), sign)
    return text


def roles(view, resource):
    """Return the roles of a resource (dict of node to str)."""
    return dict((item.node, item.role) for item in view.instances if item.resource == resource)


def promoted(view, resource):
    """Return the nodes (a sorted list) where Pacemaker has the resource promoted."""
    return sorted(node for node, role in roles(view, resource).items() if role == PROMOTED)
