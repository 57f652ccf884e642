"""paf rebuild: pg_basebackup, and what makes its copy this node's."""

import errno
import os
import time

from paf import instance as local
from paf import ocf, runner
from paf.cli.common import Problem, complain, say
from paf.cli.rebuild import backup
from paf.deadline import Deadline, monotonic
from paf.decide.knowledge import Known, Unknown
from paf.instance import (
    divergence, journal, keptwal, libpqfiles, naming, ownfiles, replacement, rewind, sql,
    waiting_commits, walfiles)

_LARGEST_OWN = 64 << 20     # bytes; larger files of the node itself are moved, not copied
_PATIENCE = 120.0           # seconds to read the WAL
_UNKNOWN = "it is not known whether the instance had diverged: {0}"
_LOOK = 2.0                 # seconds between two lines of progress on a terminal


class _Aloud(object):
    """Warnings that a log would have, for who runs the command."""

    warning = staticmethod(complain)


class Copying(object):
    """One copy under way. instance: where it goes; plan: plan.Plan; source: source.Source.

    restored: the backup.Backup that is restored, None where pg_basebackup copies the primary.
    """

    def __init__(self, instance, node, plan, source, options, version, restored=None):
        self._instance, self._node, self._plan = instance, node, plan
        self._source, self._options, self._version = source, options, version
        self._backup = restored
        self._size = restored.size if restored else source.size
        self._began, self._next = monotonic(), 0.0
        # the old directory is no server's: a copy that fails must not leave it as one
        noted = journal.read(instance) if journal.exists(instance) else {}
        self._half, self._deep = bool(noted.get("half")), noted.get("deep")
        self._spoilt = bool(noted.get("spoilt"))
        self._mounted = sorted(set(noted.get("mounted") or []) | set(journal.mount_points(
            [place for _, place, _ in plan.swaps])))
        #: Why the copy may lack files of this node's that the old directory has, "" if it does not.
        self.missed = ""

    def run(self):
        """Copy, and put the copy in its place. Raises Problem, OcfError.

        Until the copy is whole the old directory stays in its place, unless it is given up.
        """
        journal.check_mounted({"mounted": self._mounted}, [
            place for _, place, _ in self._plan.swaps])
        if self._deep is None:
            fact = own_below(self._instance, self._options.discard)
            self._deep, self.missed = fact.value or [], fact.reason
        if self._options.discard:
            self._discarding()
        else:
            self._beside()
        waiting_commits.forget(self._instance)
        journal.remove(self._instance)

    def _facts(self, phase):
        return {"what": replacement.WHAT, "phase": phase, "half": self._half, "deep": self._deep,
                "spoilt": self._spoilt, "mounted": self._mounted,
                "swaps": [list(swap) for swap in self._plan.swaps],
                "links": [list(link) for link in self._plan.links],
                "conninfo": self._source.conninfo, "node": self._node,
                "archive": backup.restore_command(
                    self._backup, self._instance.parameters.datadir) if self._backup else ""}

    def _begin(self, facts):
        """Write the journal: after a rewind that was cut off it is there. Raises OcfError."""
        if self._half:
            journal.write(self._instance, facts)
        else:
            journal.begin(self._instance, facts)

    def _beside(self):
        facts = self._facts(replacement.COPYING)
        for place, _, _ in self._plan.swaps:
            if os.path.lexists(place):
                raise Problem("{0} exists already, and not from a rebuild that was cut off (or its "
                              "file system was not mounted when that was given up): move it away, "
                              "or remove it".format(place))
        old, copy = self._plan.swaps[-1][1], self._plan.swaps[-1][0]
        replacement.check_movable(self._instance, old, _LARGEST_OWN, self._deep)
        self._begin(facts)
        try:
            rewind.check_dead(self._instance)
            self._copy()
            facts["moves"] = replacement.own_again(
                self._instance, old, copy, _LARGEST_OWN, self._deep)
            self._relink(copy)
            rewind.check_dead(self._instance)
        except (Problem, ocf.OcfError, EnvironmentError, KeyboardInterrupt):
            replacement.forget(self._instance, facts)
            replacement.end(self._instance, facts)
            raise
        facts["phase"] = replacement.SWAPPING
        journal.write(self._instance, facts)
        replacement.swap(self._instance, facts)
        self._name(old, facts)

    def _name(self, place, facts):
        """Name the copy in its place: what was moved, and not copied, may be the configuration."""
        try:
            naming.complete(self._instance, place, facts, _Aloud)
        except ocf.OcfError as error:
            raise Problem("{0}; the copy is in its place, and what was there is {1}: the next "
                          "start completes the rebuild, clean up the failure of the instance "
                          "for that".format(error, self._plan.swaps[-1][2]))

    def _discarding(self):
        """Delete the old directory and copy into its place; the node's own files are kept aside."""
        data, facts = self._instance.parameters.datadir, self._facts(replacement.DISCARDED)
        if not journal.exists(self._instance) or journal.read(self._instance).get(
                "phase") != replacement.DISCARDED:
            self._set_aside(data)
        journal.write(self._instance, facts)
        replacement.end_copy(facts)
        for _, place, _ in self._plan.swaps:
            _empty(self._instance, place)
        self._copy()
        if ownfiles.is_any_aside(self._instance):
            ownfiles.remove_strangers(self._instance)
        facts["phase"] = replacement.RETURNING    # from here on they may be back
        journal.write(self._instance, facts)
        ownfiles.put_back(self._instance, self._deep)
        naming.complete(self._instance, os.path.realpath(data), facts, _Aloud)

    def _set_aside(self, data):
        """Move the node's own files into the journal: all of them, or none. Raises OcfError."""
        facts = self._facts(replacement.ASIDE)
        self._begin(facts)
        try:
            rewind.check_dead(self._instance)
            if os.path.isdir(data):
                ownfiles.move_aside(self._instance, ownfiles.names(self._instance), self._deep)
        except (ocf.OcfError, KeyboardInterrupt):
            ownfiles.put_back(self._instance, self._deep)
            replacement.end(self._instance, facts)
            raise

    def _copy(self):
        """Run pg_basebackup, or pgbackrest. Raises Problem."""
        for copy, _, _ in self._plan.swaps:
            journal.make_folder(self._instance, copy)
        if self._backup:
            self._run("pgbackrest restore", backup.command(self._backup, self._plan), None, "")
            return
        # by the node's name its WAL, which is on no disk yet, would acknowledge commits
        only = (("application_name", "pg_basebackup"),)    # type: tuple[tuple[str, str], ...]
        if self._version >= 100000:
            only += (("target_session_attrs",
                      "primary" if self._version >= 140000 else "read-write"),)
        found = libpqfiles.connection(self._instance, self._source.conninfo, only)
        target = self._plan.swaps[-1][0]
        argv = [local.program(self._instance, "pg_basebackup"), "-d", found.target,
                "-D", target, "-c", "fast", "-w",
                # a second connection would read the secrets a second time, from what is at its end
                "-X", "fetch" if found.stdin else "stream"]
        # with a slot it reports what it has as flushed, and "*" takes it for a standby
        argv += ["--no-slot"] if self._version >= 100000 else []
        argv += ["-r", self._options.rate] if self._options.rate else []
        if self._plan.wal:
            argv += ["--waldir" if self._version >= 100000 else "--xlogdir", self._plan.wal]
        for location, copy in self._plan.mapping:
            if location != copy:
                argv += ["-T", "=".join(each.replace("=", "\\=") for each in (location, copy))]
        self._run("pg_basebackup", argv, found.environment, found.stdin)
        if self._version < 100000:
            self._sync()

    def _sync(self):
        """Have the copy survive a power cut: since 10 pg_basebackup does so. Raises Problem."""
        try:
            with runner.Acting(local.owner(self._instance)):
                for copy, _, _ in self._plan.swaps:
                    for folder, _, names in os.walk(copy, onerror=_fail):
                        for name in names:
                            if not os.path.islink(os.path.join(folder, name)):
                                journal.sync(os.path.join(folder, name))
                        journal.sync(folder)
        except EnvironmentError as error:
            raise Problem("cannot write the copy to disk: {0}".format(error.strerror))

    def _run(self, name, argv, environment, stdin):
        """Run the program that copies, and print its progress. Raises Problem."""
        result = runner.run(argv, Deadline(self._options.hours * 3600.0), keep=65536,
                            user=local.owner(self._instance), env=environment,
                            stdin=stdin, until=self._progress)
        if result.timed_out or result.status != 0:
            raise Problem("{0} failed: {1}".format(
                name,
                "it was not ready after {0} hours".format(self._options.hours)
                if result.timed_out else sql.last_words(result.err)))

    def _progress(self):
        """Say how far it got; never true: the copy ends when pg_basebackup does."""
        now = monotonic()
        if now >= self._next:
            self._next = now + _LOOK
            try:
                done = sum(replacement.size_of(copy) for copy, _, _ in self._plan.swaps)
            except OSError:
                return False    # not known: no progress is shown
            say(progress(done, self._size, now - self._began))
        return False

    def _relink(self, copy):
        """Point the links of the copy at where its folders will be. Raises Problem."""
        with runner.Acting(local.owner(self._instance)):
            self._check_tablespaces(copy)
            for name, target in self._plan.links:
                path = os.path.join(copy, name)
                if not os.path.islink(path):
                    raise Problem("the copy has no link {0}, as where a tablespace was dropped "
                                  "meanwhile: run paf rebuild again".format(name))
                os.unlink(path)
                os.symlink(target, path)
                journal.sync(os.path.dirname(path))

    def _check_tablespaces(self, copy):
        """See that each tablespace of the copy is where the plan has it. Raises Problem.

        Where the primary did not say its tablespaces, the plan has those of the old directory.
        """
        folder, copies = os.path.join(copy, "pg_tblspc"), [new for _, new in self._plan.mapping]
        for oid in os.listdir(folder) if os.path.isdir(folder) else []:
            path = os.path.join(folder, oid)
            if os.path.islink(path) and os.readlink(path) not in copies:
                raise Problem(
                    "tablespace {0} was copied to {1}, which was not foreseen: let the role in "
                    "primary_conninfo connect to the database postgres, so that the primary's "
                    "tablespaces are known; and remove what is in {1} now".format(
                        oid, os.readlink(path)))


