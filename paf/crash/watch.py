"""watch: sleep until the postmaster exits, then report a crash to Pacemaker. Not an OCF action.

Started by paf/crash/watcher.py, as a daemon. It reports what a monitor would find, only sooner,
and once: not after a shutdown, not in maintenance, not while an action of this agent stops the
server. An action that could not end it in time says so in the log.
"""

import re
import time

from paf import ocf, signals, systemlog
from paf.cluster import attributetext
from paf.crash import pauseguard, postmaster_end, watcher
from paf.decide import scores, state
from paf.decide.knowledge import Known
from paf.actions import monitor
from paf.crash import failure_report as reports, objections
from paf.deadline import Deadline
from paf.instance import controldata, observe, postmaster

_PATIENCE = 10.0    # seconds

#: What a monitor reports as a failure, where no postmaster is alive.
_CRASHED = (state.CRASHED_PRIMARY, state.CRASHED_STANDBY, state.ORPHANED_PRIMARY,
            state.ORPHANED_STANDBY, state.IN_BACKUP, state.DAMAGED)

#: Loaded now: an upgrade may replace or remove the files before they are needed.
_LOADED = (re, systemlog, time, scores, controldata, attributetext)


def run(context):
    """Watch the running server until it ends; return SUCCESS."""
    lock = watcher.LockFile(context.environment)
    if not lock.take():
        return ocf.SUCCESS
    lock.note()
    server = postmaster.find(context.instance).value
    context.cluster.node(context.deadline)    # now: it may have to start a program
    if server is not None:
        guard = pauseguard.of(context, server.pid)
        postmaster_end.await_end(context.instance, server.pid, look=guard and guard.look)
        ended = []
        # an action that stops the server ends the watcher first: until here SIGTERM ends it at once
        signals.signal(signals.SIGTERM, lambda *_: ended.append(True))
        if _report(context, lock, ended):
            return ocf.SUCCESS
    lock.remove()
    return ocf.SUCCESS


def _report(context, lock, ended):
    """Report a crash to Pacemaker if it must act on it; return True if it was reported.

    ended: a list, true once an action has asked this process to end.
    """
    deadline = Deadline(_PATIENCE)
    sight = observe.observe(context.instance, deadline)
    # without its file no action can end it: the monitor, or another watcher, finds the crash
    if sight.verdict.state not in _CRASHED or ended or not lock.is_in_place():
        return False
    found = objections.read(context.cluster.cib(deadline), context.cluster.resource, context.node)
    reason = monitor.describe(context, sight)
    if found.objection:
        context.log.warning("{0}; not reported to Pacemaker, {1}".format(reason, found.objection))
        return False
    report = reports.Report(context.cluster, found.attribute, found.failures)
    try:
        report.prepare(reason, deadline)
        # an action that ends this process waits for the lock: reported before that, or not at all
        if ended or not lock.is_in_place() or postmaster.find(context.instance) != Known(None):
            report.withdraw(deadline)
            return False
        has_answered = report.send(deadline)
    except ocf.OcfError:
        report.withdraw(deadline)    # a count below zero would hide what the monitor reports
        raise
    lock.note(watcher.REPORTED)
    lock.release()
    context.log.error("{0}; reported to Pacemaker{1}".format(
        reason, "" if has_answered else ", which has not answered in time"))
    report.settle(Deadline(_PATIENCE), time.sleep)    # however long the report has taken
    return True
