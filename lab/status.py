"""The cluster's state as one value, read from crm_mon's XML."""

import html
from dataclasses import dataclass, field
from xml.etree import ElementTree

PROMOTED = ("Promoted", "Master")
#: What Pacemaker 2.1 shows in place of a role while an operation is pending.
BUSY = ("Starting", "Stopping", "Promoting", "Demoting", "Migrating", "Monitoring")

#: OCF's codes for what runs well while something else may fail soon: crm_mon lists them, until the
#: next cleanup, beside failures.
DEGRADED = ("190", "191")


@dataclass(frozen=True)
class Instance:
    """One instance of a resource, where it is active."""

    resource: str
    node: str
    role: str
    failed: bool = False
    pending: str = ""
    blocked: bool = False

    @property
    def promoted(self):
        """True for the primary, whatever this Pacemaker calls the role."""
        return self.role in PROMOTED

    @property
    def doing(self):
        """The operation that runs on the instance right now, "" for none.

        A monitor does not count: it changes no role, and after a stop Pacemaker 2.1.5 can leave
        the recurring monitor of the earlier role pending without end.
        """
        pending = "" if self.pending == "Monitoring" else self.pending
        return pending or (self.role if self.role in BUSY else "")


@dataclass(frozen=True)
class Failure:
    """A failed action, with the reason that the agent gave; not one that ended as degraded."""

    node: str
    operation: str
    status: str
    code: str
    reason: str


@dataclass(frozen=True)
class ClusterStatus:
    """What crm_mon shows."""

    dc: str
    quorum: bool
    nodes: dict
    instances: list
    attributes: dict
    failures: list = field(default_factory=list)

    @property
    def online(self):
        """Names of the nodes that are full members."""
        return [name for name, state in self.nodes.items() if state == "online"]

    def roles(self, resource):
        """Return {node: role} of a resource."""
        return {
            instance.node: instance.role
            for instance in self.instances
            if instance.resource == resource
        }

    def promoted(self, resource):
        """Return the nodes where a resource is promoted."""
        return [item.node for item in self.instances if item.resource == resource and item.promoted]


def _plain(text):
    # Pacemaker 2.1.5 escapes reasons before it writes the XML, which escapes them again
    return html.unescape(text)


def _node_state(node):
    if node.get("unclean") == "true":
        return "unclean"
    if node.get("online") != "true":
        return "offline"
    for state in ("pending", "standby", "maintenance"):
        if node.get(state) == "true":
            return state
    return "online"


def _instances(root):
    for resource in root.iter("resource"):
        for node in resource.findall("node"):
            yield Instance(
                resource.get("id").split(":")[0],
                node.get("name"),
                resource.get("role"),
                resource.get("failed") == "true",
                resource.get("pending", ""),
                resource.get("blocked") == "true",
            )


def _attributes(node):
    return {item.get("name"): item.get("value") for item in node.findall("attribute")}


def _failure(item):
    return Failure(item.get("node", ""), item.get("op_key", ""), item.get("status", ""),
                   item.get("exitstatus", ""), _plain(item.get("exitreason", "")))


def parse(text):
    """Return the ClusterStatus in the output of `crm_mon -1 --output-as=xml -A -f`."""
    root = ElementTree.fromstring(text)
    dc = root.find("summary/current_dc")
    described = root.findall("node_attributes/node")
    return ClusterStatus(
        dc=dc.get("name", "") if dc is not None else "",
        quorum=dc is not None and dc.get("with_quorum") == "true",
        nodes={node.get("name"): _node_state(node) for node in root.findall("nodes/node")},
        instances=list(_instances(root)),
        attributes={node.get("name"): _attributes(node) for node in described},
        failures=[_failure(item) for item in root.findall("failures/failure")
                  if item.get("exitcode") not in DEGRADED],
    )
