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
    divergence, identity, keptwal, postmaster, psql, rewind, settings, sql)

HELP = "show the commits and rows that only this node has, or had"
TEXT = """Reads WAL that the primary never had: that of this node's instance, if it has diverged and
is stopped, and that which a rewind or rebuild has given up, for as long as it is kept. Shows the
commits with their times, and the rows by table, as far as the names of the tables are known."""
EXAMPLES = ("paf lost", "paf lost --all", "paf lost --json")
EXIT_CODES = ((OK, "no WAL of that kind holds a commit"),
              (NOT_DONE, "there are commits that only this node has or had"),
              (ERROR, "the WAL cannot be read, or it is not known whether there is any"))

_SOME = 20          # commits that are shown
_CATALOGS = 16384   # below that number, relations are PostgreSQL's own
_PATIENCE = 600.0   # seconds to read a segment
_RECORD = re.compile(r"^rmgr: (\S+) .*?, tx: +(\d+), lsn: ([0-9A-F]+/[0-9A-F]+), .*?desc: (.*)$")
_LENGTH = re.compile(r"len \(rec/tot\): +\d+/ +(\d+),")
_SWITCH = ("SWITCH", "xlog switch")
_PAGE, _HEAD = 8192, 40     # bytes of a page of WAL, and of its header at most
_RELATION = re.compile(r"rel (\d+)/(\d+)/(\d+)")
_TUPLES = re.compile(r"(?:(\d+) tuples|ntuples:? (\d+))")
_PREPARED = re.compile(r"COMMIT_PREPARED (?:gxid )?(\d+)?")
_CHILDREN = re.compile(r"subxacts: ([\d ]+)")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d [0-9:.]+(?: \S+)?)")
_KINDS = {"INSERT": 0, "MULTI_INSERT": 0, "UPDATE": 1, "HOT_UPDATE": 1, "DELETE": 2}

#: commits: list of Commit; rows: dict of (space, database, file) to [inserted, updated, deleted].
Found = namedtuple("Found", "commits rows")
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
        reports = [report(instance, *one) for one in found]
    except (ocf.OcfError, EnvironmentError) as error:
        raise Problem(str(error))
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
    return NOT_DONE if any(one["commits"] for one in reports) else ERROR if doubt else OK


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
    try:
        fact = divergence.look(
            instance, settings.conninfo(instance, Deadline(10.0)), Deadline(30.0))
    except ocf.OcfError as error:
        fact = Unknown(str(error))
    if not is_known(fact):
        doubt.append("it is not known whether this instance has diverged: {0}".format(fact.reason))
    elif fact.value is not None and fact.value.fork is not None:
        found.append((local.wal_folder(instance), dict(
            rewind.described(fact.value), begun="", timeline=fact.value.upstream.timeline)))
    return found, doubt


def _kept(instance):
    """Return the same for the sets of WAL that were given up."""
    found, doubt, top = [], [], keptwal.lost_folder(instance)
    with runner.Acting(local.owner(instance)):
        for name in sorted(os.listdir(top)) if os.path.isdir(top) else []:
            place = os.path.join(top, name)
            try:
                with open(os.path.join(place, keptwal.ABOUT)) as stream:
                    found.append((place, json.loads(stream.read())))
            except (EnvironmentError, ValueError):
                doubt.append("{0} holds WAL that was given up, and it is not known from where on: "
                             "look at it with pg_waldump".format(place))
    return found, doubt


def report(instance, folder, facts):
    """Return what a part of the WAL holds, for JSON (dict). Raises OcfError, Problem."""
    records = Records(instance, folder, facts)
    found = understand(records)
    names = _names(instance, set(place for place in found.rows))
    by_table = sorted((names.get(place, "{0}/{1}/{2}".format(*place)), numbers)
                      for place, numbers in found.rows.items() if place[2] >= _CATALOGS)
    return {"folder": folder, "given_up": facts.get("begun") or None, "diverged": facts["diverged"],
            "unread_from": None if records.unread is None else wal.format_lsn(records.unread),
            "commits": [dict(one._asdict(), lsn=wal.format_lsn(one.lsn)) for one in found.commits],
            "tables": [{"table": name, "inserted": numbers[0], "updated": numbers[1],
                        "deleted": numbers[2]} for name, numbers in by_table]}


