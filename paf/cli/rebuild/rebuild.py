"""paf rebuild: bring the instance of this node back, from any state, to a streaming standby."""

import os
import time

from paf import instance as local
from paf import log, ocf
from paf.actions import rejoin
from paf.cli import configuration, dialect, promotions
from paf.cli.common import (
    ERROR, NOT_DONE, OK, Pacemaker, Problem, complain, confirmed, say, seconds)
from paf.cli.rebuild import awaited, backup, copying, plan, source, spoilt
from paf.decide.knowledge import Unknown, is_known
from paf.deadline import Deadline
from paf.instance import (
    controldata, divergence, historyfiles, journal, keptwal, replacement, rewind, rewindrole,
    settings)

HELP = "bring this node's instance back: stopped, diverged, damaged or empty"
TEXT = """Makes the stopped instance of this node a standby again, whatever it is: one that has
diverged, a damaged data directory, or none at all. Looks first what is in the way, says what will
happen and asks. It rewinds where pg_rewind can; otherwise, or with --copy, it copies the primary
with pg_basebackup beside the old data directory, which stays until the new one streams; with --from
pgbackrest it restores the newest backup there, which spares the primary, and the WAL since then
comes from the archive. The WAL that only this instance has is kept for paf lost. The failure in
Pacemaker is cleaned up last. It may be interrupted anywhere: Pacemaker does not start a directory
that is not whole."""
EXAMPLES = ("paf rebuild", "paf rebuild --copy --rate 50M",
            "paf rebuild --from \"host=192.168.1.50 user=replicator\" --yes",
            "paf rebuild --from pgbackrest")
EXIT_CODES = ((OK, "this node's instance streams; with --dry-run: it can be done"),
              (NOT_DONE, "not confirmed; or it is rebuilt, and was not seen to stream"),
              (ERROR, "it cannot be done, or has failed: the old data directory is in its place, "
                      "unless it was given up (--discard), or the message says otherwise"))

_PATIENCE = 180.0
_HOURS = 24.0
_LOOK = 0.5


def arguments(parser):
    """Declare the verb's arguments."""
    parser.add_argument("--resource", metavar="NAME", default="",
                        help="the resource, where the cluster has several")
    parser.add_argument("--from", dest="origin", metavar="CONNINFO|pgbackrest", default="",
                        help="the way to the primary, where primary_conninfo is not known here; or "
                             "restore the newest backup of pgbackrest")
    parser.add_argument("--stanza", metavar="NAME", default="",
                        help="with --from pgbackrest: its stanza (the one that has this cluster)")
    parser.add_argument("--config", metavar="FILE", default="",
                        help="with --from pgbackrest: its configuration file, where that is not "
                             "in its usual place")
    parser.add_argument("--primary", metavar="CONNINFO", default="",
                        help="with --from pgbackrest: the way to the primary")
    parser.add_argument("--copy", action="store_true", help="copy, also where pg_rewind could work")
    parser.add_argument("--discard", action="store_true",
                        help="give the old data directory up first, where space is short")
    parser.add_argument("--rate", metavar="RATE",
                        help="limit the copy, as 50M (a second; kB without M)")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")
    parser.add_argument("--hours", metavar="HOURS", type=seconds, default=_HOURS,
                        help="how long the copy may take ({0:.0f})".format(_HOURS))
    parser.add_argument("--timeout", metavar="SECONDS", type=seconds, default=_PATIENCE,
                        help="how long to wait until it streams ({0:.0f})".format(_PATIENCE))


def run(options):
    """Rebuild this node's instance; return the exit code."""
    if os.geteuid() != 0:
        raise Problem("paf rebuild has to be run by root")
    pacemaker = Pacemaker()
    managed = configuration.find(configuration.parse(pacemaker.cib(), time.time()),
                                 options.resource, pacemaker.node)
    instance = dialect.instance_of(managed)
    try:
        work = Work(instance, pacemaker.node(), options,
                    lambda: promotions.of_primary(pacemaker, managed.name))
        work.look()
        for line in work.says():
            say(line)
        if options.dry_run:
            return OK
        if not options.yes and not confirmed("Rebuild this node's instance now? [y/N]"):
            complain("not confirmed, nothing was changed")
            return NOT_DONE
        work.do()
    except ocf.OcfError as error:
        raise Problem(str(error))
    return _start(pacemaker, managed.name, instance, work, options.timeout)


