"""The return of an old primary by pg_rewind, which can be cut off and repeated anywhere.

Source: PostgreSQL manual, pg_rewind. It makes the data directory a copy of the primary's. While
it works the directory is a mixture of both. A journal beside it says how far it got.
"""

import os
import re
import time

from paf import instance as local
from paf import parameters, runner
from paf.decide import wal
from paf.decide.state import SHUT_DOWN, SHUT_DOWN_IN_RECOVERY
from paf.decide.knowledge import Unknown, is_known
from paf.instance import (
    controldata, divergence, journal, keptwal, libpqfiles, naming, ownfiles, pidfile, postmaster,
    processes, replacement, rewindrole, settings, sql, standby_mode, tablespaces, upstream,
    waiting_commits)
from paf.ocf import NotUsable, OcfError, passes

_OLDEST = 90500
_FIRST_WITH_RESTORE, _FIRST_WITH_ENSURE = 130000, 130000
_LARGEST_SETTING = (1 << 31) - 1    # of MB or segments that are kept
_SIGNALS = ("standby.signal", "recovery.signal", "recovery.conf")
_NOTHING = "no rewind required"
_COMMON = re.compile(r"last common checkpoint at ([0-9A-F]+/[0-9A-F]+)")

#: What pg_rewind and libpq say where the primary is gone, or cannot be reached. A server's own
#: words are in its language (lc_messages), but for the severity in most.
_LOST_CONNECTION = ("could not connect", "connection to server", "server closed the connection",
                    "terminating connection", "no connection to the server",
                    "the database system is", "FATAL:", "fetching remote",
                    "fetch file", "not send", "not receive", "SSL connection", "SSL SYSCALL",
                    "SSL error")

#: The facts that are kept with WAL that was given up.
LOST = ("diverged", "fork", "end", "own_timeline", "segment_size", "parts")

# How far it got. Up to KEPT the directory is unchanged, except for what is in the journal.
WHAT = "rewind"
KEEPING, KEPT, REWINDING, REWOUND, RETURNING = (
    "keeping", "kept", "rewinding", "rewound", "returning")
#: It is half rewound and will be replaced by a copy; some of the node's own files are back.
ABANDONED = "abandoned"
PHASES = (KEEPING, KEPT, REWINDING, REWOUND, RETURNING, ABANDONED)


def problem(instance, control):
    """Return why this instance could not be rewound (a sentence), None if it could.

    control: controldata.ControlData.
    """
    if local.version(instance) < _OLDEST:
        return "a rewind needs PostgreSQL 9.5 or later"
    if not os.access(local.program(instance, "pg_rewind"), os.X_OK):
        return "a rewind needs pg_rewind in bindir"
    if not control.wal_log_hints and not control.checksums:
        return "a rewind needs wal_log_hints = on, or data checksums"
    return None


def problem_now(instance, control):
    """Return what `problem` does, and why this instance cannot be rewound as it is now.

    A tablespace may come at any time: it keeps no instance stopped that has not diverged. Raises
    OcfError where that cannot be found out.
    """
    inside = ownfiles.storage(instance)
    if inside:    # pg_rewind finds their files twice, and fails half way
        return ("a rewind needs tablespaces and WAL outside of the data directory, "
                "not in {0}".format(local.path(instance, inside[0])))
    return problem(instance, control)


def is_fresh_copy(instance):
    """Return whether this instance has not run since it was copied: it cannot be rewound."""
    return os.path.lexists(local.path(instance, "backup_label"))


def described(found, parts):
    """Return the facts of a divergence.Divergence that are kept with the WAL (dict).

    parts: see divergence.parts.
    """
    if parts is None:
        return {"diverged": found.what, "segment_size": found.size}
    texts = [[timeline, wal.format_lsn(begin), wal.format_lsn(end)]
             for timeline, begin, end in parts]
    return dict(zip(LOST, (found.what, texts[0][1], texts[-1][2], texts[-1][0], found.size,
                           texts)))


