"""paf create: the commands that make a complete configuration, from a few answers."""

import os
import shutil
import sys
import tempfile

from paf import metadata, ocf, runner
from paf.cli import check, configuration, finding
from paf.cli.alert import send
from paf.cli.check import hba
from paf.cli.common import (
    ERROR, NOT_DONE, OK, PATIENCE, Misuse, Pacemaker, Problem, answer, complain, confirmed, say,
    write)
from paf.deadline import Deadline
from paf.instance.server import quoted

HELP = "print or run the commands that create the resource, its address and constraints"
TEXT = """Prints the pcs or crmsh commands for a complete configuration: resource, clone,
operations, address, constraints, defaults. What is not given is asked for on a terminal. Before
they are printed, the commands are run on a copy of the cluster's configuration; then paf check
looks at the result, at this host and at its instance; --apply runs them for real if it finds no
error. Fencing devices are not made: they depend on your hardware."""
EXAMPLES = ("paf create --bindir /usr/lib/postgresql/15/bin "
            "--pgdata /etc/postgresql/15/main --datadir /var/lib/postgresql/15/main "
            "--vip 192.168.1.50/24",
            "paf create --crmsh --pgdata /var/lib/pgsql/data --bindir /usr/bin --vip 10.0.0.5/24 "
            "--apply")
EXIT_CODES = ((OK, "printed, or applied"), (NOT_DONE, "not confirmed: nothing was changed"),
              (ERROR, "paf check found an error, or a command failed"))

_PARAMETERS = ("bindir", "pgdata", "datadir", "pghost", "pgport", "system_user", "start_opts",
               "maxlag", "rejoin", "crash_watch", "slots")
_ASKED = (("bindir", "Folder of PostgreSQL's programs"), ("pgdata", "Data directory"),
          ("vip", "Virtual address with its prefix, such as 192.168.1.50/24 (empty: none)"))
_OPERATIONS = ("start", "stop", "promote", "demote", "notify")
#: The priority gives the primary's node a head start where two nodes fence each other, once
#: priority-fencing-delay is set; without that property it changes nothing.
_META = ["notify=true", "interleave=true", "priority=1"]
_NEEDED = ("bindir", "pgdata")
_ALERT = "/usr/share/resource-agents-paf/paf-alert"    # where make install puts it
_FOLDERS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
_INFINITY = 1000000
_PATIENCE = 60.0    # seconds for each command of a cluster shell


def arguments(parser):
    """Declare the verb's arguments."""
    for name in _PARAMETERS:
        parser.add_argument("--" + name.replace("_", "-"), dest=name, metavar="VALUE",
                            help="the agent's parameter {0}".format(name))
    parser.add_argument("--name", default="pgsqld", help="name of the resource (pgsqld)")
    parser.add_argument("--vip", metavar="ADDRESS/PREFIX", help="the address of the primary")
    parser.add_argument("--nic", metavar="DEVICE", help="the address's network device")
    parser.add_argument("--alert", metavar="WHERE",
                        help="have failovers announced, to syslog or to a mail address: see paf "
                             "alert")
    parser.add_argument("--pcs", action="store_const", dest="shell", const="pcs",
                        help="use pcs (where it is installed, it is the default)")
    parser.add_argument("--crmsh", action="store_const", dest="shell", const="crm",
                        help="use crmsh")
    parser.add_argument("--apply", action="store_true", help="run the commands")
    parser.add_argument("--yes", action="store_true", help="with --apply: do not ask")


def run(options):
    """Print or run the commands; return the exit code."""
    _complete(options)
    shell = options.shell or ("pcs" if _is_there("pcs") else "crm")
    if not _is_there(shell):
        raise Problem("{0} is not installed here".format(shell))
    pacemaker = Pacemaker()
    configured = configuration.parse(pacemaker.cib())
    vet(options.vip, configured)
    commands = list(plan(options, shell, configured))
    copy = Copy()
    try:
        return _go_on(options, commands, shell, pacemaker, copy)
    finally:
        copy.remove()


def _go_on(options, commands, shell, pacemaker, copy):
    """Look at what the commands would make, and make it if that is requested."""
    _rehearse(commands, shell, options, pacemaker, copy)
    for line in shown(commands, shell):
        say(line)
    found = _examine(options, copy)
    if any(item.level == finding.ERROR for _, item in found):
        complain("not applied: fix the errors first" if options.apply else
                 "fix the errors before you run these commands")
        return ERROR
    if not options.apply:
        return OK
    if not options.yes and not confirmed("Run these commands now? [y/N]"):
        complain("not confirmed, nothing was changed")
        return NOT_DONE
    try:
        copy.apply(pacemaker)
    except (Problem, KeyboardInterrupt):
        complain("whether the configuration was changed is not known: look at paf check before "
                 "you run this again")
        raise
    say("done: look at paf status")
    return OK