def _start(pacemaker, resource, instance, work, seconds):
    """Have Pacemaker start what was rebuilt; return the exit code. Says how to go on by hand."""
    cleanup = ("crm_resource", "--cleanup", "--resource", resource, "--node", work.node)
    try:
        pacemaker.ask(*cleanup)
        for what in awaited.waits_for(pacemaker, resource, work.node):
            say(what)
        return awaited.follow(instance, work, seconds)
    except Problem as error:
        complain("the instance is rebuilt, but its failure could not be cleaned up ({0}). By "
                 "hand: {1}{2}".format(error, " ".join(cleanup), awaited.kept(work)))
        return NOT_DONE
    except KeyboardInterrupt:
        complain("interrupted: the instance is rebuilt, and was not seen to stream, see paf "
                 "status. Unless it starts: {0}{1}".format(" ".join(cleanup), awaited.kept(work)))
        raise


class Work(object):
    """The steps of a rebuild on this node, and their execution."""

    def __init__(self, instance, node, options, theirs=None):
        self._instance, self.node, self._options = instance, node, options
        self._theirs = theirs or (lambda: Unknown("it was not asked"))
        self._plan = self._source = self._found = self._why_copy = None
        self._backup = None
        self._doubt, self._is_kept = "", True
        self._damage = ""    # why the journal cannot be used
        self._more = ""      # why more may exist only here than what is found
        self._version = 0

    def look(self):
        """Find out what can be done. Raises Problem, OcfError; changes nothing."""
        plan.running(self._instance)
        restored = backup.is_wanted(self._options)
        self._damage = spoilt.problem(self._instance)
        self._check_free()
        self._version = source.version(self._instance)
        given = self._options.primary if restored else self._options.origin
        where = source.conninfo(self._instance, given or self._journal().get("conninfo", ""),
                                self._version)
        self._source = source.look(self._instance, where, self._version)
        plan.mounted(self._instance, None if self._damage else self._journal())
        plan.foreign(self._instance, self._source, Deadline(30.0))
        self._why_copy = self._not_rewound()
        if self._why_copy:
            if restored:
                self._backup = backup.look(self._instance, self._source, self._options,
                                           self._version)
            else:
                source.check_copier(self._instance, self._options.rate)
                source.check_room(self._instance, self._source, self._version)
            noted = self._journal()
            if self._options.discard and not noted and not self._damage:
                copying.own_below(self._instance, True)
            self._plan = plan.make(
                self._instance, self._source, self._options.discard, self._version,
                noted.get("links") if noted.get("phase") in plan.GONE else None)
            if self._backup:
                backup.check_spaces(self._backup, self._plan)

    def _check_free(self):
        """Raise OcfError while another process works on the instance."""
        if self._damage:
            spoilt.problem(self._instance)
        else:
            journal.check_free(self._instance)

    def _journal(self):
        """Return the facts (dict) of a journal that is understood, {} without. Raises OcfError."""
        return journal.read(self._instance) if not self._damage and (
            journal.exists(self._instance)) else {}

    def _was_spoilt(self):
        """Return whether an earlier rebuild found a journal that cannot be used, and was cut off.

        Then the old directory may have what no other has. Raises OcfError.
        """
        noted = self._journal()
        return bool(noted.get("spoilt")) and noted.get("phase") != replacement.DISCARDED

    def _not_rewound(self):
        """Return why pg_rewind is not used (str), "" if it is."""
        if self._damage or journal.exists(self._instance):
            self._doubt = "the journal of a rewind or rebuild cannot be used" * bool(
                self._damage or self._was_spoilt())
            return self._damage or "a rewind or rebuild was started here and is not complete"
        control = self._control()
        if control is None:
            return "there is no data directory that could be read"
        control = control.value
        if rewind.is_fresh_copy(self._instance):
            self._examine_copy()
            return "it has not run since it was copied"
        fact = self._examine()
        if self._options.copy or self._options.origin == backup.NAME:
            return "{0} asks for it".format(
                "--copy" if self._options.copy else "--from pgbackrest")
        mixture = historyfiles.off_history(self._instance, control)
        if mixture:
            mixture = mixture.rpartition(";")[0]    # without the advice to do this
            self._doubt = self._doubt or mixture
            return mixture
        if not is_known(fact):
            raise Problem("it is not known whether this instance has diverged: {0}; --copy copies "
                          "the primary in any case".format(fact.reason))
        if self._found is None:
            raise Problem("this instance has not diverged from the primary, so it can follow it: "
                          "clean up its failure (crm_resource --cleanup), or rebuild it "
                          "anyway with --copy")
        if promotions.is_by_promotion(self._found):
            return "a timeline of the same number began here with another promotion"
        if not self._found.common:
            return "pg_rewind cannot lead back from there"
        return self._why_no_rewind(control)

    def _why_no_rewind(self, control):
        """Return why pg_rewind cannot work (str), "" if it can; control: of the old directory."""
        reason = rewind.problem_now(self._instance, control)
        if not reason:
            settings.check_data_directory(self._instance, Deadline(30.0))
            try:
                rewindrole.check(self._instance, self._source.conninfo, Deadline(30.0))
            except ocf.OcfError as error:
                reason = str(error)
        return reason or ""

    def _examine(self):
        """Note whether the instance has diverged, and return that Fact.

        WAL that cannot be read keeps no copy from being made: what is only here is not known then.
        """
        try:
            fact, self._more = promotions.examine(
                self._instance, self._source.conninfo, self._theirs(), Deadline(30.0))
        except ocf.OcfError as error:
            fact, self._more = Unknown(str(error)), ""
        self._found, self._doubt = fact.value, fact.reason
        return fact

    def _examine_copy(self):
        """Do what `_examine` does for a copy that has not run: its WAL may not be there.

        What a primary sent it before that died may be what no standby has.
        """
        try:
            self._examine()
        except ocf.OcfError as error:
            self._doubt = str(error)

    def _control(self):
        """Return the Fact of the old directory's controldata.ControlData, None if unreadable."""
        if not os.path.isdir(self._instance.parameters.datadir):
            return None
        control = controldata.read(self._instance, Deadline(30.0))
        if not is_known(control) and any(
                os.path.isdir(local.path(self._instance, name)) for name in plan.WAL):
            self._doubt = control.reason    # there may be WAL that only this instance has
        return control if is_known(control) else None

    def says(self):
        """Yield what will happen, for people."""
        data = self._instance.parameters.datadir
        if self._found is not None:
            yield "{0}: {1}".format(self.node, divergence.reason(self._found, rejoin.what_is_lost(
                self._instance, self._found, Deadline(120.0))[0]).rpartition(";")[0])
            yield "What exists only here is given up{0}".format(self._says_of_wal("; its WAL"))
        if self._more:
            yield "Whether more than this exists only here is not known ({0}){1}".format(
                self._more, "; pg_rewind leaves what differs, --copy does not"
                if not self._why_copy else ": it would be given up" if self._options.discard else
                "; the old directory stays")
        if self._doubt:
            yield "Whether something exists only here is not known ({0}): it would be given up" \
                  "{1}".format(self._doubt, self._says_of_wal("; all the WAL here"))
        if self._damage:
            yield "What the journal {0} holds goes to {1}; this node's files in it go back under " \
                  "their names".format(journal.folder(self._instance),
                                       keptwal.lost_folder(self._instance))
        if not self._why_copy:
            yield "pg_rewind makes {0} a copy of the primary's, and keeps this node's files".format(
                data)
            return
        yield self._says_of_copy()
        for copy, place, aside in self._plan.swaps:
            if self._options.discard:
                yield "  {0} is emptied first".format(place)
            else:
                yield "  into {0}, which becomes {1}{2}".format(
                    copy, place, "; what is there now becomes {0}, until the new one "
                    "streams".format(aside) if os.path.lexists(place) else "")

    def _says_of_copy(self):
        """Return what is copied, and why (str)."""
        if self._backup:
            return "pgbackrest restores the backup {0} of the stanza {1} ({2} MB), since {3}; " \
                   "the WAL since then comes from the archive and the primary".format(
                       self._backup.label, self._backup.stanza, self._backup.size >> 20,
                       self._why_copy)
        return "pg_basebackup copies the primary ({0}), since {1}".format(
            "{0} MB".format(self._source.size >> 20) if self._source.size is not None else
            "its size is not known: {0}".format(self._source.why), self._why_copy)

    def _says_of_wal(self, what):
        """Return what becomes of the WAL of which a copy is to be kept, as the end of a sentence.

        what: the beginning of that (str). Raises OcfError.
        """
        names, size = copying.segments_here(self._instance, self._found, self._options.discard)
        if names is not None and keptwal.fits(self._instance, names, size):
            return "{0} is kept in {1}".format(what, keptwal.lost_folder(self._instance))
        why = "cannot be copied" if names is None else "is too much for a copy ({0} MB)".format(
            len(names) * size >> 20)
        if self._why_copy and not self._options.discard:
            return "{0} {1}, and stays in the old directory".format(what, why)
        return "{0} too, since it {1}".format(what, why)

    def do(self):
        """Rewind or copy. Raises Problem, OcfError."""
        plan.running(self._instance)
        self._check_free()    # it may have been long until the confirmation
        here = log.Log(ocf.Environment(os.environ))
        if not self._why_copy:
            place = rewind.run(self._instance, self._source.conninfo, self._found,
                               Deadline(self._options.hours * 3600.0), here)
            say("rewound{0}".format(": the WAL that only this instance had is kept in {0}".format(
                place) if place else ""))
            return
        self._clear_journal()
        place = self._keep_lost()
        # what the tables have, and the WAL no longer has, is nowhere else
        self._is_kept = place != "" and not (self._damage or self._more or self._was_spoilt())
        self._say_kept(place)
        copy = copying.Copying(self._instance, self.node, self._plan, self._source, self._options,
                               self._version, self._backup)
        copy.run()
        self._note_missed(copy.missed)
        say("copied")

    def _keep_lost(self):
        """Do what copying.keep_lost does. WAL that cannot be copied stays in the old directory."""
        try:
            return copying.keep_lost(self._instance, self._found, self._doubt)
        except ocf.OcfError as error:
            if self._options.discard:
                raise
            complain("{0}: it stays in the old directory".format(error))
            return ""

    def _note_missed(self, reason):
        """Keep the old directory where the copy may lack files of this node (why: str)."""
        if reason:
            self._is_kept = False
            complain("it is not known which configuration files this node has in PostgreSQL's own "
                     "folders, so none is in the copy: {0}".format(reason))

    @staticmethod
    def _say_kept(place):
        if place:
            say("the WAL that only this instance had is kept in {0}".format(place))

    def _clear_journal(self):
        """Put back what something that was cut off has moved away; the copy replaces the rest."""
        if self._damage:
            self._move_copies()    # first: afterwards they count as a stranger's
            place = spoilt.set_aside(self._instance, copying.now())
            say("what the journal held is kept in {0}".format(place))
            return
        if not journal.exists(self._instance):
            return
        facts = journal.read(self._instance)
        if facts.get("what") == replacement.WHAT and facts.get("phase") == replacement.DISCARDED:
            if not self._options.discard:
                raise Problem("the old data directory is given up already: say --discard again")
        elif facts.get("what") == replacement.WHAT:
            replacement.revert(self._instance, log.Log(ocf.Environment(os.environ)))
            if not facts.get("half") and facts.get("phase") in (
                    replacement.COPYING, replacement.ASIDE):
                self._look_again()
        elif facts.get("what", rewind.WHAT) == rewind.WHAT:
            place = rewind.give_up(self._instance, facts)
            self._say_kept(place)
            if facts.get("phase", rewind.KEEPING) in (rewind.KEEPING, rewind.KEPT):
                self._look_again()
        else:
            raise journal.foreign(self._instance, facts)

    def _move_copies(self):
        """Move away what may be a copy of the work that is not understood. Raises OcfError."""
        for copy, place, aside in self._plan.swaps:
            if aside and os.path.lexists(copy):
                kept = aside.replace(place, copy, 1)
                replacement.rename(self._instance, copy, kept)
                say("{0} is now {1}".format(copy, kept))

    def _look_again(self):
        """Look whether the instance has diverged, now that its files are back. Raises OcfError."""
        self._examine()

    def is_kept(self):
        """Return whether the WAL that only the old directory has is kept elsewhere, if any."""
        return self._is_kept

    def old(self):
        """Return the folders of the old data directory that are kept until the new one streams."""
        return [aside for _, _, aside in (self._plan.swaps if self._plan else ())
                if aside and os.path.lexists(aside)]
