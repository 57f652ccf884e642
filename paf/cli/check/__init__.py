"""paf check: is this node, this resource, this cluster fit for a failover?"""

import itertools
import json
import os
import sys
import time

from paf import instance as local
from paf import ocf, parameters, runner, variant
from paf.cli import configuration, devices, dialect, finding, interruptions, nodelist, servers
from paf.cli.check import (
    address, clusterchecks, hba, host, neighbours, operations, peers, primary, release, sbd,
    schemas, slotchecks)
from paf.cli.check import serverchecks as server
from paf.cli.common import (
    ERROR, NOT_DONE, OK, Misuse, Pacemaker, Problem, coloured, say, say_json)
from paf.cli.configuration.options import release as release_of
from paf.cli.status import status, votequorum
from paf.decide.knowledge import Known, is_known
from paf.deadline import Deadline
from paf.instance import controldata, limits, postmaster, psql, settings
from paf.instance.server import quoted

HELP = "look for mistakes in the cluster, on this host and in its server"
TEXT = """Checks the cluster's configuration, this host and the settings of its server (as root, on
each node in turn), and prints for each mistake why it matters and the very commands that fix it.
With --all the servers of all nodes are asked over their database ports and compared: settings that
differ, restarts that are pending, versions. UNSEEN says what this node could not look at.
Before a resource exists, --pgdata and --bindir name the instance. With --cib, only the
configuration in that file is looked at. Python's lxml and psycopg2 are used if they are there.
""" + variant.PAGES + "/schemas/check.json describes the JSON."
EXAMPLES = ("paf check", "paf check --all", "paf check --cib planned.xml",
            "paf check --bindir /usr/lib/postgresql/15/bin --pgdata /etc/postgresql/15/main "
            "--datadir /var/lib/postgresql/15/main",
            "paf check --output json")
EXIT_CODES = ((OK, "nothing found"), (NOT_DONE, "warnings"), (ERROR, "errors"))

_PATIENCE = 10.0
_COLOURS = {finding.OK: "green", finding.UNSEEN: None, finding.WARNING: "yellow",
            finding.ERROR: "red"}
_CLUSTER = (
    ("Pacemaker", release.release),
    ("fencing", clusterchecks.fencing), ("cluster properties", clusterchecks.properties),
    ("defaults", clusterchecks.defaults), ("clone", clusterchecks.clone),
    ("enabled", clusterchecks.running), ("nodes", clusterchecks.nodes),
    ("leftovers", clusterchecks.leftovers),
    ("operations", operations.operations), ("monitors", operations.monitors),
    ("parameters", operations.values), ("address", address.address),
    ("order", address.others), ("other resources of PAF", neighbours.neighbours))
_INSTANCE_OPTIONS = ("bindir", "datadir", "pghost", "pgport", "start_opts", "system_user")


def arguments(parser):
    """Declare the verb's arguments."""
    parser.add_argument("--resource", metavar="NAME", default="",
                        help="look at one of several resources only")
    parser.add_argument("--cib", metavar="FILE", help="look at the CIB in a file, and nothing else")
    parser.add_argument("--pgdata", metavar="FOLDER",
                        help="look at this host and this instance; there need not be a resource")
    for name in _INSTANCE_OPTIONS:
        parser.add_argument("--" + name.replace("_", "-"), dest=name, metavar="VALUE",
                            help="with --pgdata: the agent's parameter {0}".format(name))
    parser.add_argument("--all", action="store_true",
                        help="compare the servers of all nodes, as far as this node sees them")
    parser.add_argument("--output", choices=("text", "json"), default="text",
                        help="the form of the answer (text)")


def run(options):
    """Print what was found; return the exit code."""
    require_sense(options)
    with interruptions.Patience(status.SLOW):
        found = list(_as_far_as_possible(examine(options, Pacemaker())))
    if options.output == "json":
        say_json([dict(item._asdict(), check=name, level=item.level)
                  for name, item in found if item] + [
                      {"check": name, "level": finding.OK} for name, item in found if not item])
    else:
        show(found)
    levels = [item.level for _, item in found if item]
    return (ERROR if finding.ERROR in levels else NOT_DONE if finding.WARNING in levels else OK)


