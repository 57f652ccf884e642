"""What is wrong without being a failure: logged once, and shown in crm_mon as long as it holds.

A node attribute shows it, for Pacemaker keeps no reason of an action that succeeds. The file beside
the watcher's remembers what was said, so that a monitor writes nothing while nothing changes.

The monitor's status stays that of success. OCF has 190 and 191 for what is degraded, but a DC that
rebuilds its history takes such a monitor for a failure only: it waits a minute and more for the end
of a monitor that it does not know, before a promotion or a demotion. Seen with Pacemaker 2.1.5.
"""

import os
import time

from paf import lastgood, ocf, parameters
from paf.instance import observe
from paf.ocf import OcfError

#: The attribute, for each resource, that says what is wrong on a node.
ATTRIBUTE = "degraded_because"

_PATIENCE = 5.0    # seconds
_LONGEST = 1000    # characters
#: Seconds after which a worry lasts. In each switchover a standby is without a primary for up to
#: wal_retrieve_retry_interval, 5 s by default.
_LASTING = 10.0
#: In a remark on parameters alone.
_INSTEAD = "used instead: "
#: The kind of the file with what the server does not start with; see refused.
REFUSED = "refused"
_BLOCK = 8192      # bytes of a block of PostgreSQL


def of_parameters(context):
    """Return what is wrong with the parameters (a list of str), and what is used instead."""
    names = parameters.unusable(context.given)
    found = parameters.problems(context.given)
    if context.given != context.parameters:
        from paf import instance as local
        places = local.misplaced(local.of(context.given))
        names += [name for name in sorted(places) if name not in local.misplaced(context.instance)]
        found += [places[name] for name in names if name in places]
    if names:
        found.append(instead(context.parameters, names))
    refused = lastgood.read(lastgood.path(context.environment, REFUSED))
    return found + [refused] if refused else found


def instead(values, names):
    """Return the clause on parameters that are used; values: Parameters; names: of those (str)."""
    return _INSTEAD + ", ".join("{0}={1}".format(name, getattr(values, name)) for name in names)


def has_parameters(context):
    """Return whether what was said last has a parameter that could not be used."""
    refused = lastgood.read(lastgood.path(context.environment, REFUSED))
    return bool(refused) or _INSTEAD in lastgood.read(
        lastgood.path(context.environment, "remarks"))


def say(context, remarks):
    """Log and show what is wrong on this node: a list of str, empty for nothing. Raises nothing.

    Only what has changed since the last time.
    """
    text = " ".join("; ".join(remarks).split())[:_LONGEST]
    name = lastgood.path(context.environment, "remarks")
    before = lastgood.read(name)
    if text == before:
        return
    try:
        if text:
            context.log.warning(text)
        else:
            context.log.info("no longer so: {0}".format(before))
        if context.in_cluster:
            if context.deadline.passed:    # not remembered either: the next monitor says it
                raise OcfError("no time is left")
            context.cluster.remark(ATTRIBUTE, context.node, text,
                                   context.deadline.within(_PATIENCE))
        if text:
            lastgood.write(name, text)
        else:
            lastgood.remove(name)
    except OcfError as error:
        context.log.warning("the cluster does not show this: {0}".format(error))
    except EnvironmentError as error:
        context.log.warning("cannot remember what was said: {0}".format(error))


def forget(context):
    """Take back what was said, as the instance is started or stopped. Raises nothing.

    What is still so is said again by the next monitor. A restart of the cluster has removed the
    attribute already.
    """
    name = lastgood.path(context.environment, "remarks")
    try:
        lastgood.remove(lastgood.path(context.environment, "worries"))
        if context.in_cluster and lastgood.read(name):
            context.cluster.remark(ATTRIBUTE, context.node, "", context.deadline.within(_PATIENCE))
        lastgood.remove(name)
    except OcfError as error:
        context.log.warning("the cluster shows a remark that is over: {0}".format(error))
    except EnvironmentError as error:
        context.log.warning("cannot remember what was said: {0}".format(error))


def repeat(context):
    """Repeat remarks at the next monitor: their attribute may be gone. Raises nothing."""
    try:
        lastgood.remove(lastgood.path(context.environment, "remarks"))
    except EnvironmentError as error:
        context.log.warning("cannot forget what was said: {0}".format(error))


def lasting(context, worries):
    """Return the worries (a list of str) that last, [] while they are new. Raises nothing.

    A worry is a remark on the cluster, not on this node alone: it passes by itself as a rule.
    """
    name = lastgood.path(context.environment, "worries")
    try:
        if not worries:
            lastgood.remove(name)
            return []
        since = lastgood.read(name)
        if not ocf.is_number(since):
            lastgood.write(name, str(int(time.time())))
            return []
    except EnvironmentError as error:
        context.log.warning("cannot remember what was said: {0}".format(error))
        return worries
    age = time.time() - int(since)
    return [] if 0 <= age < _LASTING else worries    # the clock may have been set


def paused(context, sight):
    """Return why PostgreSQL has paused this standby's replay (a list of str): no worry that passes.

    sight: observe.Sight with the rows of queries.monitor.
    """
    said = sight.rows[0][5] if sight.rows else ""
    if not said:
        return []
    from paf.instance import limits
    why = limits.why_paused(context.instance, said, context.deadline.within(_PATIENCE))
    return [why] if why else []


def check_memory(context, sight):
    """Raise OcfError where a server cannot be asked, for its shared memory was removed.

    One that says its role has what it needs, whatever else it was not asked.
    """
    if sight.message and not observe.says_role(sight):
        from paf.instance import sharedmemory
        sharedmemory.check(context.instance)


def no_room(context):
    """Return for which of the instance's folders no room is left (a list of str). Raises nothing.

    A server that finds no room for a block of a table refuses the commit and runs on, so neither a
    crash nor a monitor tells of it; without room for WAL it ends itself. What only administrators
    may use does not count. Source: md.c, xlog.c of PostgreSQL; statvfs(3).
    """
    from paf import instance as local
    found, devices = [], set()
    try:
        for folder in (context.instance.parameters.datadir, local.wal_folder(context.instance)):
            device = os.stat(folder).st_dev
            if device in devices:
                continue
            devices.add(device)
            seen = os.statvfs(folder)
            if not seen.f_blocks:
                continue    # it does not say anything, as some in FUSE do
            if seen.f_bavail * seen.f_frsize < _BLOCK:
                found.append("no room is left for {0}".format(folder))
            elif seen.f_files and not seen.f_favail:
                found.append("no room is left for another file in {0}".format(folder))
    except EnvironmentError as error:
        found.append("cannot find out how much room is left for {0}: {1}".format(
            error.filename or folder, error.strerror or error))
    except OcfError as error:
        found.append("cannot find out how much room is left for WAL: {0}".format(error))
    return found
