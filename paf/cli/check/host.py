"""paf check: this host: programs, PostgreSQL's own service, what is gone after a reboot."""

import errno
import glob
import os
import re

from paf import instance as local
from paf import ocf, runner, variant
from paf.cli import finding
from paf.deadline import Deadline
from paf.decide.knowledge import is_known
from paf.instance import controldata, settings, standby_mode

_AGENT = "/usr/lib/ocf/resource.d/heartbeat/pgsqlms"
_UNITS = "/etc/systemd/system/*.wants/postgresql*.service"
_TMPFILES = ("/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/lib/tmpfiles.d")
_LOGIND = ("/etc/systemd/logind.conf", "/etc/systemd/logind.conf.d/*.conf",
           "/usr/lib/systemd/logind.conf.d/*.conf")
_LAST_SYSTEM_ACCOUNT = 999
#: There systemd is built with RemoveIPC=no: since EL 9's 248, and in 2018's packages of Fedora.
_RED_HAT = "/etc/redhat-release"
_CPUINFO = "/proc/cpuinfo"
_PATIENCE = 10.0    # seconds for a program to say its version


def programs(instance, root=""):
    """The agent and PostgreSQL's programs are there."""
    if not os.access(root + _AGENT, os.X_OK):
        yield finding.error("{0} is missing".format(_AGENT), "install resource-agents-paf here")
    try:
        settings.check_programs(instance, Deadline(_PATIENCE))
    except ocf.OcfError as error:
        yield unreadable(error) or finding.error(
            str(error), "the agent cannot work without; is bindir that of the version of the data "
            "directory?")


def unreadable(error):
    """Return the Finding where not the instance is wrong, but root's rights are missing; or None.
    """
    if os.geteuid() == 0 or os.strerror(errno.EACCES) not in str(error):
        return None
    return finding.warning("not looked at: {0}".format(error), "run paf check as root")


def directory(instance, deadline):
    """The data directory can be used by the agent."""
    try:
        owner = local.owner(instance)
        version = local.version(instance)
    except ocf.OcfError as error:
        yield unreadable(error) or finding.error(
            str(error), "the agent does not start such an instance")
        return
    if os.stat(instance.parameters.datadir).st_uid != owner.uid:
        yield finding.error(
            "{0} does not belong to {1}".format(instance.parameters.datadir, owner.name),
            "the server does not start",
            finding.both("chown -R {0}: {1}".format(owner.name, instance.parameters.datadir)))
    control = controldata.read(instance, deadline)
    if not is_known(control):
        yield finding.error("the control file cannot be read: {0}".format(control.reason),
                            "the data directory is damaged, or bindir is of another version")
    template = instance.parameters.recovery_template
    if version >= standby_mode.FIRST_WITH_SIGNAL and os.path.exists(template):
        yield finding.error(
            "{0} exists".format(template),
            "since PostgreSQL 12 standby settings are in postgresql.conf: the agent refuses to "
            "start", finding.both("rm {0}".format(template)))


def files(folder, most):
    """Return how many files are in a folder (int), `most` where there are so many or more."""
    count = 0
    for _, _, names in os.walk(folder):
        count += len(names)
        if count >= most:
            return most
    return count


def service(root=""):
    """Only Pacemaker starts PostgreSQL."""
    for path in sorted(glob.glob(root + _UNITS)):
        name = os.path.basename(path)
        if name == "postgresql.service" and _only_starts_what_is_automatic(path):
            for settings in sorted(glob.glob(root + "/etc/postgresql/*/*/postgresql.conf")):
                conf = os.path.join(os.path.dirname(settings), "start.conf")
                if _is_automatic(conf):
                    yield finding.error(
                        "systemd starts the cluster of {0} at boot".format(conf[len(root):]),
                        _SERVICE_WHY, finding.both("echo manual > {0}".format(conf[len(root):])))
            continue
        yield finding.error("systemd starts {0} at boot".format(name), _SERVICE_WHY,
                            finding.both("systemctl disable {0}".format(name)))