def shown(commands, shell):
    """Yield the commands so that all of them take effect at once, or none; pure."""
    if shell == "pcs":
        yield "pcs cluster cib paf.xml && cp paf.xml paf.orig.xml"
        for command in commands:
            yield quoted(["pcs", "-f", "paf.xml"] + command[1:])
        yield "pcs cluster cib-push paf.xml diff-against=paf.orig.xml"
        return
    yield "crm configure <<'END'"
    for command in commands:
        yield quoted(command[2:])
    yield "commit"
    yield "END"


def _complete(options):
    if configuration.strange([options.name]):
        raise Misuse("the name {0!r} has other characters than those of ASCII: Pacemaker's "
                     "programs since 2.1 do not take it".format(options.name))
    for name, question in _ASKED:
        if getattr(options, name) is None and sys.stdin is not None and sys.stdin.isatty():
            write(sys.stdout, question + ": ")
            setattr(options, name, answer() or None)
    missing = [name for name in _NEEDED if not getattr(options, name)]
    if missing:
        raise Misuse("missing: {0}".format(" and ".join("--" + name for name in missing)))


def vet(vip, configured):
    """Raise Problem for an address that cannot be, or that the cluster has already; pure.

    vip: ADDRESS/PREFIX (str), None for none. The agent of the address looks at it when it starts.
    """
    if not vip:
        return
    address, slash, prefix = vip.partition("/")
    packed = hba.packed_of(address)
    if not packed:
        raise Misuse("--vip {0}: {1!r} is no address".format(vip, address))
    longest = len(packed) * 8
    if slash and prefix not in [str(number) for number in range(longest + 1)]:
        raise Misuse("--vip {0}: {1!r} is no length of a prefix, which is up to {2}".format(
            vip, prefix, longest))
    for other in configured.vips:
        if hba.packed_of(other.parameters.get("ip", "")) == packed:
            raise Problem("{0} has the address {1} already".format(other.name, address))


def _is_there(program):
    return bool(_path_of(program))


def _path_of(program):
    """Return where a program is (str); "" where it is not installed."""
    for folder in _FOLDERS:
        if os.access(os.path.join(folder, program), os.X_OK):
            return os.path.join(folder, program)
    return ""


def plan(options, shell, configured=None):
    """Yield the commands, each a list of words; pure.

    configured: the cluster's Configuration, None where there is nothing in it yet.
    """
    values = ["{0}={1}".format(name, getattr(options, name)) for name in _PARAMETERS
              if getattr(options, name)]
    clone, vip = options.name + "-clone", options.name + "-ip"
    yield (_pcs_resource if shell == "pcs" else _crm_resource)(options.name, values)
    defaults = _defaults(configured)
    is_plain = configured is None or configuration.has_plain_defaults(configured)
    meta = _META + _against(configured) + [
        "{0}={1}".format(*pair) for pair in defaults if not is_plain]
    if shell == "pcs":
        # a command of its own: behind "promotable", each pcs wants these in another way
        yield ["pcs", "resource", "meta", clone] + meta
    else:
        yield ["crm", "configure", "clone", clone, options.name, "meta", "promotable=true"] + meta
    cures = [finding.default_is(*pair) for pair in defaults if is_plain]
    if options.vip:
        yield _vip(options, vip, shell)
        cures += [finding.colocated(vip, clone), finding.ordered(clone, "promote", vip, "start"),
                  finding.ordered(clone, "demote", vip, "stop")]
    for pcs, crm in cures:
        for command in pcs if shell == "pcs" else crm:
            yield command.split()
    if options.alert:
        for command in _alert(options.alert, shell):
            yield command


def _against(configured):
    """Return what the clone needs of its own as the cluster's defaults have it otherwise: a list.

    They hold for other resources, which may need them.
    """
    there = configured.rsc_defaults if configured else {}
    found = {"requires=fencing": there.get("requires", "").lower() in ("quorum", "nothing"),
             "globally-unique=false": configuration.is_true(there.get("globally-unique", ""))}
    return sorted(word for word in found if found[word])


def _defaults(configured):
    """Return what the resource needs and the cluster's defaults have not: a list of (name, value).

    What they have holds for other resources as well: one that is good is left alone. A value of 1
    is not: pcs makes each new cluster with that stickiness, and a clone has it in any case.
    """
    there = configured.rsc_defaults if configured else {}
    return [(name, value) for name, value in (("migration-threshold", "5"),
                                              ("resource-stickiness", "10"))
            if not 1 < configuration.points(there.get(name)) < (
                _INFINITY + (name == "resource-stickiness"))]


