"""What delays a fast shutdown, and how that is ended. What is committed here stays on this disk.

A fast shutdown ends sessions at once and then waits, without a limit of its own, for WAL senders
(before the shutdown checkpoint until each has sent what it has, and a logical one's client has
acknowledged that; after it until its client has acknowledged everything), for the archiver, for
programs that its processes have started (COPY, archive_cleanup_command), and for the program that
reads its messages. One client that hangs must not keep the others from getting a primary. And it
never ends where the server was restarting after the crash of one of its processes, and had not
started to replay: the postmaster waits for a checkpointer that is not asked to end. Source:
PostgreSQL's ShutdownXLOG, WalSndWaitStopping, XLogSendLogical, WalSndDone, pgarch_MainLoop,
ExecuteRecoveryCommand, ClosePipeStream; PostmasterStateMachine with FatalError set.
"""

import errno
import os
import select
import stat

from paf import signals
from paf.decide import state
from paf.decide.knowledge import Known, is_known
from paf.instance import controldata, postmaster, proc

#: What WAL senders are called in titles, for standbys, pg_receivewal, logical replication and base
#: backups, even with update_process_title=off; the latter up to 9.6.
_SENDERS = ("walsender", "wal sender")
_ARCHIVER = "archiver"
_CHECKPOINTER = "checkpointer"
_STARTUP = "startup"
#: How the title of a logical one ends, the second up to 12. That of a standby's says how far it has
#: sent, once it has sent anything; what has no client that asked for WAL ends by itself. Source:
#: PostgreSQL's exec_replication_command, XLogSendPhysical, HandleWalSndInitStopping.
_LOGICAL, _LOGICAL_BEFORE_13 = " START_REPLICATION", " idle"
#: What runs a program of the configuration, and what that is; all others have those of sessions.
_COMMANDS = ((_CHECKPOINTER, "archive_cleanup_command"), (_STARTUP, "recovery_end_command"))
# among the fields of /proc/PID/stat after the name, proc(5)
_SESSION, _UTIME, _STIME = 3, 11, 12
#: Processes that need nothing of a checkpoint, and end after it: the collector of messages
#: (syslogger since 19); and since 18 what reads and writes pages for others, which are numbered.
_BESIDE, _READER = ("logger", "syslogger"), ": io worker "
#: No shutdown checkpoint of a primary has started. A server that was restarting may not have noted
#: yet that it recovers: the next start repeats it, however this one ends.
_NOT_STARTED = (state.IN_PRODUCTION, state.IN_CRASH_RECOVERY, state.IN_ARCHIVE_RECOVERY)
#: The shutdown checkpoint is written: all that is left to do is to send it.
_WRITTEN = (state.SHUT_DOWN, state.SHUT_DOWN_IN_RECOVERY)
#: A process that waits wakes up when a timeout of its own ends: once in ten seconds at most.
_IDLE_SWITCHES = 2
#: The checkpointer that waits for WAL senders looks at them a hundred times a second, and does
#: nothing else: the least number of looks in a second. One that spreads its writes over time pauses
#: ten times. Source: PostgreSQL's WalSndWaitStopping, CheckpointWriteDelay.
_LEAST_LOOKS = 25
#: The most processor time between two of our looks of a process that is said to rest, in ticks.
_MOST_TICKS = 10
_SWITCHES = b"voluntary_ctxt_switches:"
_EPOLLOUT = 0x4
#: The share of the time after which clients that are slow, but still move, are ended as well.
_LATE = 0.6
_CHUNK, _MOST = 65536, 1 << 24    # bytes of messages: per read, and per look at the server