def run(instance, conninfo, found, deadline, log, harmless=False):
    """Rewind the instance to the history of the primary that conninfo (str) leads to.

    found: divergence.Divergence, from that primary; harmless: whether no client relies on what
    exists only here. The instance has to be dead. Returns where the
    WAL is kept that was given up, "" if that was too much. Raises OcfError; the directory is then
    as it was, or the journal says that it is not.
    """
    parts = divergence.parts(instance, found, deadline)
    deep = ownfiles.deep(instance, deadline)
    other = tablespaces.not_the_servers(instance, deep)
    if other:
        raise NotUsable("a rewind needs folders for WAL and tablespaces that hold nothing else, it "
                        "would remove {0}: move that elsewhere".format(other))
    rewindrole.await_checkpoint(instance, conninfo, found.upstream.timeline, deadline)
    recover(instance, found.fork, deadline, log)
    facts = {
        "what": WHAT, "phase": KEEPING, "deep": deep,
        "conninfo": conninfo, "restore_command": _restore_command(instance, deadline),
        "system": found.upstream.system_identifier, "timeline": found.upstream.timeline,
        "switches": [list(switch) for switch in found.upstream.switches],
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "harmless": harmless}
    facts.update(described(found, parts))
    facts["set"] = keptwal.free_name(instance, facts["started"])
    top = facts["top"] = ownfiles.names(instance)
    journal.begin(instance, facts)
    _reversible(instance, top, facts, parts, deadline)
    return _carry_on(instance, facts, deadline, log)


def _reversible(instance, top, facts, parts, deadline):
    """Do what comes before pg_rewind, all of it or nothing. Raises OcfError."""
    try:
        check_dead(instance)
        _prepare(instance, top, facts, parts, deadline)
    except OcfError:
        _undo(instance, facts)
        raise


def check_dead(instance):
    """Raise OcfError where a server runs by now on a directory that is to be changed."""
    if postmaster.orphans(instance):
        raise OcfError("PostgreSQL was started here in the meantime")


def _prepare(instance, top, facts, parts, deadline):
    """Do all that only changes where files are, and check that pg_rewind could work."""
    ownfiles.move_aside(instance, top, facts["deep"])
    _mark(instance, facts, KEPT)
    _offer_archive(instance, facts)
    output = _pg_rewind(instance, facts, deadline, ("--dry-run",))
    facts.update(_keep_copies(instance, output, parts, facts["segment_size"], deadline))
    _mark(instance, facts, REWINDING)


def _offer_archive(instance, facts):
    """Put restore_command where pg_rewind looks for it, in all versions. Raises OcfError."""
    if facts["restore_command"]:
        standby_mode.put(instance, "postgresql.conf", "restore_command = '{0}'\n".format(
            naming.escaped(facts["restore_command"])))


def _keep_copies(instance, output, parts, size, deadline):
    """Copy the WAL that pg_rewind destroys into the journal; return what it has then (dict).

    again: all that a second pg_rewind needs; kept: at least what exists only here, which is less;
    None where pg_rewind gives nothing up. output: of its dry run (str).
    """
    common = _COMMON.search(output)
    if common is None and _NOTHING in output:
        return {"again": False, "kept": None}
    if common is not None and keptwal.keep(
            instance, _needed(instance, common, parts, size), size, deadline):
        return {"again": True, "kept": True}
    return {"again": False, "kept": keptwal.keep(
        instance, keptwal.only_here(instance, parts, size), size, deadline)}


def _needed(instance, common, parts, size):
    if parts is None:
        return keptwal.only_here(instance, None, size)
    names = keptwal.segments(instance, wal.parse_lsn(common.group(1)), parts[-1][0], size)
    control_end = parts[-1][2] + size    # a crash recovery has added its checkpoint
    return keptwal.last_written(names, control_end, size)


def _undo(instance, facts):
    if facts["phase"] == KEPT:
        _remove_configuration(instance, facts)
    ownfiles.put_back(instance, facts["deep"])
    journal.remove(instance)


def _remove_configuration(instance, facts):
    """Remove the file that held restore_command for pg_rewind.

    Where the node has its own, that takes its place, or has done so already.
    """
    if "postgresql.conf" in facts["top"]:
        return
    with runner.Acting(local.owner(instance)):
        journal.delete(local.path(instance, "postgresql.conf"))


def _mark(instance, facts, phase):
    """Note how far it got: in the facts (dict) once the journal has it. Raises OcfError."""
    journal.write(instance, dict(facts, phase=phase))
    facts["phase"] = phase


