"""Hold a primary whose machine was paused, until the cluster has answered. Only where SBD fences.

A watchdog inside a virtual machine stops with it. So a guest that was paused (snapshot, live
migration), and goes on after its successor was promoted, would take writes until its Corosync
notices. The hardware clock is the host's, and shows the pause: PostgreSQL's processes are stopped
(SIGSTOP) at once, and go on when this node is still a member with quorum, after Corosync had the
time to notice. What cannot be found out holds them. An action that ends the watcher lets them go
on: it stops or demotes the server itself.
"""

import re
import time

from paf import signals
from paf.cluster import cib
from paf.deadline import Deadline, monotonic
from paf.decide import clocks
from paf.instance import postmaster, proc
from paf.ocf import OcfError

_HARDWARE_CLOCK = "/sys/class/rtc/rtc0/since_epoch"
_TOKEN = "runtime.config.totem.token"
_PATIENCE = 10.0    # seconds for a program of Pacemaker or Corosync
#: How many tokens Corosync may need until it has noticed, and the others have answered, and the
#: least of that in seconds. So long the server is held in any case.
_TOKENS, _SETTLED = 3, 10.0
_STEP = 0.25    # seconds between two looks
_ROUNDS = 5     # of looks for processes that were started meanwhile


def of(context, pid):
    """Return the PauseGuard of the postmaster `pid` (int); None where none is needed or possible.

    It is needed where Pacemaker sees SBD, or where that could not be found out.
    """
    deadline = Deadline(_PATIENCE)
    before = read()
    if before is None:
        return None
    try:
        if not cib.has_watchdog(context.cluster.cib(deadline)):
            return None
    except OcfError as error:
        context.log.warning("whether SBD fences is not known: {0}".format(error))
    return PauseGuard(context, pid, before, _token(context, deadline))


def read():
    """Return the clocks.Clocks of this machine, None where its hardware clock cannot be read."""
    try:
        with open(_HARDWARE_CLOCK) as stream:
            return clocks.Clocks(int(stream.read()), monotonic(), time.time())
    except (IOError, OSError, ValueError):
        return None


class PauseGuard(object):
    """Looks at the clocks, and holds the server after a pause."""

    def __init__(self, context, pid, before, token):
        """token: Corosync's, in seconds (float): no shorter pause makes the others go on."""
        self._context, self._pid, self._born = context, pid, proc.birth(pid)
        self._before, self._token = before, token
        self._ended = []

    def look(self):
        """Look at the clocks; after a pause of a primary's machine return once it may go on.

        Also returns when its postmaster has ended, or an action ends the watcher. Raises OcfError.
        """
        now = read()
        if now is None:
            return
        paused, self._before = clocks.paused_for(self._before, now), now
        if paused < max(self._token, clocks.LEAST):
            return
        self._hold(paused)
        self._before = read() or now

    def _hold(self, paused):
        log, begin = self._context.log, monotonic()
        former = signals.signal(signals.SIGTERM, lambda *_: self._ended.append(True))
        try:
            self._send(signals.SIGSTOP)
            if not self._is_primary():
                return
            log.error("this machine did not run for {0:.0f} s, and others may have fenced its node "
                      "meanwhile: PostgreSQL is held until the cluster answers".format(paused))
            Deadline(max(_SETTLED, _TOKENS * self._token)).wait_for(self._is_over, longest=_STEP)
            while not self._is_over() and not self._is_kept():
                Deadline(_STEP * 4).wait_for(self._is_over, longest=_STEP)
            log.warning("PostgreSQL goes on, it was held for {0:.0f} s".format(
                monotonic() - begin))
        finally:
            self._send(signals.SIGCONT)
            signals.signal(signals.SIGTERM, former)
        if self._ended:
            raise SystemExit(0)

    def _is_over(self):
        return bool(self._ended) or proc.has_ended(self._pid, self._born)

    def _is_primary(self):
        try:
            return postmaster.has_wal_writer(self._context.instance)
        except proc.Unseen:
            return True

    def _is_kept(self):
        """Return whether this node is a member with quorum, as Pacemaker says now."""
        deadline, cluster = Deadline(_PATIENCE), self._context.cluster
        try:
            return (cluster.checked(["crm_node", "-q"], deadline).out.strip() == "1"
                    and self._context.node in cluster.view(deadline).online
                    and not cluster.is_powerless)
        except OcfError as error:
            self._context.log.warning("whether this node is still a member is not known: "
                                      "{0}".format(error))
            return False

    def _send(self, number):
        """Send a signal to the postmaster, which starts no more processes then, and to all others.

        A process that cannot be seen gets none. Its title may be another program's that PostgreSQL
        has started; it is held as well.
        """
        done = set()
        for _ in range(_ROUNDS):
            try:
                found = [self._pid] + proc.descendants(self._pid)
            except proc.Unseen:
                found = [self._pid]
            fresh = [pid for pid in found if pid not in done]
            if not fresh or self._born != proc.birth(self._pid):
                return
            for pid in fresh:
                postmaster.send(pid, number)
            done.update(fresh)


def _token(context, deadline):
    """Return Corosync's token in seconds; the least pause where it is not known."""
    try:
        text = context.cluster.checked(["corosync-cmapctl", "-g", _TOKEN], deadline).out
    except OcfError:
        return float(clocks.LEAST)
    found = re.search(r"= (\d+)$", text.strip())
    return int(found.group(1)) / 1000.0 if found else float(clocks.LEAST)
