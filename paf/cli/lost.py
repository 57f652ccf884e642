"""paf lost: the commits and rows that only this node has, or had before a rewind or rebuild."""

import json
import os
import re
from collections import namedtuple

from paf import instance as local
from paf import ocf, runner
from paf.cli import configuration, dialect
from paf.cli.common import (
    ERROR, NOT_DONE, OK, Pacemaker, Problem, coloured, complain, say, say_json, table)
from paf.deadline import Deadline
from paf.decide import loss, wal
from paf.decide.knowledge import Unknown, is_known
from paf.instance import (
    divergence, identity, journal, keptwal, postmaster, psql, rewind, settings, sql, walpages)

HELP = "show the commits and rows that only this node has, or had"
TEXT = """Reads WAL that the primary never had: that of this node's instance, if it has diverged and
is stopped, and that which a rewind or rebuild has given up, for as long as it is kept. Shows the
commits with their times, and the rows by table, as far as the names of the tables are known. Rows
that a transaction wrote before the WAL was only here are not counted."""
EXAMPLES = ("paf lost", "paf lost --all", "paf lost --json")
EXIT_CODES = ((OK, "no WAL of that kind holds a commit, or other records to rely on"),
              (NOT_DONE, "there are commits, or other records that a client may rely on"),
              (ERROR, "the WAL cannot be read, or it is not known whether there is any"))

_SOME = 20          # commits that are shown
_OLDEST = 90500     # version whose records are known
_CATALOGS = 16384   # below that number, relations are PostgreSQL's own
_PATIENCE = 600.0   # seconds to read a segment
_RECORD = re.compile(r"^rmgr: (\S+) .*?, tx: +(\d+), lsn: ([0-9A-F]+/[0-9A-F]+), .*?desc: (.*)$")
_LENGTH = re.compile(r"len \(rec/tot\): +\d+/ +(\d+),")
_SWITCH = ("SWITCH", "xlog switch")
_PAGE = 8192        # bytes of a page of WAL, where they cannot be read
_RELATION = re.compile(r"rel (\d+)/(\d+)/(\d+)")
_TUPLES = re.compile(r"(?:(\d+) tuples|ntuples:? (\d+))")
_PREPARED = re.compile(r"(?:COMMIT|ABORT)_PREPARED (?:gxid )?(\d+)?")
_CHILDREN = re.compile(r"subxacts: ([\d ]+)")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d [0-9:.]+(?: \S+)?)")
_KINDS = {"INSERT": 0, "MULTI_INSERT": 0, "UPDATE": 1, "HOT_UPDATE": 1, "DELETE": 2}

#: commits: list of Commit; rows: dict of (space, database, file) to [inserted, updated, deleted];
#: others: dict of "Manager/RECORD" to how many of those that count without a commit.
Found = namedtuple("Found", "commits rows others")
#: xid: int; time: str; lsn: int; rows: int that it has changed in tables.
Commit = namedtuple("Commit", "xid time lsn rows")


def arguments(parser):
    """Declare the verb's arguments."""
    parser.add_argument("node", metavar="NODE", nargs="?", help="this node, which is the default")
    parser.add_argument("--resource", metavar="NAME", default="",
                        help="the resource, where the cluster has several")
    parser.add_argument("--all", action="store_true", help="show all commits, not the last ones")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options):
    """Show what is found; return the exit code."""
    pacemaker = Pacemaker()
    here = pacemaker.node()
    if options.node not in (None, here):
        raise Problem("the WAL of {0} lies on {0}: run paf lost there".format(options.node))
    managed = configuration.find(configuration.parse(pacemaker.cib()), options.resource)
    instance = dialect.instance_of(managed)
    try:
        found, doubt = places(instance)
    except (ocf.OcfError, EnvironmentError) as error:
        raise Problem(str(error))
    reports = []
    for folder, facts in found:    # one that cannot be read hides no other
        try:
            reports.append(report(instance, folder, facts))
        except (ocf.OcfError, Problem, EnvironmentError) as error:
            doubt.append(str(error))
    if options.json:
        say_json(reports)
    elif not reports and not doubt:
        say("{0} has no WAL that the primary never had, and keeps none".format(here))
    for one in [] if options.json else reports:
        for line in lines(one, options.all):
            say(line)
    doubt += ["the WAL in {0} cannot be read from {1} on: there may be more than is shown".format(
        one["folder"], one["unread_from"]) for one in reports if one["unread_from"]]
    for line in doubt:
        complain(line)
    return NOT_DONE if any(one["commits"] or one["others"] for one in reports) else (
        ERROR if doubt else OK)