class Records(object):
    """The records of a part of the WAL: (manager, xid, LSN, description) of each.

    unread: the LSN (int) from where on they could not be read, None where all were.
    """

    def __init__(self, instance, folder, facts):
        if not facts.get("fork"):
            raise Problem("{0}: the begin of what exists only here is not known".format(folder))
        self._instance, self._folder, self._facts = instance, folder, facts
        self._reached = 0
        self.unread = None

    def __iter__(self):
        """Yield them, a segment at a time. Raises Problem where none can be read."""
        size, start = self._facts["segment_size"], wal.parse_lsn(self._facts["fork"])
        end = wal.parse_lsn(self._facts["end"])
        self._reached = start
        while start < end:
            limit = min(start - start % size + size, end)
            # one segment more, so that a record which crosses the border is read
            result = self._dump(start, limit + size)
            for record in self._taken(result.out, size):
                if record[2] < limit:
                    yield record
            if result.status != 0 and self._reached < limit:
                self.unread = max(self._reached, start)
                return
            start = limit

    def _taken(self, text, size):
        """Yield the records in what pg_waldump printed, and note how far it came."""
        for line in text.splitlines():
            match, length = _RECORD.match(line), _LENGTH.search(line)
            if not match:
                continue
            lsn = wal.parse_lsn(match.group(3))
            long = int(length.group(1)) if length else 0
            # the next one begins there at the latest: pages have headers, records are aligned
            after = lsn + long + (long // _PAGE + 2) * _HEAD
            if match.group(1) == "XLOG" and match.group(4).startswith(_SWITCH):
                after = lsn - lsn % size + size
            self._reached = max(self._reached, after)
            yield match.group(1), int(match.group(2)), lsn, match.group(4)

    def _dump(self, start, end):
        argv = [local.program(self._instance, settings.wal_dump(self._instance)), "-p",
                self._folder, "-t", str(self._facts["own_timeline"]), "-s", wal.format_lsn(start),
                "-e", wal.format_lsn(end)]
        result = runner.run(argv, Deadline(_PATIENCE), user=local.owner(self._instance))
        if result.timed_out or (result.status != 0 and not result.out and " at " not in result.err):
            raise Problem("the WAL in {0} cannot be read: {1}".format(
                self._folder, sql.last_words(result.err) or "it took too long"))
        return result


def understand(records):
    """Return what (manager, xid, LSN, description) records come to: Found; pure."""
    changes, parents, commits = {}, {}, []
    for manager, xid, lsn, text in records:
        kind = text.split(" ")[0].partition("+")[0]
        if manager in ("Heap", "Heap2") and kind in _KINDS:
            place = _RELATION.search(text)
            if place:
                tuples = _TUPLES.search(text) if kind == "MULTI_INSERT" else None
                number = int(tuples.group(1) or tuples.group(2)) if tuples else 1
                numbers = changes.setdefault(xid, {}).setdefault(
                    tuple(int(word) for word in place.groups()), [0, 0, 0])
                numbers[_KINDS[kind]] += number
        elif manager == "Transaction" and kind in ("COMMIT", "COMMIT_PREPARED"):
            prepared = _PREPARED.match(text)
            own = int(prepared.group(1)) if prepared and prepared.group(1) else xid
            time = _TIME.search(text)
            commits.append((own, time.group(1) if time else "", lsn))
            for group in _CHILDREN.findall(text):
                parents.update((int(child), own) for child in group.split())
    return _summed(changes, parents, commits)


def _summed(changes, parents, commits):
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
    return Found([Commit(xid, time, lsn, counts.get(xid, 0)) for xid, time, lsn in commits], rows)


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
    if not commits:
        yield "no commit"
        return
    told = loss.judge({"Transaction/COMMIT": len(commits)}).told
    yield "{0}, from {1} to {2}".format(told, commits[0]["time"], commits[-1]["time"])
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