class Shutdown(object):
    """One shutdown, looked at every few seconds. deadline: the action's; log: log.Log."""

    def __init__(self, instance, deadline, log):
        self._instance, self._deadline, self._log = instance, deadline, log
        self._late = deadline.within(deadline.remaining * _LATE)
        self._before, self._full, self._asked = {}, set(), set()
        self._alone = None    # the checkpointer that was alone at the last look, see _sleeping
        # the checkpointer, alone or not, and when that was; what each sender had done
        self._resting, self._resting_at, self._work = None, 0.0, {}
        self._seen, self._programs = set(), {}

    def help(self):
        """Look once, and end what has not moved since the look before."""
        pids = postmaster.processes(self._instance)
        wake(pids)
        self._drain(pids)
        titles = dict((pid, postmaster.title(pid)) for pid in pids)
        senders = dict((pid, (title, _switches(pid))) for pid, title in titles.items()
                       if _is_sender(title))
        archivers = [pid for pid, title in titles.items() if proc.does(title, _ARCHIVER)]
        stuck = self._logical_ones(senders) if self._awaits_senders(titles) else []
        if senders or archivers:
            self._end(senders, archivers, stuck)
        self._before, self._work = senders, dict((pid, _work(pid)) for pid in senders)
        programs = _programs(pids)
        self._end_programs(programs, titles)
        self._end_a_restart([] if programs else pids, titles)    # it may wait for one of them

    def _end_a_restart(self, pids, titles):
        """End a server at once whose checkpointer is alone, and does nothing between two looks.

        That is immediate mode: no commit is lost by it, as recovery has to be repeated anyway.
        """
        # a client that tries to connect has a process for a moment
        pids, self._seen = [pid for pid in pids if pid in self._seen], set(pids)
        before, self._alone = self._alone, _sleeping(_only_checkpointer(pids, titles))
        if self._alone is None or before is None or before[:2] != self._alone[:2] or _moved(
                before[2], self._alone[2]):
            return
        control = controldata.read(self._instance, self._deadline)
        pid = postmaster.parent(pids)
        started = not is_known(control) or control.value.state not in _NOT_STARTED
        if pid is not None and not started:
            self._log.warning("PostgreSQL was restarting after a crash when it was asked to end, "
                              "and does not end by itself: it is ended at once (immediate mode), "
                              "the next start repeats the recovery")
            postmaster.send(pid, signals.SIGQUIT)

    def _end_programs(self, programs, titles):
        """End programs that server processes wait for: those of `_programs`, seen twice.

        PostgreSQL has asked those of a session to end, with the session; the others may be slow.
        Their arguments are not logged: they may hold a password.
        """
        before, self._programs = self._programs, programs
        for pid, (owner, start) in sorted(programs.items()):
            title = titles.get(owner, "")
            what = [name for word, name in _COMMANDS if proc.does(title, word)]
            if proc.does(title, _ARCHIVER) or before.get(pid) != (owner, start) or (
                    what and not self._late.passed):
                continue
            if pid not in self._asked:
                self._log.warning("{0} does not end, the shutdown continues without it".format(
                    what[0] if what else "a program that a session has started"))
            postmaster.send_to([pid], signals.SIGKILL if pid in self._asked else signals.SIGTERM,
                               {pid: Known(start)})
            self._asked.add(pid)

    def _awaits_senders(self, titles):
        """Return whether the shutdown checkpoint waits for WAL senders, by this look and the last.

        Before, while sessions end or an earlier checkpoint is written, no sender is asked to end.
        """
        found = [pid for pid in titles if proc.does(titles[pid], _CHECKPOINTER)]
        before, self._resting = self._resting, _sleeping(found[0] if len(found) == 1 else None)
        since, self._resting_at = self._resting_at, self._deadline.elapsed
        now = self._resting
        if before is None or now is None or before[0] != now[0]:
            return False
        return bool(now[2] - before[2] >= _LEAST_LOOKS * (self._resting_at - since)
                    and _ticks(now[1]) - _ticks(before[1]) <= _MOST_TICKS)

    def _logical_ones(self, senders):
        """Return the pids (a list) of logical senders that hang, or are late: of all that are left.
        """
        return [pid for pid, (title, switches) in senders.items()
                if title.endswith((_LOGICAL, _LOGICAL_BEFORE_13))
                and (self._late.passed or self._is_unanswered(pid, title, switches))]

    def _is_unanswered(self, pid, title, switches):
        """Return whether a logical sender has sent all, and its client acknowledges nothing.

        It reads no WAL then, and does not wait: since 13 it uses a processor all the time, before
        it rests. A standby's that has not sent anything yet has the same title, and always rests.
        The client may wait for a lock, and never answer. Source: PostgreSQL's WalSndLoop.
        """
        before, work, now = self._before.get(pid), self._work.get(pid), _work(pid)
        if before is None or work is None or now is None:
            return False
        if _moved(before[1], switches) or work[0] != now[0]:
            return False
        return bool(title.endswith(_LOGICAL_BEFORE_13) or now[1] - work[1] > _MOST_TICKS)

    def _end(self, senders, archivers, stuck=()):
        control = controldata.read(self._instance, self._deadline)
        written = is_known(control) and control.value.state in _WRITTEN
        for pid, (title, _) in sorted(senders.items()):
            if pid in stuck or self._hangs(pid, senders[pid], written):
                if not _is_sender(postmaster.title(pid)):
                    continue    # it has ended while a program read the control file
                self._log.warning("a standby or another client of WAL does not get on, the "
                                  "shutdown continues without it: {0}".format(title))
                postmaster.send(pid, signals.SIGTERM)
        if written and not senders and self._late.passed:
            for pid in archivers:
                self._end_archiver(pid)

    def _end_archiver(self, pid):
        """End the archiver and what it runs, which may ignore a first signal.

        An archive_library (since 15) runs in the archiver itself, which looks for a signal between
        two files only. All WAL is written by now: the next start is that after a clean shutdown.
        """
        again, born = pid in self._asked, proc.births()
        programs = postmaster.descendants(pid)
        if not proc.does(postmaster.title(pid), _ARCHIVER):
            return    # it has ended while a program read the control file
        if not again:
            self._log.warning("archive_command or archive_library does not end, the shutdown "
                              "continues without it; what is not archived yet is archived after "
                              "the next start as a primary")
        postmaster.send_to(programs, signals.SIGKILL if again else signals.SIGTERM, born)
        postmaster.send_to([pid], signals.SIGKILL if again and not programs else signals.SIGTERM,
                           born)
        self._asked.add(pid)

    def _hangs(self, pid, now, written):
        """Return whether a WAL sender must be ended: it hangs, or the shutdown takes too long.

        It hangs if it has not moved since the last look. Before the checkpoint is written, a sender
        that has nothing to send waits as well: only one whose client does not read hangs. Where
        that cannot be seen, and once the checkpoint is written, the time decides (`_LATE`): also
        against a standby that is slow, and receives the rest after the failover or restart.
        """
        before = self._before.get(pid)
        if written and self._late.passed:
            return True
        if before is None or before[0] != now[0] or _moved(before[1], now[1]):
            return False
        if written:
            return True
        blocked = _waits_to_send(pid)
        return self._late.passed if blocked is None else blocked

    def _drain(self, pids):
        """Empty a full pipe that messages go to and nothing reads: it blocks the server."""
        full = set(pipe for pipe in set(_pipe(pid) for pid in pids) if pipe and _is_full(pipe))
        for pipe in full:
            if pipe[1] in self._full:
                self._log.warning("nothing reads PostgreSQL's messages, {0} bytes of them are "
                                  "dropped so that the shutdown continues".format(_empty(pipe)))
        self._full = set(pipe[1] for pipe in full)