def _as_far_as_possible(pairs):
    """Yield the pairs of a check, and as the last one why it went no further.

    Raises Problem, OcfError where it has not begun.
    """
    begun = False
    try:
        for pair in pairs:
            begun = True
            yield pair
    except (Problem, ocf.OcfError) as error:
        if not begun:
            raise
        yield "the rest", finding.error(str(error), "it was not looked at any further")


def require_sense(options):
    """Raise Misuse for an option that would have no effect."""
    if options.cib is not None and (options.pgdata or options.all):
        raise Misuse("with --cib only that file is looked at: leave {0} out".format(
            "--pgdata" if options.pgdata else "--all"))
    given = [name for name in _INSTANCE_OPTIONS if getattr(options, name)]
    if given and not options.pgdata:
        raise Misuse("--{0} has no effect without --pgdata: name the data directory too".format(
            given[0].replace("_", "-")))


def examine(options, pacemaker):
    """Yield (name of the check, Finding or None: all is well).

    Of several resources of PAF all are looked at, unless one is named: the checks then begin with
    the resource's name.
    """
    if options.pgdata and options.cib is None:
        for pair in _of_this_node(options, instance_from(options), None, None, pacemaker):
            yield pair
        return
    text = pacemaker.cib() if options.cib is None else _read(options.cib)
    configured = configuration.parse(text, time.time())
    gone, votes = [], None
    if options.cib is None:
        listed = nodelist.names(pacemaker, nodelist.heard(configured.root))
        gone = nodelist.removed(configured.root, listed)
        for pair in _checked("removed nodes", clusterchecks.removed(gone, listed)):
            yield pair
        votes = votequorum.of(pacemaker)
        for pair in _checked("quorum", clusterchecks.quorum(votes)):
            yield pair
    configured = _without(configured, gone)
    names = [item.name for item in configured.resources if item.kind != "bundle"]
    alone = bool(options.resource) or len(names) < 2
    for name in [options.resource] if alone else names:
        managed = configuration.find(configured, name)
        found = [of_cib(text, managed.name, gone, votes)]
        if options.cib is None:
            found.append(_checked("head start", clusterchecks.head_start(
                configured, managed, votes)))
            found.append(_of_watchdog(configured))
            here = configuration.find(configured, managed.name, pacemaker.node)
            found.append(_of_this_node(options, dialect.instance_of(here), managed, configured,
                                       pacemaker))
        for check_name, item in itertools.chain(*found):
            yield check_name if alone else "{0}: {1}".format(name, check_name), item


def _of_watchdog(configured):
    """Yield what is found of this host's watchdog, where lost nodes are left to it."""
    if clusterchecks.is_left_to_watchdogs(configured):
        for pair in _checked("pauses", host.pauses()):
            yield pair
    if devices.watchdog(configured):
        for pair in _checked("SBD", sbd.timeouts(configured)):
            yield pair


def _of_this_node(options, instance, managed, configured, pacemaker):
    if managed is not None:    # a node that is there for the quorum alone has no server
        barred = configuration.barred(configured, configuration.names_of(managed))
        configured = _without(configured, barred)
        if barred and pacemaker.node() in barred:
            yield "no instance is to run here", None
            return
    for pair in of_host(instance):
        yield pair
    for pair in of_instance(instance, managed, configured, pacemaker):
        yield pair
    if options.all:
        for pair in of_all(instance, configured, pacemaker):
            yield pair


def of_all(instance, configured, pacemaker):
    """Yield what the servers of all nodes say, asked from here, and what could not be seen."""
    deadline = Deadline(_PATIENCE)
    places, node = servers.addresses(pacemaker), pacemaker.node()
    names = configured.nodes if configured else sorted(places)
    try:
        conninfo = settings.conninfo(instance, deadline)
        version = local.version(instance)
    except ocf.OcfError as error:
        yield "all nodes", host.unreadable(error) or finding.warning(
            "the other nodes' servers were not asked: {0}".format(error),
            "primary_conninfo of this node leads to them: run paf check --all on another node")
        return
    found = {}
    for name in names:
        found[name] = peers.here(instance, version) if name == node else peers.there(
            instance, conninfo, places.get(name, name), version)
    for pair in peers.compare(found, node):
        yield pair


