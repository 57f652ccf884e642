"""The names of cluster options, by the cluster's version. Pure.

Source: Pacemaker's ChangeLog.md, 3.0.2: fencing-* replaces stonith-*, which is still accepted.
"""

import re

_FENCING = (3, 0, 2)

#: The first Pacemaker that knows no names with "_" for "-", and what had such a name before.
_NO_OLD_NAMES = (2, 0, 0)
_OLD_NAMES = ("no_quorum_policy", "symmetric_cluster", "stonith_enabled", "stonith_action",
              "startup_fencing")

#: The first one that reads no <lifetime>: its schema has turned that of a location into a rule.
_NO_LIFETIMES = (3, 0, 0)


def release(configured):
    """Return the version of the DC's Pacemaker, as (3, 0, 3); () where the CIB does not say it."""
    return _numbers(configured.properties.get("dc-version", ""))


def _numbers(version):
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return tuple(int(number) for number in found.groups()) if found else ()


def knows_lifetimes(properties):
    """Return whether the DC's Pacemaker reads the lifetime of each constraint; False for unknown.

    properties: dict of str. Since 3.0 it drops that of colocations and orders.
    """
    return () < _numbers(properties.get("dc-version", "")) < _NO_LIFETIMES


def under_new_names(values):
    """Add to a dict of cluster options what Pacemaker up to 1.1 knows under an older name.

    The name of today wins.
    """
    if _numbers(values.get("dc-version", "")) >= _NO_OLD_NAMES:
        return
    for old in _OLD_NAMES:
        if old in values:
            values.setdefault(old.replace("_", "-"), values[old])


def fencing(configured, name):
    """Return what an option of fencing is called here, as stonith-`name` or fencing-`name` (str).

    The name under which this version finds it in the CIB, else that of the version. One that knows
    the new name prefers it; an older one knows no other than the old.
    """
    old, new = "stonith-" + name, "fencing-" + name
    if () < release(configured) < _FENCING:
        return old
    for known in (new, old):
        if known in configured.properties or known in configured.uncertain:
            return known
    return new if release(configured) else old
