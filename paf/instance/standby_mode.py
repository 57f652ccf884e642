"""What makes the server start as a standby: standby.signal, or recovery.conf up to PostgreSQL 11.

Source: PostgreSQL manual, "Standby Server Settings" (12 and later), "Recovery Configuration"
(11 and before). This module writes nothing else in the data directory.
"""

import errno
import os

from paf import instance as local
from paf import runner
from paf.ocf import BadParameter, NotUsable

FIRST_WITH_SIGNAL = 120000
_LARGEST_TEMPLATE = 1 << 20    # bytes

#: Settings that end recovery by themselves, before Pacemaker promotes.
_TARGETS = ("recovery_target", "recovery_target_lsn", "recovery_target_name",
            "recovery_target_time", "recovery_target_xid")


def enable(instance):
    """Make the next start of the server one as a standby. Raises NotUsable, BadParameter.

    The file is written under another name and renamed: a symbolic link
    there is replaced, never followed.
    """
    if local.version(instance) >= FIRST_WITH_SIGNAL:
        put(instance, "standby.signal", "")
    else:
        put(instance, "recovery.conf", template(instance))


def template(instance):
    """Return the text of recovery_template. Raises BadParameter.

    What its owner cannot read is not for recovery.conf, which is his.
    """
    name = instance.parameters.recovery_template
    try:
        # bytes: it may hold any character set, in comments and in passwords
        with runner.Acting(local.owner(instance)):
            with open(name, "rb") as stream:
                return runner.text(stream.read(_LARGEST_TEMPLATE))
    except (IOError, OSError) as error:
        raise BadParameter("cannot read the recovery template {0}: {1}".format(
            name, error.strerror))


def template_problems(text):
    """Return what is wrong with a recovery template (its text): a list of sentences."""
    from paf.instance import recovery_conf
    try:
        values = recovery_conf.parse(text)
    except recovery_conf.Malformed as error:
        return ["the recovery template has a {0}".format(error)]
    found = []
    if recovery_conf.boolean(values.get("standby_mode", "")) is not True:
        found.append("the recovery template must contain: standby_mode = on")
    if values.get("recovery_target_timeline") != "latest":
        found.append("the recovery template must contain: recovery_target_timeline = 'latest'")
    if "primary_conninfo" not in values:
        found.append("the recovery template must contain a primary_conninfo")
    for name in _TARGETS:
        if values.get(name):
            found.append("the recovery template must not contain {0}: recovery would end by "
                         "itself".format(name))
    return found


def template_value(text, name):
    """Return the value (str) of a setting in a recovery.conf's text, "" without it."""
    from paf.instance import recovery_conf
    try:
        return recovery_conf.parse(text).get(name, "")
    except recovery_conf.Malformed:
        return ""


def template_conninfo(text):
    """Return the primary_conninfo of a recovery.conf's text, unquoted; None without one."""
    from paf.instance import recovery_conf
    try:
        return recovery_conf.parse(text).get("primary_conninfo")
    except recovery_conf.Malformed:
        return None


def put(instance, name, content):
    """Write a file of the data directory: name (str), content (str or bytes). Raises NotUsable."""
    target = local.path(instance, name)
    try:
        with runner.Acting(local.owner(instance)):
            _replace(target, content.encode("utf-8", "surrogateescape")
                     if not isinstance(content, bytes) else content)
    except (IOError, OSError) as error:
        raise NotUsable("cannot write {0}: {1}".format(target, error.strerror))


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
