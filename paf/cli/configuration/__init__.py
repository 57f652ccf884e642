"""What the administrator configured: the CIB as one value, seen from PAF's resources. Pure.

    configured = configuration.parse(xml, now=time.time())
    managed = configuration.find(configured)            # or find(configured, "pgsqld")
    managed.meta, managed.parameters                    # with template, rules, references looked up
    configuration.meta(managed, "is-managed", "true")   # with rsc_defaults
    configuration.boolean(text, default), configuration.seconds("PT15S")
    for item in configuration.constraints_on(configured, managed, "location"): ...

All that Pacemaker's schema allows is understood: templates, groups, bundles, tags, resource sets,
id-ref, several sets with scores, nested rules, the old words (Master, master-max) and every
spelling of a boolean and of a time. What depends on a rule that cannot be judged from the file,
because it names an attribute of the node or a recurring date, is left out of the values, and its
name is in `uncertain`: neither its presence nor its absence is a finding.
"""

from collections import namedtuple

from paf.cli.common import Problem, element
from paf.cli.configuration import constraints as relations
from paf.cli.configuration import options
from paf.cli.configuration.constraints import (
    Constraint, has_expired, is_optional, is_serialized, is_symmetrical)
from paf.cli.configuration.resources import Managed, Operation, Primitive, Resources
from paf.cli.configuration.sets import Reader
from paf.cli.configuration.spelling import (
    boolean, is_true, plain_seconds, points, role, seconds, strange)

__all__ = [
    "AGENT", "Configuration", "Constraint", "Managed", "Operation", "Primitive", "Problem",
    "against_primary", "attributes", "barred", "beside", "boolean", "constraints_on",
    "default_timeout", "find", "guests", "has_plain_defaults", "is_certain", "is_led",
    "is_optional", "is_serialized", "is_symmetrical", "is_true", "left_over", "meta",
    "names_of", "not_let_in", "outside_bundles", "parse", "place_of", "plain_seconds", "points",
    "role", "seconds", "strange", "vips_of"]

AGENT = ("ocf", "heartbeat", "pgsqlms")
_ADDRESSES = ("IPaddr2", "IPaddr", "IPv6addr")

#: properties, rsc_defaults (that hold for any resource), operation_defaults: dicts of str; nodes:
#: names; resources: list of Managed; vips, devices: lists of Primitive; constraints: list of
#: Constraint, each a single relation; tags: dict of id to ids; timeouts: see default_timeout;
#: of_operations: see Resources.operation_defaults;
#: uncertain: names (set) of properties that a rule decides on; now: seconds since 1970, None
#: unknown; root: the whole, an Element.
Configuration = namedtuple(
    "Configuration", "properties rsc_defaults operation_defaults nodes resources vips devices "
    "constraints tags timeouts of_operations uncertain now root")


def parse(xml, now=None):
    """Return the Configuration in a CIB (XML, str); now: seconds since 1970, for rules with dates.

    Raises Problem when the text is no CIB.
    """
    try:
        root = element(xml)    # in Python 2 a list's variable of that name would be another one
    except SyntaxError as error:    # ParseError, which Python 2.6 does not have
        raise Problem("cannot understand the CIB: {0}".format(error))
    if root.tag != "cib":
        raise Problem("this is no CIB: its first element is {0}".format(root.tag))
    reader = Reader(root, now)
    resources = Resources(root, reader)
    properties, uncertain, _ = reader.pairs(
        root.findall("configuration/crm_config"), "cluster_property_set")
    options.under_new_names(properties)
    primitives = [resources.primitive(*pair) for pair in resources.primitives]
    return Configuration(
        properties=properties, uncertain=uncertain, now=now,
        rsc_defaults=reader.pairs(
            root.findall("configuration/rsc_defaults"), "meta_attributes", None, True).values,
        operation_defaults=reader.pairs(
            root.findall("configuration/op_defaults"), "meta_attributes", None, True).values,
        nodes=outside_bundles(root, [
            node.get("uname") or node.get("id", "")
            for node in root.findall("configuration/nodes/node") if node.get("type") != "ping"]),
        resources=[resources.managed(item, parents) for item, parents in resources.primitives
                   if resources.kind(item) == AGENT],
        vips=[item for item in primitives if item.kind and item.kind[-1] in _ADDRESSES],
        devices=[item for item in primitives if item.kind[:1] == ("stonith",)],
        constraints=[found for item in root.findall("configuration/constraints/*")
                     for found in relations.read(item, reader, resources)],
        tags=resources.tags, timeouts=resources.default_timeout,
        of_operations=resources.operation_defaults, root=root)


def outside_bundles(root, names):
    """Return those nodes (list of str) that are no replica of a bundle, which runs nothing else.

    root: the CIB's. Pacemaker names them after the bundle, with a number.
    """
    bundles = [item.get("id") for item in root.findall("configuration/resources/bundle")]
    return [name for name in names
            if not (name.rpartition("-")[2].isdigit() and name.rpartition("-")[0] in bundles)]