def places(instance):
    """Return (folder, facts) of each part of the WAL, the last one that of the instance itself;
    and what is not known (a list of str).
    """
    found, doubt = _kept(instance)
    if not os.path.isdir(instance.parameters.datadir):
        doubt.append("{0} is not there: what was in it, and what is kept beside it, is not "
                     "known".format(instance.parameters.datadir))
        return found, doubt
    if postmaster.processes(instance):
        return found, doubt
    if journal.exists(instance):
        _of_journal(instance, found, doubt)
        return found, doubt
    try:
        fact = divergence.look(
            instance, settings.conninfo(instance, Deadline(10.0)), Deadline(30.0))
        if is_known(fact) and fact.value is not None:
            _of_instance(instance, fact.value, found, doubt)
    except ocf.OcfError as error:
        fact = Unknown(str(error))
    if not is_known(fact):
        doubt.append("it is not known whether this instance has diverged: {0}".format(fact.reason))
    return found, doubt


def _of_instance(instance, diverged, found, doubt):
    """Add what a Divergence of the instance itself comes to. Raises OcfError."""
    parts = divergence.parts(instance, diverged, Deadline(_PATIENCE))
    if parts is None:
        doubt.append("{0}: it is not known from where on, so all its WAL may be only here".format(
            diverged.what))
    else:
        found.append((local.wal_folder(instance), dict(
            rewind.described(diverged, parts), started="", timeline=diverged.upstream.timeline)))


def _of_journal(instance, found, doubt):
    """Add what a rewind or rebuild that was cut off has kept so far. Raises OcfError."""
    facts = journal.read(instance)
    if facts.get("parts") and os.path.isdir(keptwal.folder(instance)) and facts.get("kept"):
        found.append((keptwal.folder(instance), facts))
    else:
        doubt.append("a {0} was cut off here: what only this node had is known when it is "
                     "complete".format(facts.get("what", rewind.WHAT)))


def _kept(instance):
    """Return the same for the sets of WAL that were given up. Raises OSError."""
    found, doubt, top = [], [], keptwal.lost_folder(instance)
    with runner.Acting(local.owner(instance)):
        for name in sorted(os.listdir(top)) if os.path.lexists(top) else []:
            place, facts = os.path.join(top, name), None
            try:
                with open(os.path.join(place, keptwal.ABOUT)) as stream:
                    facts = json.loads(stream.read())
            except (EnvironmentError, ValueError):
                pass
            if isinstance(facts, dict) and facts.get("kept") is False:
                doubt.append("{0}: {1}: its WAL was given up and is not kept, it was too "
                             "much".format(place, facts.get("diverged")))
            elif isinstance(facts, dict) and facts.get("parts"):
                found.append((place, facts))
            else:
                doubt.append("{0} holds WAL that was given up, and it is not known from where on: "
                             "look at it with pg_waldump".format(place))
    return found, doubt


def report(instance, folder, facts):
    """Return what a part of the WAL holds, for JSON (dict). Raises OcfError, Problem."""
    if local.version(instance) < _OLDEST:
        raise Problem("{0}: paf lost does not know the records of PostgreSQL before 9.5, look at "
                      "it with pg_xlogdump".format(folder))
    timelines = [part[0] for part in facts["parts"]]
    parts = [Records(instance, folder, facts["segment_size"], timelines[number:], *part[1:])
             for number, part in enumerate(facts["parts"])]
    found = understand(record for part in parts for record in part)
    unread = [part.unread for part in parts if part.unread is not None]
    names = _names(instance, set(place for place in found.rows))
    by_table = sorted((names.get(place, "{0}/{1}/{2}".format(*place)), numbers)
                      for place, numbers in found.rows.items() if place[2] >= _CATALOGS)
    return {"folder": folder, "given_up": facts.get("started") or None,
            "diverged": facts["diverged"],
            "unread_from": wal.format_lsn(unread[0]) if unread else None,
            "commits": [dict(one._asdict(), lsn=wal.format_lsn(one.lsn)) for one in found.commits],
            "others": loss.judge(found.others).relied_on,
            "tables": [{"table": name, "inserted": numbers[0], "updated": numbers[1],
                        "deleted": numbers[2]} for name, numbers in by_table]}


