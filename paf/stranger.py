"""An instance whose history is not that of the node that is promoted leaves the service at once.

It runs since before the promotion, as after a start of the whole cluster. Where both timelines get
the same number, it would stream from the new primary, acknowledge its commits over its own WAL, and
win the next election with that. A start compares as well, but only with what is still on disk then.
"""

import os

from paf import instance as local
from paf import ocf
from paf.cluster import notes
from paf.decide import timelines, transition
from paf.decide.knowledge import is_known

#: Seconds for the shutdown: the address of the clients waits for the notification.
_PATIENCE = 2.0
_REASON = ("diverged: this instance had another history when {0} was promoted; rebuild it from the "
           "primary")


def forget(context):
    """Forget what was noted of an earlier round. Raises nothing."""
    try:
        context.cluster.notes.remove(notes.STRANGER)
    except ocf.OcfError as error:
        context.log.warning("a note of an earlier election may count: {0}".format(error))


def note(context, candidate, fact):
    """Note if a candidate (str) surely has another history than this instance. Raises nothing.

    Called in its round, after both have published theirs. fact: that of its wal.Position, None
    where its vote cannot be read.
    """
    try:
        if _is_apart(context, candidate, fact):
            context.cluster.notes.write(notes.STRANGER, "{0} {1}".format(
                _data(context.instance), candidate))
    except (ocf.OcfError, EnvironmentError) as error:
        context.log.warning("this instance's history is not compared with that of {0}: {1}".format(
            candidate, error))


def _is_apart(context, candidate, fact):
    """Return whether the candidate surely has another history. Raises OcfError, EnvironmentError.

    It is on an earlier timeline, as its vote says, and will leave that; or both have promotions
    that differ. Its vote counts for the first, as the timelines that it has published may be old.
    """
    from paf.instance import line
    mine = line.read(context.instance, None)
    if mine is None:
        return False
    if fact is not None and is_known(fact) and fact.value.timeline < mine.reigns[-1].timeline:
        return True
    found = context.cluster.lines(context.deadline).get(candidate)
    theirs = timelines.line_from_wire(found) if found else None
    return theirs is not None and timelines.compare(mine, theirs) == timelines.PARTED


def leave_service(context):
    """After a promotion: stop this instance if the new primary has another history. OcfError.

    Its monitor then finds it stopped; the start after that says why.
    """
    candidate = transition.candidate(context.notification)
    if candidate is None or not is_noted(context, candidate):
        return
    from paf.crash import watcher
    from paf.instance import server
    context.log.error("this instance has another history than the new primary, {0}: it is stopped, "
                      "so that it acknowledges no commit".format(candidate))
    watcher.end(context)
    try:
        server.stop(context.instance, context.deadline.within(_PATIENCE), context.log)
    except ocf.OcfError as error:    # its WAL receiver ends first
        context.log.warning("it is not stopped yet: {0}".format(error))


def check(context, primary):
    """Raise NotUsable where this instance left the service for a primary (str). OcfError."""
    if is_noted(context, primary):
        raise ocf.NotUsable(_REASON.format(primary))


def check_running(context):
    """Raise OcfError where this instance runs beside a primary that it should have left.

    The end of the promotion was not known to its notification, or not announced, or there was no
    time for the shutdown. What cannot be found out is no such primary. Costs a look for a file
    where there is nothing to find.
    """
    try:
        if not context.cluster.notes.read(notes.STRANGER):
            return
        from paf.cluster import ophistory
        found = [node for node in ophistory.promoted(
            context.cluster.cib(context.deadline), context.cluster.resource)
            if is_noted(context, node)]
    except ocf.OcfError as error:
        context.log.warning("whether this instance has another history than the primary is not "
                            "known: {0}".format(error))
        return
    if found:
        raise ocf.OcfError(_REASON.format(found[0]))


def is_noted(context, node):
    """Return whether a node (str) was promoted with another history than this one. OcfError.

    False for a data directory that has replaced the one which was compared.
    """
    data, _, name = context.cluster.notes.read(notes.STRANGER).partition(" ")
    return bool(data) and name == node and data == _data(context.instance)


def _data(instance):
    """Return what identifies a data directory (str): no server writes the file again."""
    path = local.path(instance, "PG_VERSION")
    try:
        found = os.stat(path)
    except OSError as error:
        raise ocf.OcfError("cannot read {0}: {1}".format(path, error.strerror))
    return "{0}:{1}".format(found.st_dev, found.st_ino)
