"""watch: sleep until the postmaster dies, then tell Pacemaker of a crash. No action of OCF's.

Started by paf/crash/watcher.py, as a daemon. It reports what a monitor would find, only sooner,
and once: not of a server that was shut down, not in maintenance, not while an action of ours stops
the server.
"""

import re
import syslog
import time

from paf import ocf, signals
from paf.crash import watcher
from paf.decide import scores, state
from paf.actions import monitor
from paf.crash import objections, report as reports
from paf.deadline import Deadline
from paf.instance import controldata, observe, postmaster

_PATIENCE = 10.0    # seconds

#: What a monitor reports as a failure, where no postmaster is alive.
_CRASHED = (state.CRASHED_PRIMARY, state.CRASHED_STANDBY, state.ORPHANED_PRIMARY,
            state.ORPHANED_STANDBY, state.DAMAGED)

#: Loaded now: when they are needed, an upgrade may have replaced the files, or a removal.
_LOADED = (re, syslog, time, scores, controldata)


def run(context):
    """Watch the running server until it has died; return SUCCESS."""
    place = watcher.Place(context.environment)
    if not place.take():
        return ocf.SUCCESS
    place.note()
    server = postmaster.find(context.instance)
    context.cluster.node(context.deadline)    # asked now: it may cost a program
    if server is not None:
        postmaster.await_end(context.instance, server.pid)
        ended = []
        # an action that stops the server ends the watcher first: till now that was its end
        signals.signal(signals.SIGTERM, lambda *_: ended.append(True))
        if _report(context, place, ended):
            return ocf.SUCCESS
    place.leave()
    return ocf.SUCCESS


def _report(context, place, ended):
    """Tell Pacemaker if the server has crashed and that is its business; return True if told.

    ended: a list, true once an action has asked this process to end.
    """
    deadline = Deadline(_PATIENCE)
    sight = observe.observe(context.instance, deadline)
    if sight.verdict.state not in _CRASHED or ended:
        return False
    found = objections.read(context.cluster.cib(deadline), context.cluster.resource, context.node)
    reason = monitor.describe(context, sight)
    if found.objection:
        context.log.warning("{0}; Pacemaker is not told, {1}".format(reason, found.objection))
        return False
    report = reports.Report(context.cluster, found.attribute, found.failures)
    try:
        report.prepare(reason, deadline)
        # who asks this process to end waits for the file: either it is not told, or it is by then
        if ended or postmaster.find(context.instance):
            report.withdraw(deadline)
            return False
        report.tell(deadline)
    except ocf.OcfError:
        report.withdraw(deadline)    # a count below zero would swallow what the monitor tells
        raise
    place.note(watcher.TOLD)
    place.release()
    context.log.error("{0}; Pacemaker is told".format(reason))
    report.settle(deadline, time.sleep)
    return True