def _carry_on(instance, facts, deadline, log):
    """Go on from the phase in the facts (dict) of the journal, to the end."""
    if facts["phase"] == REWINDING:
        _pg_rewind(instance, facts, deadline)
        _mark(instance, facts, REWOUND)
    if facts["phase"] == REWOUND:
        ownfiles.remove_strangers(instance)
        _mark(instance, facts, RETURNING)
    ownfiles.put_back(instance, facts["deep"])
    waiting_commits.forget(instance)
    place = _keep(instance, facts)
    journal.remove(instance)
    if place:
        log.warning("the WAL that was given up is kept in {0}; paf lost reads it".format(place))
    elif facts.get("kept") is False:
        log.warning("the WAL that was given up was too much to keep: only its place is noted, in "
                    "{0}".format(keptwal.lost_folder(instance)))
    return place


def _keep(instance, facts):
    """Move the copies of WAL from the journal to where they stay; return that place.

    "" where it was too much to copy, or nothing was given up.
    """
    about = dict((name, facts.get(name)) for name in (
        "started", "timeline", "kept", "harmless") + LOST)
    place = keptwal.give_up(instance, facts.get("set", ""), about)
    return place if facts.get("kept") else ""


def finish(instance, deadline, log):
    """Complete a rewind that was cut off, or revert it, as the journal says.

    Raises OcfError where it cannot: the instance must not be started then.
    """
    facts = journal.read(instance)
    journal.check_free(instance)
    processes.end("pg_rewind", instance.parameters.datadir)
    phase = facts.get("phase", KEEPING)
    if phase not in PHASES:
        raise journal.foreign(instance, facts)
    journal.check_mounted(facts)
    local.version(instance)    # a directory that is not mounted is no place for what is moved back
    if phase in (KEEPING, KEPT):
        _undo(instance, dict(facts, phase=phase, deep=facts.get("deep", [])))
        log.info("a rewind was cut off before it had changed anything: the files are back")
        return
    journal.write(instance, facts)    # it is this process that works on it now
    if phase == ABANDONED:
        raise NotUsable(replacement.NOT_REPLACED)
    if phase == REWINDING:
        tablespaces.check_all(instance)
        _check_source(instance, facts, deadline)
        log.warning("a rewind was cut off, it is repeated")
        keptwal.put_back(instance)
        # pg_rewind has replaced or removed what it reads its restore_command from
        ownfiles.remove_strangers(instance)
        _offer_archive(instance, facts)
        rewindrole.await_checkpoint(instance, facts["conninfo"], facts["timeline"], deadline)
    _carry_on(instance, facts, deadline, log)
    log.warning("a rewind that was cut off is complete")


def give_up(instance, facts):
    """Put the node's own files back and forget a rewind that was cut off: a copy will replace it.

    facts: those of the journal. Returns where the WAL is kept that only this instance had, "" if
    the journal has no copy of it. A directory that is half rewound stays one that no server is
    started on: the journal goes only when the copy has taken its place. Raises OcfError.
    """
    if facts.get("phase", KEEPING) not in PHASES:
        raise journal.foreign(instance, facts)
    journal.check_mounted(facts)
    processes.end("pg_rewind", instance.parameters.datadir)
    phase = facts.get("phase")
    if phase in (REWINDING, REWOUND):
        ownfiles.remove_strangers(instance)
        phase = ABANDONED if phase == REWINDING else RETURNING
        _mark(instance, facts, phase)    # from here on they may be back
    elif phase == KEPT:
        _remove_configuration(instance, facts)
    ownfiles.put_back(instance, facts.get("deep", []))
    kept = _keep(instance, facts)
    if phase == ABANDONED:
        journal.write(instance, replacement.half(facts))
    else:
        journal.remove(instance)
    return kept


def _check_source(instance, facts, deadline):
    """See that what was copied so far and what is copied now are of one history.

    Raises OcfError: what the directory has from another primary cannot be distinguished.
    """
    if not facts.get("again"):
        raise NotUsable("a rewind was cut off and cannot be repeated, its WAL was too much to "
                        "keep: rebuild this instance")
    source = upstream.ask(instance, facts["conninfo"], deadline)
    if isinstance(source, Unknown):
        raise OcfError("a rewind was cut off and the instance is not started before it is "
                       "complete: {0}".format(source.reason))
    source = source.value
    if source.system_identifier == facts["system"] and source.timeline < facts["timeline"]:
        raise OcfError("a rewind was cut off and the instance is not started before it is "
                       "complete: who answers is on timeline {0}".format(source.timeline))
    if (source.system_identifier, source.timeline) != (facts["system"], facts["timeline"]) or [
            list(switch) for switch in source.switches] != facts["switches"]:
        raise NotUsable("a rewind to timeline {0} was cut off, and the primary is on timeline {1} "
                        "by now: rebuild this instance".format(
                            facts["timeline"], source.timeline))


