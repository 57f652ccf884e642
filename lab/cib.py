"""The CIB that a lab's cluster boots with."""

from xml.etree import ElementTree

from . import systems
from .settings import VIP

RESOURCE = "pgsqld"
CLONE = "pgsqld-clone"
VIP_RESOURCE = "pgsqld-ip"    # as `paf create` names it

PROPERTIES = {
    "cluster-infrastructure": "corosync",
    "dc-deadtime": "500ms",
    "load-threshold": "800%",
    "stonith-timeout": "20s",
    "stonith-enabled": "true",
}
OPERATIONS = {
    "start": {"timeout": "60s"},
    "stop": {"timeout": "60s"},
    "promote": {"timeout": "30s"},
    "demote": {"timeout": "120s"},
    "monitor:Promoted": {"interval": "15s", "timeout": "10s"},
    "monitor:Unpromoted": {"interval": "16s", "timeout": "10s"},
    "notify": {"timeout": "60s"},
}
#: The schema of nodes that run this machine's system, and the first with the words of OCF 1.1.
SCHEMA = (3, 7)
OLD_WORDS = {"Promoted": "Master", "Unpromoted": "Slave"}
RESOURCE_DEFAULTS = {"resource-stickiness": "10", "migration-threshold": "5"}


def _element(parent, tag, **attributes):
    names = {name.replace("_", "-"): value for name, value in attributes.items()}
    return ElementTree.SubElement(parent, tag, names)


def _named(settings, properties):
    """Return cluster properties under the names that all nodes know and none calls deprecated."""
    if not all(systems.has_fencing_options(system)
               for system in {settings.system(node) for node in settings.names}):
        return properties
    return {name.replace("stonith-", "fencing-"): value for name, value in properties.items()}


def _pairs(parent, tag, ident, values):
    if not values:
        return
    group = _element(parent, tag, id=ident)
    for name, value in values.items():
        _element(group, "nvpair", id=f"{ident}-{name}", name=name, value=str(value))


def schema(settings):
    """Return the newest version of the CIB that all nodes know, as (3, 7)."""
    systems_here = {settings.system(node) for node in settings.names}
    return min(SCHEMA if system == systems.HOST else systems.newest_schema(system)
               for system in systems_here)


def role_word(settings, role):
    """Return what the cluster calls 'Promoted' or 'Unpromoted'."""
    return OLD_WORDS[role] if schema(settings) < SCHEMA else role


def _operations(parent, ident, operations):
    group = _element(parent, "operations")
    for key, values in operations.items():
        name, _, role = key.partition(":")
        given = {"interval": "0s", **values}
        element = _element(
            group, "op", id=f"{ident}-{name}-{given['interval']}", name=name, **given
        )
        if role:
            element.set("role", role)


def _primitive(parent, ident, kind, parameters, operations):
    names = dict(
        zip(
            ("class", "provider", "type") if kind.count(":") == 2 else ("class", "type"),
            kind.split(":"),
        )
    )
    primitive = _element(parent, "primitive", id=ident, **names)
    _pairs(primitive, "instance_attributes", f"{ident}-instance_attributes", parameters)
    _operations(primitive, ident, operations)
    return primitive


#: Of two nodes that do not hear each other the first one wins: seconds.
HEAD_START = 1


def _fencing(resources, constraints, settings):
    """One device per node, never on its own node: a node can't be trusted to switch itself off."""
    for node in settings.names:
        seconds = settings.fence_delay
        if settings.count == 2 and node == settings.names[0]:
            seconds += HEAD_START
        delay = {"pcmk_delay_base": f"{seconds}s"} if seconds else {}
        ident = f"fence-{node}"
        _primitive(
            resources,
            ident,
            "stonith:fence_paf_lab",
            {"pcmk_host_list": node, "pcmk_host_check": "static-list", **delay},
            {"monitor": {"interval": "120s", "timeout": "20s"}},
        )
        _element(
            constraints,
            "rsc_location",
            id=f"{ident}-elsewhere",
            rsc=ident,
            node=node,
            score="-INFINITY",
        )


def _in_words_of(settings, operations):
    """Return operations with the role words that the cluster knows."""
    return {f"{name}{colon}{role and role_word(settings, role)}": values
            for key, values in operations.items() for name, colon, role in [key.partition(":")]}


def parameters(settings):
    """Return the resource's parameters."""
    own = {"pgdata": settings.pgdata, "bindir": settings.bindir}
    return {**(own if settings.kind == "pgsqlms" else {}), **settings.parameters}


def _clone(resources, settings):
    clone = _element(resources, "clone", id=CLONE)
    operations = {
        key: {**OPERATIONS.get(key, {}), **settings.operations.get(key, {})}
        for key in [*OPERATIONS, *(key for key in settings.operations if key not in OPERATIONS)]
    }
    _primitive(clone, RESOURCE, f"ocf:heartbeat:{settings.kind}", parameters(settings),
               _in_words_of(settings, operations))
    _pairs(
        clone,
        "meta_attributes",
        f"{CLONE}-meta",
        {"promotable": "true", "notify": "true", "interleave": "true", **settings.meta},
    )


def _vip(resources, constraints, settings):
    operations = {
        "monitor": {"interval": "10s", "timeout": "20s"},
        "start": {"timeout": "20s"},
        "stop": {"timeout": "20s"},
    }
    address = {"ip": VIP, "cidr_netmask": "24", "nic": "eth0"}
    _primitive(resources, VIP_RESOURCE, "ocf:heartbeat:IPaddr2", address, operations)
    together = {"rsc": VIP_RESOURCE, "with_rsc": CLONE,
                "with_rsc_role": role_word(settings, "Promoted")}
    _element(constraints, "rsc_colocation", id="ip-with-primary", score="INFINITY", **together)
    # Not symmetrical: the VIP must outlive the demote, standbys fetch the shutdown checkpoint
    # through it. The stop is only ordered, not made to depend: a mandatory order blocks it in every
    # transition that has no demote
    for first, then, kind in (("promote", "start", "Mandatory"), ("demote", "stop", "Optional")):
        _element(
            constraints,
            "rsc_order",
            id=f"{first}-then-{then}-ip",
            first=CLONE,
            first_action=first,
            then=VIP_RESOURCE,
            then_action=then,
            symmetrical="false",
            kind=kind,
        )


def build(settings):
    """Return the CIB as text."""
    cib = ElementTree.Element(
        "cib",
        {"validate-with": "pacemaker-{}.{}".format(*schema(settings)),
         "admin_epoch": "0", "epoch": "1", "num_updates": "0"},
    )
    configuration = _element(cib, "configuration")
    properties = {"cluster-name": settings.name, **PROPERTIES, **settings.properties}
    if not settings.fencing:
        properties["stonith-enabled"] = "false"
    _pairs(
        _element(configuration, "crm_config"),
        "cluster_property_set",
        "cib-bootstrap-options",
        _named(settings, properties),
    )
    nodes = _element(configuration, "nodes")
    for node in settings.names:
        _element(nodes, "node", id=str(settings.number(node)), uname=node)
    resources, constraints = (
        _element(configuration, "resources"),
        _element(configuration, "constraints"),
    )
    if settings.resource:
        _clone(resources, settings)
        _vip(resources, constraints, settings)
    if settings.fencing:
        _fencing(resources, constraints, settings)
    _pairs(
        _element(configuration, "rsc_defaults"), "meta_attributes", "rsc-options", RESOURCE_DEFAULTS
    )
    _element(cib, "status")
    ElementTree.indent(cib)
    return ElementTree.tostring(cib, encoding="unicode") + "\n"
