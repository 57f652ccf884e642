"""paf lost: the commits and rows that only this node has, or had before a rewind or rebuild."""

import json
import os
import time

from paf import instance as local
from paf import ocf, runner, variant
from paf.cli import configuration, dialect, interruptions, promotions, view, walrecords
from paf.cli.common import (
    ERROR, NOT_DONE, OK, Pacemaker, Problem, coloured, complain, require_nodes, say,
    say_json, table)
from paf.cli.rebuild import awaited
from paf.cli.walrecords import CATALOGS
from paf.deadline import Deadline
from paf.decide import loss, wal
from paf.decide.knowledge import Unknown, is_known
from paf.instance import (
    divergence, identity, journal, keptwal, postmaster, psql, rewind, settings)

HELP = "show the commits and rows that only this node has, or had"
TEXT = """Reads WAL that the primary never had: that of this node's instance, if it has diverged and
is stopped, and that which a rewind or rebuild has given up, for as long as it is kept. Shows the
commits with their times, and the rows by table, as far as the names of the tables are known. Where
a transaction may have written rows before the WAL was only here, the number of its rows is not
known. What could not be found out is said, and is in the JSON as well: beside it, no report does
not mean that nothing is lost.
""" + variant.PAGES + "/schemas/lost.json describes the JSON."
EXAMPLES = ("paf lost", "paf lost --all", "paf lost --output json")
EXIT_CODES = ((OK, "no WAL of that kind holds a commit, or other records to rely on"),
              (NOT_DONE, "there are commits, or other records that a client may rely on"),
              (ERROR, "the WAL cannot be read, or it is not known whether there is any"))

FORMAT = 1          # of the JSON
_SOME = 20          # commits that are shown
_OLDEST = 90500     # version whose records are known
_UNKNOWN = "not known"
_PATIENCE = 600.0   # seconds to read a segment


def arguments(parser):
    """Declare the verb's arguments."""
    parser.add_argument("node", metavar="NODE", nargs="?", help="this node, which is the default")
    parser.add_argument("--resource", metavar="NAME", default="",
                        help="the resource, where the cluster has several")
    parser.add_argument("--all", action="store_true", help="show all commits, not the last ones")
    parser.add_argument("--output", choices=("text", "json"), default="text",
                        help="the form of the answer (text)")
    parser.add_argument("--json", dest="output", action="store_const", const="json",
                        help="the same as --output json")


def _words(error):
    """Return an error of the agent's, or of the system's with what to do, for people (str)."""
    if getattr(error, "filename", None) is None:
        return str(error)
    return "cannot look into {0}: {1}{2}".format(
        error.filename, error.strerror, ": run paf lost as root" if os.geteuid() else "")


def run(options):
    """Show what is found; return the exit code."""
    pacemaker = Pacemaker()
    here = pacemaker.node()
    configured = configuration.parse(pacemaker.cib(), time.time())
    if options.node not in (None, here):
        require_nodes([options.node], configured.nodes)
        raise Problem("the WAL of {0} lies on {0}: run paf lost there".format(options.node))
    managed = configuration.find(configured, options.resource, lambda: here)
    instance = dialect.instance_of(managed)
    with interruptions.Patience("still reading the WAL"):
        reports, doubt = _read(
            instance, lambda: promotions.of_primary(pacemaker, managed.name),
            lambda: view.promoted(view.look(pacemaker), managed.name) == [here])
    doubt += ["the WAL in {0} cannot be read from {1} on: there may be more than is shown".format(
        one["folder"], one["unread_from"]) for one in reports if one["unread_from"]]
    if options.output == "json":
        say_json({"format": FORMAT, "reports": reports, "unknown": doubt})
    elif not reports and not doubt:
        say("{0} has no WAL that the primary never had, and keeps none".format(here))
    for one in [] if options.output == "json" else reports:
        for line in lines(one, options.all):
            say(line)
    for line in doubt:
        complain(line)
    return NOT_DONE if any(one["commits"] or one["others"] for one in reports) else (
        ERROR if doubt else OK)


def _read(instance, theirs, leads):
    """Return the reports on all that is found, and what is not known (a list of str).

    theirs, leads: as for `places`. Raises Problem.
    """
    try:
        found, doubt = places(instance, theirs, leads)
    except (ocf.OcfError, EnvironmentError) as error:
        raise Problem(_words(error))
    reports = []
    for folder, facts in found:    # one that cannot be read hides no other
        try:
            reports.append(report(instance, folder, facts))
        except (ocf.OcfError, Problem, EnvironmentError) as error:
            doubt.append(_words(error))
    return reports, doubt


