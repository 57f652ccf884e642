"""The names of cluster options, by the cluster's version. Pure.

Source: Pacemaker's ChangeLog.md, 3.0.2: fencing-* replaces stonith-*, which is still accepted.
"""

import re

_FENCING = (3, 0, 2)


def release(configured):
    """Return the version of the DC's Pacemaker, as (3, 0, 3); () where the CIB does not say it."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", configured.properties.get("dc-version", ""))
    return tuple(int(number) for number in found.groups()) if found else ()


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
