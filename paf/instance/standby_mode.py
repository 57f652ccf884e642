"""What makes the server start as a standby: standby.signal, or recovery.conf up to PostgreSQL 11.

Source: PostgreSQL manual, "Standby Server Settings" (12 and later), "Recovery Configuration"
(11 and before). Nothing else in the data directory is ever written.
"""

import errno
import os

from paf import instance as local
from paf import runner
from paf.ocf import BadParameter, NotUsable

FIRST_WITH_SIGNAL = 120000
_LARGEST_TEMPLATE = 1 << 20    # bytes

# What a template has to say: text for people, pattern of a line
_REQUIRED = (
    ("standby_mode = on", r"(?m)^\s*standby_mode\s*=\s*'?on'?\s*(?:#.*)?$"),
    ("recovery_target_timeline = 'latest'",
     r"(?m)^\s*recovery_target_timeline\s*=\s*'?latest'?\s*(?:#.*)?$"),
)
_CONNINFO = r"(?m)^\s*primary_conninfo\s*=\s*'((?:[^'\\]|''|\\.)*)'"


def enable(instance):
    """Make the next start of the server one as a standby. Raises NotUsable, BadParameter.

    The file is made anew under another name and put in place: a symbolic link that somebody
    left there is replaced, never followed.
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
    """Return what a recovery template lacks: a list of sentences."""
    import re
    found = []
    for wanted, pattern in _REQUIRED:
        if not re.search(pattern, text):
            found.append("the recovery template must contain: {0}".format(wanted))
    if template_conninfo(text) is None:
        found.append("the recovery template must contain a primary_conninfo")
    return found


def template_conninfo(text):
    """Return the primary_conninfo of a recovery.conf's text, unquoted; None without one."""
    import re
    found = re.findall(_CONNINFO, text)
    return found[-1].replace("''", "'") if found else None


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
    """Make a file anew under another name, and put it in place."""
    fresh = target + ".pgsqlms"
    _remove(fresh)    # of a start that was killed
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, content)
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