def _fail(error):
    raise error


def own_below(instance, discard):
    """Return the Fact which configuration files the node has in PostgreSQL's own folders.

    Known: a list of paths. Raises Problem where it is not known, and the old directory is to be
    given up (discard): these files would go with it.
    """
    try:
        if not ownfiles.has_folders(instance):
            return Known([])
        return Known(ownfiles.deep(instance, Deadline(_PATIENCE)))
    except ocf.OcfError as error:
        reason = str(error)
    if discard:
        raise Problem(
            "it is not known which configuration files this node has in PostgreSQL's own folders, "
            "as {0}, and --discard would give them up: {1}. Correct that; or leave --discard out, "
            "then the old directory stays; or save what is needed, and empty {2} yourself".format(
                local.path(instance, "global"), reason, instance.parameters.datadir))
    return Unknown(reason)


def _empty(instance, place):
    """Remove what is in a folder; the folder itself may be a mount point. Raises Problem."""
    try:
        with runner.Acting(local.owner(instance)):
            for name in os.listdir(place):
                journal.delete(os.path.join(place, name))
    except OSError as error:
        if error.errno == errno.ENOENT:
            return
        raise Problem("cannot empty {0}: {1}".format(place, error.strerror))


def progress(done, total, seconds):
    """Return a line on a copy: bytes done, of how many (None unknown), for how long; pure."""
    rate = done / seconds if seconds > 0 else 0.0
    if not total or done > total:
        return "{0} MB copied, {1:.1f} MB/s".format(done >> 20, rate / 1048576)
    left = "{0:.0f} s left".format((total - done) / rate) if rate else "no rate yet"
    return "{0} of {1} MB copied ({2:.0f}%), {3:.1f} MB/s, {4}".format(
        done >> 20, total >> 20, 100.0 * done / total, rate / 1048576, left)


