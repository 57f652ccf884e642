"""Starting, stopping and promoting the server."""


import os

from paf import instance as local
from paf import parameters, runner, signals
from paf.decide import state
from paf.decide.knowledge import Known, Unknown, is_known
from paf.deadline import FINE_STEP
from paf.instance import controldata, pidfile, postmaster, proc, serverlog, sql, standby_mode
from paf.ocf import OcfError

# characters that mean nothing to a shell
_PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-"
_READY = ("ready", "standby")    # of postmaster.pid, since PostgreSQL 10
_LOOK = 5.0             # seconds between two looks at a shutdown that takes long
_LOOKS = 8              # how many there are at least, where there is little time
_LAST_TO_LEAVE = 0.5    # seconds
#: The share of a stop's time after which sessions that do not end no longer have a say.
_LATE = 0.8
#: The longest wait for the collector to write why a start failed, in seconds.
_COLLECTOR_ENDS = 3.0
_PROMOTION_STEP = 0.02  # seconds between two looks, each of which is a program of some milliseconds
_PG_CTL_MARGIN = 1.0    # seconds by which pg_ctl's own limit ends before the action's


def quoted(words):
    """Return words as text that a POSIX shell takes apart into the same words.

    pg_ctl hands its -o to a shell; so start_opts is taken apart here and quoted again, and
    its contents reach postgres as arguments only.
    """
    def is_plain(word):
        return word and not word.strip(_PLAIN)
    return " ".join(word if is_plain(word) else "'" + word.replace("'", "'\"'\"'") + "'"
                    for word in words)


def start(instance, deadline, more=()):
    """Start the server as a standby, and wait until it accepts connections. Raises OcfError.

    more: "NAME=VALUE" (of str) of settings that outweigh the configuration's.
    What it complained of is quoted in the error: in its log, or before it has opened that. pg_ctl
    would hand a -D of its own to its shell in double quotes, which keep no "$" from it. With -p it
    does not run "postgres -V" first: settings.check_programs compares versions. It puts that path
    into double quotes, too, as it does the one that it finds without -p.
    """
    left, lock = pidfile.make_way(instance, deadline), _socket_lock(instance)
    # with the number of no process it is PostgreSQL's to remove: to read settings takes time
    if lock or left and lock is None:
        from paf.instance import socketlocks
        socketlocks.make_way(instance, deadline)
    argv = [local.program(instance, "pg_ctl"), "start", "-w", "-s",
            "-t", str(max(1, int(deadline.remaining - _PG_CTL_MARGIN))),
            "-p", local.program(instance, "postgres"),
            "-o", quoted(["-D", instance.parameters.pgdata]
                         + parameters.words(instance.parameters.start_opts)
                         + standby_mode.options(instance)
                         + [word for setting in more for word in ("-c", setting)])]
    owner, log = local.owner(instance), serverlog.Mark(instance)
    result = runner.run(argv, deadline, user=owner, keep=8192, until=_readiness(instance), env={
        "HOME": owner.home, "USER": owner.name, "LOGNAME": owner.name,
        "PGDATA": instance.parameters.pgdata, "PATH": runner.SERVER_PATH})
    if result.timed_out or result.status != 0:
        raise OcfError("PostgreSQL does not start: {0}".format(
            _complaint(instance, log, result, deadline) or "; ".join(filter(None, (
                _at_work(instance), sql.last_words(result.err + "\n" + result.out))))
            or "see its own log for why"))


def _complaint(instance, log, result, deadline):
    """Return the last fatal message of a start that failed, "" where its log has none.

    The logging collector writes it after the postmaster has ended, and then ends as well.
    """
    if not result.timed_out:
        deadline.within(_COLLECTOR_ENDS).wait_for(lambda: not _in_sight(instance))
    return log.complaint(deadline)