def places(instance, theirs, leads=lambda: False):
    """Return (folder, facts) of each part of the WAL, the last one that of the instance itself;
    and what is not known (a list of str).

    theirs: function that returns the Fact of the primary's timelines.Line; leads: one that returns
    whether Pacemaker has promoted this node, and no other, or raises Problem.
    """
    found, doubt = _kept(instance)
    if not os.path.isdir(instance.parameters.datadir):
        doubt.append("{0} is not there: what was in it, and what is kept beside it, is not "
                     "known".format(instance.parameters.datadir))
        return found, doubt
    if postmaster.processes(instance):
        return found, doubt + _of_running(instance, leads)
    if journal.exists(instance):
        try:
            _of_journal(instance, found, doubt)
        except ocf.OcfError as error:
            doubt.append(str(error))
        return found, doubt
    try:
        fact, more = promotions.examine(
            instance, settings.conninfo(instance, Deadline(10.0)), theirs(), Deadline(30.0))
        if more:
            doubt.append("it is not known whether more is only here: {0}".format(more))
        if is_known(fact) and fact.value is not None:
            _of_instance(instance, fact.value, found, doubt)
    except ocf.OcfError as error:
        fact = Unknown(str(error))
    if not is_known(fact):
        doubt.append("it is not known whether this instance has diverged: {0}".format(fact.reason))
    return found, doubt


def _of_running(instance, leads):
    """Return what is not known of an instance that runs (a list of str); leads: as for `places`."""
    try:
        if leads() or awaited.streams(instance):
            return []
        why = "it is not the only primary, and does not stream"
    except Problem as error:
        why = str(error)
    return ["the instance runs, and may have WAL that is only here ({0}): whether it has diverged "
            "is seen once it is stopped".format(why)]


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
    timelines, size = [part[0] for part in facts["parts"]], facts["segment_size"]
    parts = [walrecords.Records(instance, folder, size, timelines[number:], *part[1:])
             for number, part in enumerate(facts["parts"])]
    found = walrecords.understand(
        (record for part in parts for record in part),
        walrecords.start_of(instance, folder, size, timelines[0], facts["parts"][0][1]))
    unread = [part.unread for part in parts if part.unread is not None]
    names = _names(instance, set(place for place in found.rows))
    by_table = sorted((names.get(place, "{0}/{1}/{2}".format(*place)), numbers)
                      for place, numbers in found.rows.items() if place[2] >= CATALOGS)
    return {"folder": folder, "given_up": facts.get("started") or None,
            "diverged": facts["diverged"],
            "unread_from": wal.format_lsn(unread[0]) if unread else None,
            "commits": [dict(one._asdict(), lsn=wal.format_lsn(one.lsn)) for one in found.commits],
            "others": loss.judge(found.others).relied_on,
            "tables": [{"table": name, "inserted": numbers[0], "updated": numbers[1],
                        "deleted": numbers[2]} for name, numbers in by_table]}


def _names(instance, found):
    """Return the tables' names by (space, database, file), as far as a server says them.

    This node's server if it runs, else the primary.
    """
    names, databases = {}, dict((row[0], row[1]) for row in _ask(
        instance, "postgres", "SELECT oid::text, datname FROM pg_catalog.pg_database"))
    for number in set(place[1] for place in found):
        places_ = [place for place in found if place[1] == number
                   and place[2] >= CATALOGS]
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
            [str(item["xid"]), item["time"], item["lsn"],
             _UNKNOWN if item["rows"] is None else str(item["rows"])] for item in shown]):
        yield line
    if len(shown) < len(commits):
        yield "and {0} before these: --all".format(len(commits) - len(shown))
    if one["tables"]:
        yield ""
        for line in table([["table", "inserted", "updated", "deleted"]] + [
                [item["table"], str(item["inserted"]), str(item["updated"]), str(item["deleted"])]
                for item in one["tables"]]):
            yield line
    early = sum(item["rows"] is None for item in commits)
    if early:
        yield "{0} may have changed rows before as well, which are not counted".format(
            loss.judge({"Transaction/COMMIT": early}).relied_on)
