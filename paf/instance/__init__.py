"""The local PostgreSQL instance: a module for each of its programs and files.

This module has the instance's paths and owner; the others take it as their first argument.
"""

import errno
import os
from collections import namedtuple

from paf import accounts
from paf.ocf import BadParameter, is_number, lasts, NotUsable, OcfError

OLDEST = 90300
_NO_USER = "there is no system user \"{0}\" here (parameter system_user)"

#: Where the instance is and who runs it. parameters: paf.parameters.Parameters; owner:
#: paf.runner.Account, None when the system has no such user.
Instance = namedtuple("Instance", "parameters owner")


def of(parameters):
    """Return the Instance that the Parameters describe; looks up only the user."""
    return Instance(parameters, accounts.account(parameters.system_user))


def misplaced(instance):
    """Return what surely leads nowhere on this node: dict of a parameter's name to a sentence."""
    found = {}
    if instance.owner is None:
        found["system_user"] = _NO_USER.format(instance.parameters.system_user)
    elif _is_anothers(instance):
        found["system_user"] = "{0} does not belong to {1}".format(
            instance.parameters.datadir, instance.owner.name)
    try:
        if not is_there(program(instance, "postgres")):
            found["bindir"] = "bindir {0} lacks postgres".format(instance.parameters.bindir)
    except (OcfError, TypeError, ValueError):
        pass    # not known, or no path at all
    return found


def _is_anothers(instance):
    """Return whether the data directory surely belongs to another account than the owner."""
    try:
        return os.stat(instance.parameters.datadir).st_uid != instance.owner.uid
    except (OSError, TypeError, ValueError):    # not known, or no path at all
        return False


def with_earlier(instance, last_good):
    """Return the Instance with an earlier value of what leads nowhere, where that one leads there.

    last_good: dict of a parameter's name to its value (str). A mistake in a parameter keeps no
    service down that ran with another value.
    """
    from paf import parameters
    before = parameters.earlier(last_good)
    for name in sorted(misplaced(instance)):
        other = of(instance.parameters._replace(**{name: getattr(before, name)}))
        if name in last_good and name not in misplaced(other):
            instance = other
    return instance


def program(instance, name):
    """Return the path of one of PostgreSQL's programs."""
    return os.path.join(instance.parameters.bindir, name)


def path(instance, name):
    """Return the path of a file in the data directory."""
    return os.path.join(instance.parameters.datadir, name)


def owner(instance):
    """Return the Account that owns the instance. Raises BadParameter if there is none.

    OcfError where the system has no account with the number of the data directory's owner, either:
    who knows them (LDAP, sssd) may be down, and no node is banned for that.
    """
    if instance.owner is None:
        reason = _NO_USER.format(instance.parameters.system_user)
        try:
            is_known = accounts.is_account(os.stat(instance.parameters.datadir).st_uid)
        except OSError as error:
            is_known = lasts(error)
        if not is_known:
            raise OcfError("{0}; nor the owner of {1}: does what knows the users (LDAP, sssd) "
                           "answer?".format(reason, instance.parameters.datadir))
        raise BadParameter(reason)
    return instance.owner


def version(instance):
    """Return PG_VERSION as PostgreSQL counts it (int): 90600 for 9.6, 120000 for 12.

    Raises NotUsable: no such file, no number in it, or older than 9.3; OcfError: it cannot be read.
    """
    name = path(instance, "PG_VERSION")
    try:
        with open(name) as stream:
            text = stream.read(64).strip()
    except UnicodeError:
        raise NotUsable("{0} holds no PostgreSQL version".format(name))
    except (IOError, OSError) as error:
        # a disk that hangs does not show what the data directory is
        kind = NotUsable if error.errno in (errno.ENOENT, errno.ENOTDIR) else OcfError
        raise kind("cannot read {0}: {1}".format(name, error.strerror))
    parts = text.split(".")
    if not 1 <= len(parts) <= 2 or not all(is_number(part) for part in parts):
        raise NotUsable("{0} holds no PostgreSQL version".format(name))
    numbers = [int(part) for part in parts] + [0]
    number = numbers[0] * 10000 + (numbers[1] * 100 if numbers[0] < 10 else 0)
    if number < OLDEST:
        raise NotUsable("PostgreSQL {0} is too old, 9.3 is the first that works".format(text))
    return number


def is_there(name, look=None):
    """Return whether a file exists, by its path (str). Raises OcfError where that is not known.

    look: os.lstat, in place of os.stat, to have a link count that leads nowhere.
    """
    try:
        (look or os.stat)(name)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return False
        raise OcfError("cannot read {0}: {1}".format(name, error.strerror))
    return True


def wal_folder(instance):
    """Return the path of the WAL's folder: pg_wal since PostgreSQL 10, pg_xlog before."""
    name = "pg_wal" if version(instance) >= 100000 else "pg_xlog"
    return path(instance, name)