def _programs(pids):
    """Return the programs (dict of pid to the following) that run for a postmaster's children.

    (pid of the server process, proc.start_time of the program). pids: of all server processes. Each
    of these has a session of its own, which what it starts is in, even where its parent has ended.
    Source: PostgreSQL's InitPostmasterChild.
    """
    stats = dict((pid, proc.state_of(pid)) for pid in proc.all_pids())
    stats = dict((pid, fields) for pid, fields in stats.items() if fields[:1] not in proc.OVER)
    parents = dict((pid, int(fields[1])) for pid, fields in stats.items())
    owners = dict((pid, pid) for pid in pids if parents.get(pid) in pids)
    found = dict((pid, int(fields[_SESSION])) for pid, fields in stats.items()
                 if pid not in pids and int(fields[_SESSION]) in owners)
    fresh = dict(owners)
    fresh.update(found)
    while fresh:
        fresh = dict((pid, fresh[parent]) for pid, parent in parents.items()
                     if parent in fresh and pid not in pids and pid not in found)
        found.update(fresh)
    return dict((pid, (owner, proc.start_in(stats[pid]))) for pid, owner in found.items())


def _is_sender(title):
    return any(word in title for word in _SENDERS)


def _only_checkpointer(pids, titles):
    """Return the pid of the checkpointer if the postmaster has no other child, else None.

    titles: dict of pid to title (str). Those of _BESIDE do not count.
    """
    children = [pid for pid in pids if proc.parent_of(pid) in pids
                and not any(proc.does(titles[pid], word) for word in _BESIDE)
                and _READER not in titles[pid]]
    alone = len(children) == 1 and proc.does(titles[children[0]], _CHECKPOINTER)
    return children[0] if alone else None


