"""Pacemaker's programs: where they are, and the environment that they are given."""

import os

from paf.ocf import OcfError

_FOLDERS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")


def find(name):
    """Return the path of one of Pacemaker's programs. Raises OcfError."""
    for folder in _folders():
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK):
            return path
    raise OcfError("cannot find Pacemaker's program {0}".format(name))


def _folders():
    """Return where Pacemaker's programs may be: HA_SBIN_DIR first, as for other agents."""
    return [folder for folder in (os.environ.get("HA_SBIN_DIR"),) if folder] + list(_FOLDERS)


def environment():
    """Pacemaker's programs need its settings, but not the variables that it sets for agents.

    With OCF_RESKEY_CRM_meta_on_node there, attrd_updater of 2.1.5 answers for this node only,
    whatever node its options name.
    """
    return dict((name, value) for name, value in os.environ.items()
                if not name.startswith("OCF_") and not name.startswith("PG"))