_SERVICE_WHY = "an old primary comes up as a primary again, beside the new one, before " \
               "Pacemaker runs"


def _only_starts_what_is_automatic(path):
    """Debian's postgresql.service runs nothing itself: start.conf says what belongs to it."""
    text = _text(path)
    return not text or "ExecStart=/bin/true" in text


def _is_automatic(path):
    """Without the file, or a word in it, Debian's scripts take auto."""
    words = [line.partition("#")[0].strip() for line in _text(path).splitlines()]
    return [word for word in words if word][:1] in ([], ["auto"])


def _text(path):
    try:
        with open(path, "rb") as stream:
            return runner.text(stream.read())    # a comment may be in any encoding
    except (IOError, OSError):
        return ""


def reboot(instance, root=""):
    """The socket's folder is there again after a reboot."""
    folder = os.path.normpath(instance.parameters.pghost)
    if folder.startswith("/var/run/"):
        folder = folder[len("/var"):]
    if not folder.startswith("/run/"):
        return
    for place in _TMPFILES:
        for name in glob.glob(root + place + "/*.conf"):
            if re.search(r"(?m)^[dDqQ]\S*\s+(?:/var)?{0}/?\s".format(re.escape(folder)),
                         _text(name)):
                return
    owner = instance.parameters.system_user
    yield finding.error(
        "nothing makes {0} after a reboot".format(folder),
        "/run is empty then, and the server cannot make its socket",
        finding.both("echo 'd {0} 2775 {1} {1} -' > /etc/tmpfiles.d/paf.conf".format(
            folder, owner)))


def logout(instance, root=""):
    """systemd leaves the server's shared memory alone."""
    if instance.owner is None or instance.owner.uid <= _LAST_SYSTEM_ACCOUNT:
        return    # RemoveIPC spares system accounts
    value = None
    for pattern in _LOGIND:
        for name in sorted(glob.glob(root + pattern)):
            for found in re.findall(r"(?m)^\s*RemoveIPC\s*=\s*(\w+)", _text(name)):
                value = found
    if value is None and os.path.exists(root + _RED_HAT):
        yield finding.unseen(
            "whether systemd removes the shared memory of {0} at its logout is not known".format(
                instance.owner.name),
            "no file sets RemoveIPC, and the default in Red Hat's packages is not the same in all "
            "versions: busctl get-property org.freedesktop.login1 /org/freedesktop/login1 "
            "org.freedesktop.login1.Manager RemoveIPC shows it")
    elif (value or "yes").lower() not in ("no", "false", "0", "off"):
        yield finding.error(
            "systemd removes the shared memory of {0} at its logout".format(instance.owner.name),
            "it is no system account, and logind has RemoveIPC=yes: the server breaks",
            finding.both("mkdir -p /etc/systemd/logind.conf.d",
                         "printf '[Login]\\nRemoveIPC=no\\n' > /etc/systemd/logind.conf.d/paf.conf",
                         "systemctl restart systemd-logind"))


def pauses(root=""):
    """Nothing pauses this host behind its watchdog's back. Only where the watchdog fences it.

    Linux shows the flag "hypervisor" on x86 only.
    """
    flags = re.search(r"(?m)^flags\s*:(.*)", _text(root + _CPUINFO))
    if not flags:
        yield finding.unseen(
            "whether this is a virtual machine is not known",
            "a watchdog inside of one does not count while it is paused: {0}/fencing.md has what "
            "follows".format(variant.PAGES))
    elif "hypervisor" in flags.group(1).split():
        yield finding.warning(
            "SBD without a device fences this virtual machine",
            "a watchdog inside does not count while the machine is paused (snapshot, live "
            "migration): after a long pause it goes on as a primary for some seconds, beside its "
            "successor. Add a device that asks the host (fence_virsh, fence_vmware_rest)")