def _restore_command(instance, deadline):
    """Return what fetches WAL from the archive, "" where pg_rewind could not use it, or none."""
    if local.version(instance) < _FIRST_WITH_RESTORE:
        return ""
    return settings.read(instance, "restore_command", deadline)


def _pg_rewind(instance, facts, deadline, more=()):
    """Run pg_rewind and return what it said. Raises OcfError."""
    version = local.version(instance)
    source = libpqfiles.connection(
        instance, facts["conninfo"], rewindrole.database(instance))
    argv = [local.program(instance, "pg_rewind"), "-D", instance.parameters.datadir,
            "--source-server", source.target]
    argv += ["--no-ensure-shutdown"] if version >= _FIRST_WITH_ENSURE else []
    argv += ["--restore-target-wal"] if facts["restore_command"] else []
    result = runner.run(argv + list(more), deadline, user=local.owner(instance),
                        env=dict(source.environment, PATH=runner.SERVER_PATH), keep=65536,
                        stdin=source.stdin)
    if result.timed_out:
        raise OcfError("pg_rewind did not end in {0:.0f} s; give start a longer timeout".format(
            deadline.elapsed))
    if result.status != 0:
        kind = OcfError if _passes(result) else NotUsable
        raise kind("pg_rewind failed: {0}".format(
            sql.last_words(result.err) or "status {0}".format(result.status)))
    return result.out + result.err


def _passes(result):
    """Return whether pg_rewind failed for what passes by itself: its connection, the system."""
    return result.status < 0 or passes(result.err) or any(
        words in result.err for words in _LOST_CONNECTION)


def recover(instance, fork, deadline, log):
    """Start and shut down the instance cleanly, as pg_rewind requires. Raises OcfError.

    fork: the Position from which on the WAL is only here, None if it is not known. What crashed
    replays its own WAL in single-user mode: on the timeline it was on, without the archive (where
    the new primary's timeline may be, which it could not follow), and no client is let in. Its
    checkpoint removes no WAL: pg_rewind needs it, and it is kept for people. Source:
    PostgreSQL manual, postgres, "Options for Single-User Mode"; "Sending Servers".
    """
    control = controldata.read(instance, deadline)
    if is_known(control) and _is_at_its_end(control.value, fork):
        return
    log.info("crash recovery before the rewind")
    with runner.Acting(local.owner(instance)):
        for name in _SIGNALS:
            journal.delete(local.path(instance, name))
    pidfile.make_way(instance, deadline)
    argv = [local.program(instance, "postgres"), "--single", "-D", instance.parameters.pgdata]
    argv += parameters.words(instance.parameters.start_opts)
    argv += ["-c", "archive_mode=off", "-c", "log_destination=stderr", "-c", _keep_all(instance),
             "postgres"]
    result = runner.run(argv, deadline, user=local.owner(instance), keep=8192)
    control = controldata.read(instance, deadline)
    if result.timed_out:
        raise OcfError("the crash recovery before a rewind did not end in {0:.0f} s; give start a "
                       "longer timeout".format(deadline.elapsed))
    if not is_known(control) or control.value.state != SHUT_DOWN:
        raise OcfError("the crash recovery before a rewind failed: {0}".format(
            control.reason or sql.last_words(result.err)))


def _is_at_its_end(control, fork):
    """Return whether the control file says that the instance has what makes it diverge.

    control: controldata.ControlData. A standby that was shut down may have received WAL past the
    fork and not replayed it (recovery_min_apply_delay, a conflict with a query): pg_rewind, since
    14, looks at what was replayed, and leaves that WAL where the next start finds it.
    """
    return control.state == SHUT_DOWN or control.state == SHUT_DOWN_IN_RECOVERY and (
        fork is not None and controldata.lower_bound(control).lsn > fork.lsn)


def _keep_all(instance):
    """Return the setting (str) with which a checkpoint removes no segment of the WAL."""
    name = "wal_keep_size" if local.version(instance) >= 130000 else "wal_keep_segments"
    return "{0}={1}".format(name, _LARGEST_SETTING)