def _socket_lock(instance):
    """Return whether a socket's lock file has the number of a process, None where none is seen.

    A copy has no postmaster.pid, and yet the lock of the server that was there before.
    """
    name = ".s.PGSQL.{0}.lock".format(instance.parameters.pgport)
    try:
        with open(os.path.join(str(instance.parameters.pghost), name)) as lock:
            return os.path.exists("/proc/{0}".format(lock.readline().strip().lstrip("-")))
    except (IOError, OSError, ValueError):
        return None


def _at_work(instance):
    """Return what a server does that is not ready in time, from the titles of its processes."""
    for pid in _in_sight(instance):
        title = postmaster.title(pid)
        if proc.does(title, "startup"):
            words = "it is at \"{0}\"".format(title.rpartition(": ")[2])
            return words + (", and restore_command runs" if _has_program(pid) else "")
    return ""


def _has_program(pid):
    try:
        return bool(proc.descendants(pid))
    except proc.Unseen:
        return False


def _readiness(instance):
    """Return a condition: a new postmaster says that it accepts connections.

    pg_ctl waits for the same line, but looks ten times a second only.
    """
    before = postmaster.status(instance)

    def ready():
        now = postmaster.status(instance)
        return now != before and now[1] in _READY
    return ready


def stop(instance, deadline, log, last=False):
    """Shut the server down in fast mode, and wait until none of its processes is left.

    last: whether the node is fenced where this fails. Then a server whose sessions do not end is
    ended in immediate mode after most of the time: the next start is a crash recovery, as it would
    be after the fencing. Needs none of PostgreSQL's programs, so that a wrong bindir cannot keep a
    node from stopping. What it waits for is said in time. Raises OcfError at the deadline.
    """
    server = postmaster.find(instance)
    if isinstance(server, Unknown):
        raise OcfError("cannot find out whether PostgreSQL runs: {0}".format(server.reason))
    born = {}
    if server.value is None:
        born = proc.births()
        pid = postmaster.parent(postmaster.processes(instance))
    else:
        pid = server.value.pid
    if pid is not None and not postmaster.is_single_user(instance):
        # before the signal: later its number may be another process's
        born.setdefault(pid, proc.birth(pid))
        # pg_ctl stop -m fast does the same; see "Shutting Down the Server" in the manual
        postmaster.send_to([pid], signals.SIGINT, born)
        for process in [pid] + _in_sight(instance):
            postmaster.send(process, signals.SIGCONT)    # a stopped one (SIGSTOP) cannot end
        _wait_for_end(instance, pid, born[pid], deadline, log, last)
    # the logging collector ends last, when no process is left to write to it
    deadline.within(_LAST_TO_LEAVE).wait_for(lambda: not postmaster.processes(instance),
                                             longest=FINE_STEP)
    left = postmaster.processes(instance)
    if left:
        log.warning("no postmaster is there, ending what runs without one: {0}".format(
            ", ".join(str(number) for number in left)))
        left = postmaster.end_orphans(instance, deadline)
    if left:
        raise OcfError("processes of the instance do not end: {0}".format(
            ", ".join(str(number) for number in left)))


def _in_sight(instance):
    """Return the pids of the instance's processes, none where they cannot be seen just now."""
    try:
        return postmaster.processes(instance)
    except postmaster.Unseen:
        return []


def _wait_for_end(instance, pid, born, deadline, log, last):
    """Wait for the postmaster to end; say at half time, and at the end, what keeps it.

    born: the Fact of its proc.birth; last: as in `stop`.
    """
    def gone():
        return proc.has_ended(pid, born)
    half, said = deadline.within(deadline.remaining / 2), False
    look, helper = min(_LOOK, deadline.remaining / _LOOKS), None
    late = deadline.within(deadline.remaining * _LATE)
    while not deadline.within(look).wait_for(gone, longest=FINE_STEP):
        if deadline.passed:
            raise OcfError("PostgreSQL did not shut down in {0:.0f} s: {1}".format(
                deadline.elapsed, _reasons(instance, pid)))
        if helper is None:
            from paf.instance import shutdown
            helper = shutdown.Shutdown(instance, deadline, log)
        try:
            helper.help()
        except (OcfError, EnvironmentError) as error:    # it may end by itself
            log.info("the shutdown is not helped on: {0}".format(error))
        if last and late.passed and _is_held_by_sessions(instance, pid):
            last = False
            log.warning("PostgreSQL is ended at once (immediate mode), as sessions do not end: the "
                        "next start repeats its recovery")
            postmaster.send_to([pid], signals.SIGQUIT, {pid: born})
        if half.passed and not said:
            said = True
            log.warning("still shutting down after {0:.0f} s: {1}".format(
                deadline.elapsed, _reasons(instance, pid)))