def _sleeping(pid):
    """Return (pid, processor time, switches) of a process that waits, but for no disk; else None.

    One that writes a restartpoint waits for the disk, or uses a processor.
    """
    fields = proc.state_of(pid) if pid is not None else []
    switches = _switches(pid) if fields[:1] == [b"S"] else None
    return None if switches is None else (pid, fields[_UTIME:_STIME + 1], switches)


def wake(pids):
    """Continue processes that were stopped with SIGSTOP: a stopped process cannot end."""
    for pid in pids:
        postmaster.send(pid, signals.SIGCONT)


def _switches(pid):
    """Return how often a process has waited (int); None where that cannot be seen."""
    for line in proc.content(pid, "status").split(b"\n"):
        if line.startswith(_SWITCHES):
            return int(line.split()[1])
    return None


def _work(pid):
    """Return (what a process has read and written, its processor time in ticks); None if unknown.

    The former for comparison: it counts files, and not what goes through sockets.
    """
    done, fields = proc.content(pid, "io"), proc.state_of(pid)
    return (done, _ticks(fields[_UTIME:_STIME + 1])) if done and fields else None


def _ticks(times):
    """Return the processor time (int) of two fields of /proc/PID/stat: in user and kernel mode."""
    return sum(int(number) for number in times)


def _moved(before, now):
    return before is not None and now is not None and now - before > _IDLE_SWITCHES


def _waits_to_send(pid):
    """Return whether a process waits until its client reads; None where that cannot be seen.

    Since 9.6 PostgreSQL waits with epoll, and the kernel shows for what. Source: proc(5), fdinfo.
    """
    seen = None
    try:
        numbers = os.listdir("/proc/{0}/fdinfo".format(pid))
    except OSError:
        return None
    for number in numbers:
        for line in proc.content(pid, "fdinfo/" + number).split(b"\n"):
            words = line.split()
            if words[:1] == [b"tfd:"] and len(words) > 3:
                seen = bool(seen) or bool(int(words[3], 16) & _EPOLLOUT)
    return seen


def _pipe(pid):
    """Return (path, inode) of the pipe that a process writes its messages to; None for no pipe."""
    path = "/proc/{0}/fd/2".format(pid)
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (path, found.st_ino) if stat.S_ISFIFO(found.st_mode) else None


def _is_full(pipe):
    try:
        descriptor = os.open(pipe[0], os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        return not poll.poll(0)
    finally:
        os.close(descriptor)


def _empty(pipe):
    """Read what a pipe holds, and return how many bytes that were."""
    size = 0
    try:
        descriptor = os.open(pipe[0], os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return 0
    try:
        while size < _MOST:
            chunk = os.read(descriptor, _CHUNK)
            size += len(chunk)
            if not chunk:
                break
        return size
    except OSError as error:
        if error.errno != errno.EAGAIN:
            raise
        return size
    finally:
        os.close(descriptor)
