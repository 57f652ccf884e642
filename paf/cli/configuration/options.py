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

    The name that the CIB has already, else that of the version.
    """
    old, new = "stonith-" + name, "fencing-" + name
    for known in (old, new):
        if known in configured.properties:
            return known
    return new if release(configured) >= _FENCING else old