def _read(name):
    try:
        with open(name, "rb") as stream:
            return runner.text(stream.read())
    except (IOError, OSError) as error:
        raise Problem("cannot read {0}: {1}".format(name, error.strerror))


def instance_from(options):
    """Return the Instance that options describe, parameters by their names."""
    names = _INSTANCE_OPTIONS + ("pgdata",)
    variables = dict(("OCF_RESKEY_" + name, getattr(options, name)) for name in names
                     if getattr(options, name))
    return local.of(parameters.read(ocf.Environment(variables)))


def _checked(name, findings):
    """Yield (name, Finding) of each, or (name, None) when there is none."""
    nothing = True
    for item in findings:
        nothing = False
        yield name, item
    if nothing:
        yield name, None


def _without(configured, gone):
    """Return a Configuration without some nodes, such as those removed: they need no fencing."""
    return configured._replace(nodes=[name for name in configured.nodes if name not in gone])


def of_cib(text, resource, gone=(), votes=None):
    """Yield what is found in a CIB (XML, str). gone: nodes in it that count for nothing.

    votes: votequorum.Votes of its cluster, None in a file.
    """
    configured = _without(configuration.parse(text, time.time()), gone)
    managed = configuration.find(configured, resource)
    for name, check in _CLUSTER:
        for pair in _checked(name, check(configured, managed)):
            yield pair
    for pair in _checked("watchdogs", clusterchecks.watchdogs(configured, votes)):
        yield pair
    etree = schemas.lxml_or_none()
    if etree is None:
        yield "schemas", _missing("lxml", "the schemas of the CIB and of the agent's meta-data")
        return
    for pair in _checked("schema of the CIB", schemas.cib(etree, text)):
        yield pair
    for pair in _checked("schema of the agent", schemas.agent(etree)):
        yield pair


def _missing(module, what):
    package = "python3-" + module if sys.version_info[0] == 3 else "python-" + module
    installer = "apt-get install" if os.path.exists("/etc/debian_version") else "yum install"
    return finding.warning("{0} is not installed".format(package),
                           "{0} are not checked".format(what),
                           finding.both("{0} {1}".format(installer, package)))


def of_host(instance):
    """Yield what is found on this host."""
    deadline = Deadline(_PATIENCE)
    for name, check in (("programs", host.programs(instance)),
                        ("data directory", host.directory(instance, deadline)),
                        ("service", host.service()),
                        ("after a reboot", host.reboot(instance)),
                        ("logout", host.logout(instance))):
        for pair in _checked(name, check):
            yield pair


def of_instance(instance, managed, configured, pacemaker):
    """Yield what the running server says; where none runs, that it was not asked."""
    running = Known(None) if instance.owner is None else postmaster.find(instance)
    if not is_known(running):
        yield "server", finding.warning(
            "whether a server runs here is not known: {0}".format(running.reason),
            "its settings are not checked: run paf check as root")
        return
    if running.value is None:
        yield "server", finding.warning(
            "no server runs here", "its settings are not checked: start the resource, or the "
            "server by hand, and check again")
        return
    answer = _ask(instance)
    if answer is None:
        yield "server", _missing("psycopg2", "the server's settings")
        return
    if "error" in answer:
        yield "server", finding.error(
            "the server refuses our questions: {0}".format(answer["error"]),
            "the agent needs to connect to it as {0}, without a password".format(
                instance.parameters.system_user))
        return
    subject = _subject(instance, managed, configured, pacemaker, answer)
    for name, rule in server.RULES + slotchecks.RULES + primary.RULES:
        for pair in _checked(name, rule(subject)):
            yield pair