def guests(configured):
    """Return the names (set) of guest nodes, which Pacemaker fences by stopping what they run in.
    """
    return set(pair.get("value") for pair in configured.root.findall(
        "configuration/resources//primitive/meta_attributes/nvpair")
        if pair.get("name") == "remote-node")


def _remotes(configured):
    """Return the names (set) of nodes that Pacemaker reaches by a resource."""
    return guests(configured).union(item.get("id") for item in configured.root.findall(
        "configuration/resources//primitive")
        if (item.get("provider"), item.get("type")) == ("pacemaker", "remote"))


def names_of(managed):
    """Return the ids that constraints may name the resource by."""
    return tuple(name for name in (managed.clone, managed.group, managed.name) if name)


def meta(managed, name, default=""):
    """Return a meta attribute (str): the resource's own, the cluster's default, or the one given.
    """
    return managed.meta.get(name, managed.defaults.get(name, default))


def has_plain_defaults(configured):
    """Return whether the shells' commands set a default of all resources: they want one set for it.

    pcs refuses to choose between several, and would make the default depend on the rule of one.
    """
    sets = configured.root.findall("configuration/rsc_defaults/meta_attributes")
    return len(sets) < 2 and not any(
        item.get("id-ref") or item.find("rule") is not None for item in sets)


def is_certain(managed, name):
    """Return whether a parameter or meta attribute is known: no rule decides on it that cannot be
    judged here.
    """
    return name not in managed.uncertain


def default_timeout(configured, managed, operation):
    """Return the timeout (seconds) of an operation (name) that is not configured."""
    return configured.timeouts(AGENT, operation)


def constraints_on(configured, managed, kind):
    """Return the Constraints of a kind that name the resource in any place."""
    names = names_of(managed)
    return [item for item in configured.constraints if item.kind == kind and any(
        item.values.get(place) in names for place in ("rsc", "with-rsc", "first", "then"))]


def barred(configured, names, roles=("", "Started")):
    """Return the nodes (set) on which constraints let a resource never run.

    names: the ids that constraints may name it by; roles: of such constraints, "" without one.
    """
    configured = configured._replace(nodes=configured.nodes + sorted(
        _remotes(configured) - set(configured.nodes)))    # in the CIB only if they have attributes
    found = set(not_let_in(configured, names)).union(_not_exclusive(configured, names))
    for item in configured.constraints:
        if (item.kind == "location" and item.values.get("rsc") in names
                and item.values.get("role", "") in roles):
            found.update(relations.bars(item, configured.nodes, configured.now))
    return found


def _not_exclusive(configured, names):
    """Return the nodes (list) that locations with resource-discovery=exclusive leave out.

    names: as above. [] where a rule may let them in. Source: Pacemaker Explained, "Location
    Constraint Properties".
    """
    found = [relations.meant(item, configured.nodes, configured.now)
             for item in configured.constraints
             if item.kind == "location" and item.values.get("rsc") in names
             and item.values.get("resource-discovery", "").lower() == "exclusive"]
    let_in = [] if None in found else [node for nodes in found for node in nodes]
    return [node for node in configured.nodes if node not in let_in] if let_in else []


def not_let_in(configured, names):
    """Return the nodes (list) that no location lets a resource run on, in an opt-in cluster.

    names: as above. [] where a rule may let it in, which Pacemaker alone judges. Source: Pacemaker
    Explained, "Asymmetrical Opt-In Clusters".
    """
    if ("symmetric-cluster" in configured.uncertain
            or boolean(configured.properties.get("symmetric-cluster"), True)):
        return []
    mine = [item for item in configured.constraints if item.kind == "location"
            and item.values.get("rsc") in names and item.score != -relations.INFINITY]
    if any(item.score is None or item.rules for item in mine):
        return []
    let_in = set(item.node for item in mine)
    return [node for node in configured.nodes if node not in let_in]


def against_primary(configured, managed):
    """Return the ids (sorted list) of locations that may keep the primary off some node.

    Whether a rule holds for a node may depend on its attributes: Pacemaker alone judges that.
    """
    return sorted(set(
        item.id for item in constraints_on(configured, managed, "location")
        if item.score is not None and item.score <= -relations.INFINITY
        and item.values.get("role", "") in ("", "Started", "Promoted")
        and not has_expired(item, configured.now)))


def left_over(configured, name):
    """Return the ids (sorted list) of what moves and bans have left of a resource (its id).

    Those whose lifetime is over have no effect, and are left out.
    """
    return sorted(set(item.id for item in configured.constraints
                      if item.id.startswith("cli-") and item.values.get("rsc") == name
                      and not has_expired(item, configured.now)))


