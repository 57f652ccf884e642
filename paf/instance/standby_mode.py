"""What makes the server start as a standby: standby.signal, or recovery.conf up to PostgreSQL 11.

Source: PostgreSQL manual, "Standby Server Settings" (12 and later), "Recovery Configuration"
(11 and before). Beside these, `put` writes postmaster.pid for pidfile.py.
"""

import errno
import os
import stat

from paf import instance as local
from paf import runner
from paf.ocf import BadParameter, failure, NotUsable

FIRST_WITH_SIGNAL = 120000
FIRST_WITHOUT_TRIGGER = 160000
_LARGEST_TEMPLATE = 1 << 20    # bytes

#: Settings that end or pause recovery by themselves, before Pacemaker promotes.
TARGETS = ("recovery_target", "recovery_target_lsn", "recovery_target_name",
           "recovery_target_time", "recovery_target_xid")


def enable(instance):
    """Make the next start of the server one as a standby. Raises OcfError.

    The file is written under another name and renamed: a symbolic link
    there is replaced, never followed. Nothing is written where it is there already; it takes the
    place of recovery.signal. A template that
    would end recovery by itself is refused here too, and so is its trigger file: they may have
    changed since they were checked, and after a demotion the server would be a second primary.
    """
    if local.version(instance) < FIRST_WITH_SIGNAL:
        text = template(instance)
        problems = template_problems(text)
        if problems:
            raise BadParameter("{0} ({1})".format(
                problems[0], instance.parameters.recovery_template))
        check_trigger(instance, template_value(text, "trigger_file"))
        put(instance, "recovery.conf", text)
        return
    if not _is_file(local.path(instance, "standby.signal")):
        put(instance, "standby.signal", "")
    forget_recovery(instance)


def check_trigger(instance, name):
    """Raise BadParameter where the file exists with which the server would promote itself.

    name: the setting (str), "" without one. Up to PostgreSQL 11 no option outweighs it. Raises
    OcfError.
    """
    path = local.path(instance, name)
    if name and local.is_there(path, os.lstat):
        raise BadParameter("the trigger file {0} exists: the server would promote itself; remove "
                           "it".format(name))


def forget_recovery(instance):
    """Remove recovery.signal, which a restore has left, where standby.signal counts. OcfError.

    The server does not look for it then, and a promotion leaves it there. After the crash of one of
    its processes it would recover as a backup does: end on another timeline than Pacemaker's
    primary had, or not run at all without a restore_command. Source: readRecoverySignalFile in
    PostgreSQL's xlogrecovery.c.
    """
    name = local.path(instance, "recovery.signal")
    if local.version(instance) < FIRST_WITH_SIGNAL or not local.is_there(name, os.lstat):
        return
    try:
        with runner.Acting(local.owner(instance)):
            _remove(name)
    except (IOError, OSError) as error:
        raise failure(error, NotUsable, "cannot remove {0}: {1}".format(name, error.strerror))


def _is_file(path):
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False    # to write it shows what is wrong


def options(instance):
    """Return the options (list of str) of a server that only Pacemaker may promote.

    They outweigh the configuration files, which may have changed while the server ran: a demotion
    and the recovery of a primary do not check them. Up to PostgreSQL 11 most are in recovery.conf.
    """
    version, settings = local.version(instance), [("hot_standby", "on")]
    if version >= FIRST_WITH_SIGNAL:
        settings += [(name, "") for name in TARGETS] + [("recovery_target_timeline", "latest")]
        if version < FIRST_WITHOUT_TRIGGER:
            settings.append(("promote_trigger_file", ""))
    return [word for name, value in settings for word in ("-c", "{0}={1}".format(name, value))]


def template(instance):
    """Return the text of recovery_template. Raises OcfError.

    What its owner cannot read is not for recovery.conf, which is his.
    """
    name = instance.parameters.recovery_template
    try:
        # bytes: it may hold any character set, in comments and in passwords
        with runner.Acting(local.owner(instance)):
            with open(name, "rb") as stream:
                return runner.text(stream.read(_LARGEST_TEMPLATE))
    except (IOError, OSError) as error:
        raise failure(error, BadParameter, "cannot read the recovery template {0}: {1}".format(
            name, error.strerror))


#: Directives by which the server reads more files. Source: PostgreSQL's guc-file.l.
_INCLUDES = ("include", "include_if_exists", "include_dir")


def template_problems(text):
    """Return what is wrong with a recovery template (its text): a list of sentences."""
    from paf.instance import recovery_conf
    try:
        values = recovery_conf.parse(text)
    except recovery_conf.BadTemplate as error:
        return ["the recovery template has a {0}".format(error)]
    found = ["the recovery template must not contain {0}, whose file is not looked at: put its "
             "lines in the template".format(name)
             for name in sorted(values) if name.lower() in _INCLUDES]
    if recovery_conf.boolean(values.get("standby_mode", "")) is not True:
        found.append("the recovery template must contain: standby_mode = on")
    if values.get("recovery_target_timeline") != "latest":
        found.append("the recovery template must contain: recovery_target_timeline = 'latest'")
    if "primary_conninfo" not in values:
        found.append("the recovery template must contain a primary_conninfo")
    for name in TARGETS:
        if values.get(name):
            found.append("the recovery template must not contain {0}: recovery would end by "
                         "itself".format(name))
    return found


def template_value(text, name):
    """Return the value (str) of a setting in a recovery.conf's text, "" without it."""
    from paf.instance import recovery_conf
    try:
        return recovery_conf.parse(text).get(name, "")
    except recovery_conf.BadTemplate:
        return ""


def template_conninfo(text):
    """Return the primary_conninfo of a recovery.conf's text, unquoted; None without one."""
    from paf.instance import recovery_conf
    try:
        return recovery_conf.parse(text).get("primary_conninfo")
    except recovery_conf.BadTemplate:
        return None


def put(instance, name, content):
    """Write a file of the data directory: name (str), content (str or bytes). Raises OcfError."""
    target = local.path(instance, name)
    try:
        with runner.Acting(local.owner(instance)):
            _replace(target, content.encode("utf-8", "surrogateescape")
                     if not isinstance(content, bytes) else content)
    except (IOError, OSError) as error:
        raise failure(error, NotUsable, "cannot write {0}: {1}".format(target, error.strerror))


def _replace(target, content):
    """Write a file under another name, and rename it."""
    fresh = target + ".pgsqlms"
    _remove(fresh)    # of a start that was killed
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        runner.write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(fresh, target)


def _remove(name):
    try:
        os.unlink(name)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
