"""What a check finds, and the commands that fix it, in the spelling of pcs and of crmsh. Pure."""

from collections import namedtuple

from paf import metadata
from paf.cli.configuration import names_of
from paf.instance.server import quoted

OK, UNSEEN, WARNING, ERROR = "OK", "UNSEEN", "WARNING", "ERROR"

#: level: UNSEEN, WARNING or ERROR; what is wrong, why it matters (str); pcs, crm: commands (lists
#: of str) that fix it; the same list where no cluster shell is needed, [] where no command can.
Finding = namedtuple("Finding", "level what why pcs crm")

#: The first Pacemaker whose crm_resource restarts a resource.
RESTARTS = (1, 1, 13)
_FIRST_WITH_PENDING = 90500

PROMOTED = "Promoted" if metadata.ocf() == "1.1" else "Master"
UNPROMOTED = "Unpromoted" if metadata.ocf() == "1.1" else "Slave"


def error(what, why, cure=((), ())):
    """Return a Finding that keeps the cluster from working; cure: (pcs, crm), lists of str."""
    return Finding(ERROR, what, why, list(cure[0]), list(cure[1]))


def warning(what, why, cure=((), ())):
    """Return a Finding that will hurt some day."""
    return Finding(WARNING, what, why, list(cure[0]), list(cure[1]))


def unseen(what, why):
    """Return a Finding that says what was not looked at; it is no mistake."""
    return Finding(UNSEEN, what, why, [], [])


def both(*commands):
    """Return a cure that needs no cluster shell."""
    return commands, commands


def join(*cures):
    """Return one cure made of several, in order."""
    return ([command for cure in cures for command in cure[0]],
            [command for cure in cures for command in cure[1]])


def sql(subject, *statements):
    """Return the commands (a list of str) that run SQL on a serverchecks.Checked's server."""
    return ["{0} -c {1}".format(subject.psql, quoted([statement])) for statement in statements]


def set_by_sql(subject, name, value, restart=False):
    """Return the cure for a setting: ALTER SYSTEM, then a reload or a restart."""
    commands = sql(subject, "ALTER SYSTEM SET {0} = '{1}'".format(name, value.replace("'", "''")))
    if restart:
        return both(*commands + subject.restart)
    return both(*commands + sql(subject, "SELECT pg_reload_conf()"))


def restart(release, resource, node, pg_ctl):
    """Return the commands (list of str) that restart one instance.

    release: Pacemaker's version (tuple), () unknown; pg_ctl: the command line of `pg_ctl restart`.
    By its usage crm_resource has --restart since 1.1.13.
    """
    if () < release < RESTARTS:
        return ["paf pause", pg_ctl, "paf resume"]
    return ["crm_resource --restart --resource {0} --node {1}".format(resource, node)]


def restart_primary(release, name, pg_ctl, version):
    """Return the commands (list of str) that restart a primary once a standby has taken over.

    Standbys come first, and clients notice one switchover. release, pg_ctl: as above; name: the
    resource's where the cluster has several, else "", None before there is one; version: the
    server's (int): what waits for a restart is known since 9.5.
    """
    options = " --resource {0}".format(name) if name else ""
    if () < release < RESTARTS:
        return ["paf switchover" + options] + restart(release, "", "", pg_ctl)
    return ["paf restart --rolling{0}{1}    # {2}".format(
        "" if version < _FIRST_WITH_PENDING else " --pending", options,
        "before there is a resource: {0}".format(pg_ctl) if name is None
        else "while no standby can take over: paf pause, {0}, paf resume".format(pg_ctl))]


def new_device(name, node):
    """Return the cure that makes a fencing device for a node; its agent is for people to choose."""
    words = "{0} {1}AGENT {2}pcmk_host_list={3} ..."
    return (["pcs stonith create " + words.format(name, "", "", node)],
            ["crm configure primitive " + words.format(name, "stonith:", "params ", node)])


def enabled(name, kind="stonith"):
    """Return the cure that enables a fencing device, or with kind "resource" a resource."""
    return ["pcs {0} enable {1}".format(kind, name)], ["crm resource start {0}".format(name)]


def property_is(name, value):
    """Return the cure that sets a cluster property."""
    return (["pcs property set {0}={1}".format(name, value)],
            ["crm configure property {0}={1}".format(name, value)])


def default_is(name, value):
    """Return the cure that sets a default of all resources."""
    return (["pcs resource defaults update {0}={1}".format(name, value)],
            ["crm configure rsc_defaults {0}={1}".format(name, value)])


def meta_is(resource, name, value):
    """Return the cure that sets a meta attribute of this very resource.

    Without --force the tool would take the clone around a primitive.
    """
    return both("crm_resource --force --resource {0} --meta --set-parameter {1} "
                "--parameter-value {2}".format(resource, name, value))