def _titles(instance, pid):
    """Return the titles (a list of str) of the server's processes but the postmaster's, pid."""
    return [postmaster.title(child) for child in _in_sight(instance) if child != pid]


def _is_held_by_sessions(instance, pid):
    """Return whether sessions or workers keep the server, pid, from its shutdown checkpoint."""
    return any(map(proc.keeps_checkpoint, _titles(instance, pid)))


def _reasons(instance, pid):
    """Return what a shutdown waits for, from the titles of the server's processes."""
    titles = _titles(instance, pid)
    first = [title for title in titles if proc.keeps_checkpoint(title)]
    if first:    # all others wait for these
        return "waiting for " + ("sessions" if any(map(proc.is_client, first)) else "workers")
    titles = [title.replace(" ", "") for title in titles]    # "wal sender" and similar up to 9.6
    kinds = (("walsender", "WAL senders"), ("archiver", "the archiver"),
             ("checkpointer", "the checkpoint"), ("startup", "recovery"))
    waits = [name for word, name in kinds if any(word in title for title in titles)]
    return "waiting for " + (" and ".join(waits) if waits else "the postmaster itself")


def order_promotion(instance, deadline, log):
    """Order the promotion of the standby; await_promotion waits for it. Raises OcfError.

    pg_ctl looks ten times a second and, since PostgreSQL 10, gives up after 60 s; so it only
    gives the order.
    """
    from paf.instance import holdups
    holdups.resume(instance, deadline, log)
    result = runner.run([local.program(instance, "pg_ctl"), "promote", "-W", "-s",
                         "-D", instance.parameters.datadir],
                        deadline, user=local.owner(instance))
    if result.timed_out or result.status != 0:
        raise OcfError("pg_ctl promote failed: {0}".format(
            sql.last_words(result.err + "\n" + result.out)))


def await_promotion(instance, deadline, log):
    """Wait until the server accepts writes, and end what holds that up. Raises OcfError.

    The control file says so as soon as it does, as it does to pg_ctl. Where it cannot be read, the
    server is asked: one that was promoted takes writes, whatever this action ends with.
    """
    from paf.instance import holdups
    doubts, held_up = [""], holdups.HoldUps(instance, deadline, log)

    def in_production():
        held_up.end()
        if postmaster.find(instance) == Known(None):
            raise OcfError("PostgreSQL ended while it was promoted, see its log")
        control = controldata.read(instance, deadline)
        doubts.append(control.reason or "")
        if not is_known(control):
            return _says_primary(instance, deadline)
        return control.value.state == state.IN_PRODUCTION
    if not deadline.wait_for(in_production, longest=_PROMOTION_STEP):
        if doubts[-1]:
            raise OcfError("PostgreSQL was not promoted in {0:.0f} s, as far as it is known: "
                           "{1}".format(deadline.elapsed, doubts[-1]))
        raise OcfError("; ".join(filter(None, (
            "PostgreSQL was not promoted in {0:.0f} s".format(deadline.elapsed),
            _at_work(instance)))))


def _says_primary(instance, deadline):
    from paf.instance import observe
    sight = observe.observe(instance, deadline)
    return sight.verdict.state == state.PRIMARY and bool(sight.rows)