def _alert(recipient, shell):
    """Return the commands (list) that have Pacemaker run paf alert."""
    if send.kind_of(recipient) == send.WEBHOOK:
        raise Misuse("--alert takes syslog or a mail address: the address of a webhook may be a "
                     "secret, and every user sees the arguments of commands")
    if shell == "pcs":
        return [["pcs", "alert", "create", "path=" + _ALERT, "id=paf-alert", "meta",
                 "timeout=60s"],
                ["pcs", "alert", "recipient", "add", "paf-alert", "value=" + recipient]]
    return [["crm", "configure", "alert", "paf-alert", _ALERT, "meta", "timeout=60s", "to",
             recipient]]


def _pcs_resource(name, values):
    words = ["pcs", "resource", "create", name, "ocf:heartbeat:pgsqlms"] + values
    for operation in _OPERATIONS:
        words += ["op", operation, "timeout={0}s".format(metadata.timeout(operation))]
    for interval, role in ((15, finding.PROMOTED), (16, finding.UNPROMOTED)):
        words += ["op", "monitor", "interval={0}s".format(interval), "timeout=10s",
                  "role=" + role]
    return words + ["promotable"]


def _crm_resource(name, values):
    words = ["crm", "configure", "primitive", name, "ocf:heartbeat:pgsqlms", "params"] + values
    for operation in _OPERATIONS:
        words += ["op", operation, "timeout={0}s".format(metadata.timeout(operation)),
                  "interval=0"]
    for interval, role in ((15, finding.PROMOTED), (16, finding.UNPROMOTED)):
        words += ["op", "monitor", "interval={0}s".format(interval), "timeout=10s",
                  "role=" + role]
    return words


def _vip(options, name, shell):
    address, _, prefix = options.vip.partition("/")
    values = ["ip=" + address] + ["cidr_netmask=" + prefix] * bool(prefix)
    values += ["nic={0}".format(options.nic)] * bool(options.nic)
    if shell == "pcs":
        return (["pcs", "resource", "create", name, "ocf:heartbeat:IPaddr2"] + values
                + ["op", "monitor", "interval=10s"])
    return (["crm", "configure", "primitive", name, "ocf:heartbeat:IPaddr2", "params"] + values
            + ["op", "monitor", "interval=10s", "timeout=20s"])


class Copy(object):
    """A copy of the CIB to try things on, and the CIB as it was."""

    def __init__(self):
        self._folder = tempfile.mkdtemp(prefix="paf-create-")
        self.name = os.path.join(self._folder, "new.xml")
        self._original = os.path.join(self._folder, "old.xml")
        self._patch = os.path.join(self._folder, "patch.xml")

    def fill(self, text):
        """Begin with a CIB (XML, str)."""
        _write(self.name, text)
        _write(self._original, text)

    def apply(self, pacemaker):
        """Make what differs in the cluster, all at once. Raises Problem."""
        patch = pacemaker.run("crm_diff", "--original", self._original, "--new", self.name,
                              "--no-version").out
        _write(self._patch, patch)
        # once: a patch without a version would be applied to what it has made
        pacemaker.wait(PATIENCE, "cibadmin", "--patch", "--xml-file", self._patch)

    def remove(self):
        """Remove every trace."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _write(name, text):
    with open(name, "wb") as stream:
        stream.write(runner.data(text))


def _rehearse(commands, shell, options, pacemaker, copy):
    """Run the commands on a copy of the CIB. Raises Problem."""
    text = pacemaker.cib()
    if any(options.name in configuration.names_of(item)
           for item in configuration.parse(text).resources):
        raise Problem("there is a resource {0} already".format(options.name))
    copy.fill(text)
    for command in commands:
        rehearsal = ["pcs", "-f", copy.name] + command[1:] if shell == "pcs" else command
        _call(rehearsal, dict(os.environ, CIB_file=copy.name))


def _examine(options, copy):
    """Return what paf check finds in the copy and on this host, and print it."""
    with open(copy.name, "rb") as stream:
        found = list(check.of_cib(runner.text(stream.read()), options.name))
    found += list(check.of_host(check.instance_from(options)))
    found = [pair for pair in found if pair[1]]
    if found:
        say("")
        check.show(found)
    return found


def _call(command, environment):
    """Run one of the cluster shell's commands. Raises Problem with what it says."""
    words = quoted(command)
    try:
        result = runner.run([_path_of(command[0]) or command[0]] + command[1:],
                            Deadline(_PATIENCE), env=environment)
    except ocf.OcfError as error:
        raise Problem(str(error))
    if result.timed_out:
        raise Problem("{0} did not end within {1:.0f} s and was killed; nothing was changed, it "
                      "ran on a copy of the configuration".format(words, _PATIENCE))
    if result.status != 0:
        raise Problem("{0}: {1}".format(words, (result.out + result.err).strip()))