def _ask(instance):
    """Return what ask.py says (dict); None without psycopg2."""
    where = instance.parameters
    target = "host='{0}' port={1} user='{2}' dbname=postgres connect_timeout=5".format(
        where.pghost, where.pgport, where.system_user)
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ask.py")
    deadline = Deadline(_PATIENCE)
    # none of these is a setting that is asked for: the session's value is what the server shows
    options = "-c role=none " + psql.options(instance)
    result = psql.without_triggers(instance, {"PGOPTIONS": options}, lambda environment: runner.run(
        [sys.executable, "-IB" if sys.version_info[0] == 3 else "-EsB", script, target],
        deadline, user=local.owner(instance), env=environment))
    if result.status == 3:
        return None
    if result.status != 0:
        return {"error": " ".join(result.err.split()) or "no answer in time"}
    return json.loads(result.out)


def _subject(instance, managed, configured, pacemaker, answer):
    deadline = Deadline(_PATIENCE)
    places = servers.addresses(pacemaker)
    node = pacemaker.node()
    where = instance.parameters
    try:
        conninfo = settings.conninfo(instance, deadline)
    except ocf.OcfError:
        conninfo = answer["settings"].get("primary_conninfo", "")
    vips = [] if configured is None else [
        vip.parameters["ip"] for vip in configuration.vips_of(configured, managed)
        if "ip" in vip.parameters]
    control = controldata.read(instance, deadline)
    psql = "runuser -u {0} -- {1} -X -q -h {2} -p {3} -d postgres".format(
        where.system_user, local.program(instance, "psql"), where.pghost, where.pgport)
    clone = managed.clone if managed else "RESOURCE"
    return server.Checked(
        settings=answer["settings"], rules=hba.rules(answer["hba"]),
        slots=[slotchecks.Row(*row) for row in answer["slots"]],
        in_recovery=answer["in_recovery"], conninfo=conninfo, node=node,
        nodes=configured.nodes if configured else sorted(places) or [node],
        own=hba.resolved(places.get(node, node)), vips=vips,    # corosync may have a name
        rejoin=where.rejoin, psql=psql, resource=clone,
        restart=_restart(instance, managed, configured, node, psql, answer),
        upstream=primary.primary(instance, conninfo, deadline) if answer["in_recovery"]
        else {},
        mine={"system_identifier": control.value.system_identifier if is_known(control)
              else None,
              "major": primary.major(int(answer["settings"]["server_version_num"]))},
        limits=limits.look(instance, deadline),
        clock=answer["clock"][0] if answer["clock"] else None,
        files=host.files(where.datadir, server.MANY_FILES), owner=where.system_user,
        keeps_slots=where.slots is True,
        kept_off=managed is not None and node in configuration.barred(
            configured, configuration.names_of(managed), ("", "Started", "Promoted")))


def _restart(instance, managed, configured, node, psql, answer):
    """Return the commands (list of str) that restart this server, by its role.

    One that is not known to be a standby may be the primary, which is not to move without a word.
    A setting counts as pending only once the server has read it.
    """
    where = instance.parameters
    # up to PostgreSQL 15 a server does not start in a folder that its account may not enter
    pg_ctl = "cd / && runuser -u {0} -- {1}".format(where.system_user, quoted(
        [local.program(instance, "pg_ctl"), "restart", "-D", where.pgdata]))
    release = release_of(configured) if configured else ()
    if answer["in_recovery"] is True:
        return finding.restart(release, managed.clone if managed else "RESOURCE", node, pg_ctl)
    several = configured is not None and len(configured.resources) > 1
    name = None if managed is None else managed.name if several else ""
    return ["{0} -c {1}".format(psql, quoted(["SELECT pg_reload_conf()"]))] + (
        finding.restart_primary(release, name, pg_ctl,
                                int(answer["settings"]["server_version_num"])))


def show(found):
    """Print the findings for people."""
    for name, item in found:
        level = item.level if item else finding.OK
        say("{0} {1}{2}".format(coloured("{0:<8}".format(level), _COLOURS[level]), name,
                                ": " + item.what if item else ""))
        if not item:
            continue
        say("         why: {0}".format(item.why))
        if item.pcs == item.crm:
            for command in item.pcs:
                say("         run: {0}".format(command))
            continue
        for spelling, commands in (("pcs", item.pcs), ("crm", item.crm)):
            for command in commands:
                say("         {0}: {1}".format(spelling, command))