def without_meta(managed, name):
    """Return the cure that removes a meta attribute where it is set; managed: a Managed."""
    if name == "is-managed" and name not in managed.defaults and name not in managed.meta:
        return property_is("is-managed-default", "true")
    if name not in managed.meta:
        return both("crm_attribute --type rsc_defaults --name {0} --delete".format(name))
    origin = managed.origins.get(name)
    if origin in names_of(managed):
        return both("crm_resource --force --resource {0} --meta --delete-parameter "
                    "{1}".format(origin, name))
    # it comes from a template, by a reference, or one of several sets: what the primitive says wins
    good = {"target-role": "Started", "is-managed": "true", "maintenance": "false"}[name]
    return meta_is(managed.name, name, good)


def requires_fencing(managed, value):
    """Return (what is wrong, why, the cure) where a promotion does not wait for the fencing.

    value: of `requires`, "quorum" or "nothing" in any case. Seen with crm_simulate 2.1.5: with
    notify=true a promotion waits for the fencing all the same, by the notification of the stop that
    the fencing implies; not where the CIB lacks the history of the lost instance.
    """
    holder = managed.origins.get("requires")
    if "requires" not in managed.meta:    # as a default it holds for the fencing devices too
        holder = managed.clone or managed.name
    return ("{0} has requires={1}".format(managed.name, value), (
        "where it has no record of what ran on a lost node, Pacemaker promotes another one before "
        "that is fenced: there may be two primaries" if value.lower() == "quorum" else
        "a partition without quorum keeps its primary, or promotes one, and fences no node: there "
        "may be two primaries"), meta_is(
            holder if holder in names_of(managed) else managed.name, "requires", "fencing"))


def parameter_is(resource, name, value):
    """Return the cure that sets a parameter of the agent."""
    return (["pcs resource update {0} {1}".format(resource, quoted([name + "=" + value]))],
            ["crm resource param {0} set {1} {2}".format(resource, name, quoted([value]))])


def operation_is_there(resource, name, interval, timeout, role=""):
    """Return the cure that adds an operation; crmsh has a command for monitors only."""
    spelling = {"": "", "Promoted": PROMOTED, "Unpromoted": UNPROMOTED}[role]
    words = "interval={0:.0f}s timeout={1:.0f}s".format(interval, timeout)
    attributes = 'name="{0}" interval="{1:.0f}s" timeout="{2:.0f}s"'.format(name, interval, timeout)
    if spelling:
        words += " role=" + spelling
        attributes += ' role="{0}"'.format(spelling)
    crm = "cibadmin --modify --allow-create --xpath \"//primitive[@id='{0}']\" --xml-text " \
          "'<primitive id=\"{0}\"><operations><op id=\"{0}-{1}-{2:.0f}s\" {3}/></operations>" \
          "</primitive>'".format(resource, name, interval, attributes)
    return ["pcs resource op add {0} {1} {2}".format(resource, name, words)], [crm]


def operation_has(ident, name, value):
    """Return the cure that changes an operation; both shells would replace it as a whole."""
    return both("cibadmin --modify --xpath \"//op[@id='{0}']\" --xml-text '<op id=\"{0}\" "
                "{1}=\"{2}\"/>'".format(ident, name, value))


def without_constraint(ident):
    """Return the cure that removes a constraint."""
    return (["pcs constraint delete {0}".format(ident)],
            ["crm configure delete {0}".format(ident)])


def let_in(resource, nodes):
    """Return (what is wrong, why, the cure) where an opt-in cluster lets a resource on no node."""
    pcs = "pcs constraint location {0} prefers {1}=0"
    crm = "crm configure location {0}-on-{1} {0} 0: {1}"
    return ("symmetric-cluster is false, and no constraint lets {0} run on {1}".format(
        resource, " or ".join(nodes)), "in such a cluster Pacemaker runs a resource only on nodes "
        "that a location constraint names", ([pcs.format(resource, node) for node in nodes],
                                             [crm.format(resource, node) for node in nodes]))


def colocated(vip, clone):
    """Return the cure that keeps an address with the primary."""
    pcs = "pcs constraint colocation add {0} with {1} {2} score=INFINITY"
    crm = "crm configure colocation {0}-with-primary inf: {0} {2}:{1}"
    return [pcs.format(vip, PROMOTED, clone)], [crm.format(vip, PROMOTED, clone)]


def ordered(clone, first, vip, then):
    """Return the cure that orders an address after a change of the primary, one way only.

    A stop is ordered as an option: a mandatory order blocks it in each transition without a
    demotion.
    """
    kind = "Optional" if then == "stop" else "Mandatory"
    pcs = "pcs constraint order {0} {1} then {2} {3} symmetrical=false kind={4}"
    crm = "crm configure order {0}-then-{2}-{3} {4}: {1}:{0} {3}:{2} symmetrical=false"
    values = (first, clone, then, vip, kind)
    return [pcs.format(*values)], [crm.format(*values)]


def order_has(ident, **attributes):
    """Return the cure that changes attributes of an order in place."""
    words = " ".join('{0}="{1}"'.format(*pair) for pair in sorted(attributes.items()))
    return both("cibadmin --modify --xpath \"//rsc_order[@id='{0}']\" --xml-text "
                "'<rsc_order id=\"{0}\" {1}/>'".format(ident, words))