def place_of(vip):
    """Return the ids by which a constraint may name an address (Primitive), its group's first."""
    return tuple(name for name in (vip.clone, vip.group, vip.name) if name)


def vips_of(configured, managed):
    """Return the addresses (Primitives) that follow the primary, or should.

    Those that a colocation draws to the resource in either direction, or that are ordered after a
    promotion or a demotion, or that are tied to the primary through another resource. One that is
    drawn to a standby, or pushed off the primary, is an address for readers.
    """
    tied, readers = set(), set()
    for item in configured.constraints:
        values, names = item.values, names_of(managed)
        if item.kind == "order" and values.get("first") in names:
            if values["first-action"] in ("promote", "demote"):
                tied.add(values.get("then"))
            continue
        for one, its_role in (("rsc", "with-rsc-role"), ("with-rsc", "rsc-role")):
            other = {"rsc": "with-rsc", "with-rsc": "rsc"}[one]
            if item.kind != "colocation" or values.get(other) not in names:
                continue
            reader = values.get(its_role) == "Unpromoted" or item.score < 0
            (readers if reader else tied).add(values.get(one))
    return [vip for vip in configured.vips if not readers.intersection(place_of(vip))
            and (tied.intersection(place_of(vip)) or is_led(configured, managed, place_of(vip)))]


def is_led(configured, managed, places):
    """Return whether colocations tie an address to the primary, be it through other resources.

    places: the ids (tuple) by which constraints may name it.
    """
    known_as = dict((name, place_of(vip)) for vip in configured.vips for name in place_of(vip))
    return relations.follows(configured.constraints, places, names_of(managed), known_as)


def find(configured, name="", here=None):
    """Return the Managed called `name` (its clone's or group's name will do); without one, the only
    one. Raises Problem.

    here: a function that returns this node's name, for the parameters as they are here: rules may
    depend on it.
    """
    found = [item for item in configured.resources if not name or name in names_of(item)]
    if not found:
        others = ", ".join(item.name for item in configured.resources)
        raise Problem("there is no resource of ocf:heartbeat:pgsqlms{0} in this cluster{1}".format(
            " called {0}".format(name) if name else "",
            ", but {0}".format(others) if others else "; paf create makes one, and paf check "
            "--pgdata FOLDER looks at this host before"))
    if len(found) > 1:
        raise Problem("name one of the resources with --resource: {0}".format(
            ", ".join(item.name for item in found)))
    if found[0].kind == "bundle":
        raise Problem("{0} runs in the bundle {1}: PAF does not support bundles, its instances "
                      "have to run on the cluster's nodes themselves".format(
                          found[0].name, found[0].clone))
    return _here(configured, found[0], here) if here and found[0].uncertain else found[0]


def beside(configured, name):
    """Return the names (list) of the other resources of PAF than the one called `name`."""
    return [item.name for item in configured.resources
            if item.kind != "bundle" and item.name != name]


def _here(configured, managed, here):
    """Return a Managed with the parameters that it has on this node. Raises Problem.

    The default in the place of one that is not known would lead to another instance.
    """
    if not _parameters(configured, managed, None).uncertain:
        return managed
    node = here()
    found = _parameters(configured, managed, attributes(configured, node))
    if found.uncertain:
        raise Problem("which instance {0} is on {1} is not known: a rule that only Pacemaker can "
                      "judge decides on {2}".format(
                          managed.name, node, " and ".join(sorted(found.uncertain))))
    return managed._replace(parameters=found.values)


def _parameters(configured, managed, attributes):
    """Return the sets.Pairs of its parameters on a node with these attributes (dict, None)."""
    resources = Resources(configured.root, Reader(configured.root, configured.now, attributes))
    element, = [item for item, _ in resources.primitives if item.get("id") == managed.name]
    return resources.parameters(element)


def attributes(configured, node):
    """Return the attributes of a node (dict of str), permanent and transient, with #uname and #id.
    """
    root, found = configured.root, {"#uname": node}
    for item in root.findall("configuration/nodes/node"):
        if item.get("uname") == node:
            found["#id"] = item.get("id", "")
            found.update(_pairs(item.findall("instance_attributes/nvpair")))
    for name, item in node_states(root):
        if name == node:
            found.update(_pairs(item.findall("transient_attributes/instance_attributes/nvpair")))
    return found


def node_states(root):
    """Return the pairs (list) of a node's name (str) and its node_state in a CIB (its root).

    The name may be in the configuration only; the number where it is not there, "" without one.
    """
    names = dict((node.get("id"), node.get("uname"))
                 for node in root.findall("configuration/nodes/node"))
    return [(state.get("uname") or names.get(state.get("id")) or state.get("id", ""), state)
            for state in root.findall("status/node_state")]


def _pairs(found):
    return [(pair.get("name"), pair.get("value", "")) for pair in found]