class Records(object):
    """The records of a part of the WAL: (manager, xid, LSN, description) of each.

    unread: the LSN (int) from where on they could not be read, None where all were.
    """

    def __init__(self, instance, folder, size, timelines, begin, end):
        self._instance, self._folder, self._timelines = instance, folder, timelines
        self._size, self._page = size, _PAGE
        self._begin, self._end = wal.parse_lsn(begin), wal.parse_lsn(end)
        self._reached = 0
        self.unread = None

    def __iter__(self):
        """Yield them, a segment at a time. Raises Problem where none can be read."""
        size, start, end = self._size, self._begin, self._end
        self._page = walpages.page_size_in(self._instance, os.path.join(
            self._folder, wal.segment_name(self._named(start), start, size))) or _PAGE
        self._reached = start
        while start < end:
            limit = min(start - start % size + size, end)
            # one segment more, so that a record which crosses the border is read
            result = self._dump(start, limit + size)
            for record in self._taken(result.out):
                if record[2] < limit:
                    yield record
            if result.status != 0 and self._reached < limit:
                self.unread = max(self._reached, start)
                return
            start = limit

    def _taken(self, text):
        """Yield the records in what pg_waldump printed, and note how far it came."""
        for line in text.splitlines():
            match, length = _RECORD.match(line), _LENGTH.search(line)
            if not match:
                continue
            lsn = wal.parse_lsn(match.group(3))
            after = walpages.next_record(
                lsn, int(length.group(1)) if length else 0, self._page, self._size)
            if match.group(1) == "XLOG" and match.group(4).startswith(_SWITCH):
                after = lsn - lsn % self._size + self._size
            self._reached = max(self._reached, after)
            yield match.group(1), int(match.group(2)), lsn, match.group(4)

    def _named(self, lsn):
        """Return the timeline that the file of a segment is named after.

        A promotion copies the last segment of a timeline, and may rename the old file (.partial).
        """
        with runner.Acting(local.owner(self._instance)):
            found = [number for number in self._timelines if os.path.lexists(os.path.join(
                self._folder, wal.segment_name(number, lsn, self._size)))]
        return (found or self._timelines)[0]

    def _dump(self, start, end):
        argv = [local.program(self._instance, settings.wal_dump(self._instance)), "-p",
                self._folder, "-t", str(self._named(start)), "-s", wal.format_lsn(start),
                "-e", wal.format_lsn(end)]
        result = runner.run(argv, Deadline(_PATIENCE), user=local.owner(self._instance))
        if result.timed_out or (result.status != 0 and not result.out and " at " not in result.err):
            raise Problem("the WAL in {0} cannot be read: {1}".format(
                self._folder, sql.last_words(result.err) or "it took too long"))
        return result


def understand(records):
    """Return what (manager, xid, LSN, description) records come to: Found; pure."""
    changes, parents, commits, others, prepared_here = {}, {}, [], {}, set()
    for manager, xid, lsn, text in records:
        kind = text.split(" ")[0].partition("+")[0]
        _count(manager, kind, xid, text, others, prepared_here)
        if manager in ("Heap", "Heap2") and kind in _KINDS:
            place = _RELATION.search(text)
            if place:
                tuples = _TUPLES.search(text) if kind == "MULTI_INSERT" else None
                number = int(tuples.group(1) or tuples.group(2)) if tuples else 1
                numbers = changes.setdefault(xid, {}).setdefault(
                    tuple(int(word) for word in place.groups()), [0, 0, 0])
                numbers[_KINDS[kind]] += number
        elif manager == "Transaction" and kind in ("COMMIT", "COMMIT_PREPARED"):
            own = _prepared(text) or xid
            time = _TIME.search(text)
            commits.append((own, time.group(1) if time else "", lsn))
            for group in _CHILDREN.findall(text):
                parents.update((int(child), own) for child in group.split())
    if prepared_here:
        others["Transaction/PREPARE"] = len(prepared_here)
    return _summed(changes, parents, commits, others)


