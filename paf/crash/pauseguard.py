"""End a primary whose machine was paused for so long that others may have been promoted.

Only where SBD fences: a watchdog inside a virtual machine stops with it. So a guest that was paused
(snapshot, live migration), and goes on after its successor was promoted, would be a second primary,
and Pacemaker may even take it for the first when its Corosync joins the others again. The hardware
clock is the host's, and shows the pause: PostgreSQL is ended at once, as by a crash, and reported
as one. A server that is promoted then has passed an election.
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
_TOTEM = "runtime.config.totem."
_SILENCE = re.compile(r"^runtime\.config\.totem\.(token|consensus) \(u32\) = (\d+)$", re.MULTILINE)
_PATIENCE = 10.0    # seconds for a program of Pacemaker or Corosync
_AGAIN = 1.0        # seconds for that after a pause: another server may have been promoted


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
    return PauseGuard(context, pid, before, _silence(context, deadline))


def read():
    """Return the clocks.Clocks of this machine, None where its hardware clock cannot be read."""
    try:
        with open(_HARDWARE_CLOCK) as stream:
            return clocks.Clocks(int(stream.read()), monotonic(), time.time())
    except (IOError, OSError, ValueError):
        return None


class PauseGuard(object):
    """Looks at the clocks, and ends the server after a pause."""

    def __init__(self, context, pid, before, silence):
        """silence: seconds (float) after which Corosync takes a silent node for lost.

        Raises proc.Unseen where the process cannot be seen: the next monitor starts a new watcher.
        """
        self._context, self._pid, self._born = context, pid, proc.start_time(pid)
        self._before, self._silence = before, silence

    def look(self):
        """Look at the clocks; after a pause that matters end the server, if it is a primary."""
        now = read()
        if now is None:
            return
        paused = clocks.paused_for(self._before, now)
        # Corosync takes other times while it runs; what is too long by these waits for no answer
        if clocks.LEAST <= paused < self._silence:
            self._silence = _silence(self._context, Deadline(_AGAIN), self._silence)
        if paused < max(self._silence, clocks.LEAST) or not self._is_primary():
            self._before = now
            return
        try:
            is_ours = self._born is not None and proc.start_time(self._pid) == self._born
        except proc.Unseen:
            return    # the next look sees the pause, too
        self._before = now
        if not is_ours:
            return
        postmaster.send(self._pid, signals.SIGQUIT)
        self._context.log.error(
            "this machine did not run for {0:.0f} s, or both of its clocks were set: another "
            "server may have been promoted meanwhile, and PostgreSQL is ended at once (immediate "
            "mode)".format(paused))

    def _is_primary(self):
        try:
            return postmaster.has_wal_writer(self._context.instance)
        except proc.Unseen:
            return True


def _silence(context, deadline, otherwise=float(clocks.LEAST)):
    """Return after how many seconds Corosync takes a silent node for lost: token and consensus.

    otherwise: what counts where that is not known.
    """
    try:
        text = context.cluster.checked(["corosync-cmapctl", _TOTEM], deadline).out
    except OcfError:
        return otherwise
    found = dict(_SILENCE.findall(text))
    return sum(int(text) for text in found.values()) / 1000.0 if len(found) == 2 else otherwise