def only_here(instance, found):
    """Return the parts of the WAL that only this instance has, their segments and bytes of each.

    found: divergence.Divergence; None where it is not known whether there is one: then all its WAL.
    Parts: see divergence.parts; segments: None where they cannot be found. Raises OcfError.
    """
    try:
        local.version(instance)
    except ocf.NotUsable:    # damaged: where the WAL is, is not known either
        return None, None, 0
    parts = divergence.parts(instance, found, Deadline(_PATIENCE)) if found else None
    size = found.size if found and found.size else walfiles.look(instance).segment_size
    return parts, keptwal.only_here(instance, parts, size), size


def segments_here(instance, found, must_be_read):
    """Return the segments and the bytes of each that `only_here` does; (None, 0) if not readable.

    must_be_read: where they are given up: what cannot be read now may be in a moment. Raises
    OcfError.
    """
    try:
        return only_here(instance, found)[1:]
    except ocf.OcfError:
        if must_be_read:
            raise
        return None, 0


def now():
    """Return the time (str), as the facts of what is kept have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def keep_lost(instance, found, doubt):
    """Copy the WAL that only this instance has to where paf lost finds it.

    found: divergence.Divergence, None without one; doubt: why (str) it is not known whether there
    is one. Returns the place, "" where it was too much, None where there is nothing to keep. Raises
    OcfError.
    """
    if found is None and not doubt:
        return None
    parts, names, size = only_here(instance, found)
    if not names:
        return None if names == [] else ""
    started = now()
    facts = rewind.described(found, parts) if found else {"diverged": _UNKNOWN.format(doubt)}
    same = keptwal.with_same(instance, facts) if parts else ""
    if same:    # of a rebuild that failed
        return same
    return keptwal.keep_aside(instance, names, keptwal.free_name(instance, started), dict(
        facts, started=started, kept=True,
        timeline=found.upstream.timeline if found else None), size)