def _prepared(text):
    """Return the xid (int) that the second phase of a commit names, 0 without one."""
    found = _PREPARED.match(text)
    return int(found.group(1)) if found and found.group(1) else 0


def _count(manager, kind, xid, text, others, prepared_here):
    """Count a record that a client may rely on without a commit.

    others: dict of "Manager/RECORD" to int; prepared_here: xids that wait for their second phase.
    """
    name, own = "{0}/{1}".format(manager, kind), _prepared(text) or xid
    rule = loss.rule(name)
    if name == "Transaction/PREPARE":
        prepared_here.add(xid)
    elif own in prepared_here and manager == "Transaction":
        prepared_here.discard(own)
    elif rule is not None and rule.verdict == loss.LOST and not name.startswith(
            "Transaction/COMMIT") and " transactional" not in text:
        others[name] = others.get(name, 0) + 1


def _summed(changes, parents, commits, others):
    """Return the Found of the changes (by xid and place) that these commits made."""
    done, rows, counts = set(xid for xid, _, _ in commits), {}, {}
    for xid, places_ in changes.items():
        own = parents.get(xid, xid)
        if own not in done:
            continue
        for place, numbers in places_.items():
            if place[2] >= _CATALOGS:
                counts[own] = counts.get(own, 0) + sum(numbers)
            sums = rows.setdefault(place, [0, 0, 0])
            sums[:] = [one + other for one, other in zip(sums, numbers)]
    return Found([Commit(xid, time, lsn, counts.get(xid, 0)) for xid, time, lsn in commits],
                 rows, others)


def _names(instance, found):
    """Return the tables' names by (space, database, file), as far as a server says them.

    This node's server if it runs, else the primary.
    """
    names, databases = {}, dict((row[0], row[1]) for row in _ask(
        instance, "postgres", "SELECT oid::text, datname FROM pg_catalog.pg_database"))
    for number in set(place[1] for place in found):
        places_ = [place for place in found if place[1] == number and place[2] >= _CATALOGS]
        if str(number) not in databases or not places_:
            continue
        text = " UNION ALL ".join(
            "SELECT '{0} {1} {2}', pg_catalog.pg_filenode_relation({0}, {2})::regclass::text"
            .format(*place) for place in places_)
        for row in _ask(instance, databases[str(number)], text):
            if row[1]:
                names[tuple(int(word) for word in row[0].split())] = "{0}: {1}".format(
                    databases[str(number)], row[1])
    return names


def _ask(instance, database, text):
    """Return the rows of a statement in a database; [] without an answer."""
    try:
        if postmaster.find(instance).value:
            where = identity.address(instance)
            result = psql.here(instance, text, Deadline(10.0), {
                "PGHOST": where.host, "PGPORT": str(where.port),
                "PGDATABASE": database, "PGCONNECT_TIMEOUT": "5"})
        else:
            result = psql.there(instance, settings.conninfo(instance, Deadline(10.0)),
                                (("dbname", database),), text, Deadline(10.0))
    except ocf.OcfError:
        return []
    return psql.rows(result.out) if result.status == 0 and not result.timed_out else []


def lines(one, everything):
    """Yield a report (dict) as lines for people."""
    yield coloured("{0}: {1}".format(
        "given up " + one["given_up"] if one["given_up"] else "only here", one["diverged"]), "bold")
    yield "read from {0}".format(one["folder"])
    commits = one["commits"]
    if one["others"]:
        yield "{0}".format(one["others"])
    if not commits:
        yield "no commit"
        return
    relied_on = loss.judge({"Transaction/COMMIT": len(commits)}).relied_on
    yield "{0}, from {1} to {2}".format(relied_on, commits[0]["time"], commits[-1]["time"])
    shown = commits if everything else commits[-_SOME:]
    for line in table([["xid", "time", "LSN", "rows"]] + [
            [str(item["xid"]), item["time"], item["lsn"], str(item["rows"])] for item in shown]):
        yield line
    if len(shown) < len(commits):
        yield "and {0} before these: --all".format(len(commits) - len(shown))
    if one["tables"]:
        yield ""
        for line in table([["table", "inserted", "updated", "deleted"]] + [
                [item["table"], str(item["inserted"]), str(item["updated"]), str(item["deleted"])]
                for item in one["tables"]]):
            yield line
