"""paf check: several resources of PAF in one cluster stay out of each other's way. Pure."""

import os

from paf import ocf, parameters
from paf.cli import finding
from paf.cli.configuration import barred, constraints_on, is_certain, meta, names_of
from paf.cli.configuration.constraints import INFINITY

_DATA = "on a node that runs both, each takes the server of the other for its own"
_PORT = "on a node that runs one, the server of the other does not start: its socket is taken"


def neighbours(configured, managed):
    """No other resource of PAF has the data directory, or the port, of this one on its nodes."""
    mine = _values(managed)
    for other in configured.resources:
        if other.name == managed.name or not _may_meet(configured, managed, other):
            continue
        theirs, both = _values(other), "{0} and {1}".format(managed.name, other.name)
        if _certain(managed, other, "pgdata", "datadir") and _same(mine.datadir, theirs.datadir):
            yield finding.error("{0} have the same data directory, {1}".format(
                both, mine.datadir), _DATA)
        elif _certain(managed, other, "pghost", "pgport") and mine.pgport == theirs.pgport and (
                _same(mine.pghost, theirs.pghost)):
            yield finding.error("{0} have the same port, {1}, in {2}".format(
                both, mine.pgport, mine.pghost), _PORT)


def _values(managed):
    return parameters.read(ocf.Environment(dict(
        ("OCF_RESKEY_" + name, value) for name, value in managed.parameters.items())))


def _certain(managed, other, *names):
    """Return whether no rule decides on any of these parameters."""
    return all(is_certain(item, name) for item in (managed, other) for name in names)


def _same(mine, theirs):
    return os.path.normpath(mine) == os.path.normpath(theirs)


def _may_meet(configured, managed, other):
    """Return whether constraints let instances of two resources run on one node."""
    if "bundle" in (managed.kind, other.kind) or any(
            meta(item, "target-role").lower() == "stopped" for item in (managed, other)):
        return False
    theirs = names_of(other)
    apart = [item for item in constraints_on(configured, managed, "colocation")
             if item.score <= -INFINITY
             and theirs.count(item.values.get("rsc")) + theirs.count(item.values.get("with-rsc"))
             and not item.values.get("rsc-role") and not item.values.get("with-rsc-role")]
    off = barred(configured, names_of(managed)) | barred(configured, theirs)
    return not apart and bool(set(configured.nodes) - off)
