"""Commits that no client has an answer to: they wait for a synchronous standby at a shutdown.

A session waits after its commit record is on disk, and its process title ends with the LSN of the
record's end until the wait is over. Ended by SIGTERM, it closes the connection and sends no result.
The WAL alone does not show this: a commit with synchronous_commit = local, or whose wait was
cancelled, has the same record. Source: PostgreSQL's syncrep.c, SyncRepWaitForLSN.
"""

import os

from paf import instance as local
from paf import ocf, runner, signals
from paf.instance import journal, postmaster

_WAITING = "waiting for"
_FACTS = "commits.json"
_MOST = 10000       # commits that are noted


def folder(instance):
    """Return the path of the folder for the note, beside the data directory."""
    return journal.beside(instance, ".waiting", hidden=True)


def end(instance, log):
    """End the sessions of a primary whose commits wait, and note which these are.

    The shutdown that follows would end them too; but until then a session whose title was read
    could still get its answer. Errors are only logged: without a note the commits count as
    acknowledged.
    """
    found = []
    try:
        for pid in postmaster.processes(instance):
            lsn = _waits_for(postmaster.title(pid))
            if lsn:
                postmaster.send(pid, signals.SIGTERM)
                found.append(lsn)
    except (ocf.OcfError, EnvironmentError) as error:
        log.warning("not all commits that wait are seen: {0}".format(error))
    if not found:
        return
    log.warning("commits that still waited for a synchronous standby: {0}; their clients got no "
                "answer".format(len(found)))
    from paf.instance import walfiles
    try:
        _note(instance, walfiles.look(instance).newest_timeline, found)
    except (ocf.OcfError, EnvironmentError) as error:
        log.warning("cannot note which commits waited, so they will count as acknowledged: "
                    "{0}".format(error))


def _waits_for(title):
    """Return the LSN (str) that a session waits for, by its title; "" for one that does not."""
    before, _, last = title.rpartition(" ")
    return last if before.endswith(_WAITING) and _is_lsn(last) else ""


def _is_lsn(text):
    """Return whether a value is the text of an LSN; what cannot be read is none."""
    high, _, low = "{0}".format(text).partition("/")
    return bool(high and low and not (high + low).strip("0123456789ABCDEFabcdef"))


def _note(instance, timeline, found):
    """Write the note, so that it survives a power cut. Raises OcfError, EnvironmentError.

    A stop that follows a demote adds to what the demote has noted.
    """
    import json
    known = noted(instance, timeline)
    journal.make_folder(instance, folder(instance))
    facts = {"timeline": timeline, "commits": sorted(set(known + found))[:_MOST]}
    with runner.Acting(local.owner(instance)):
        journal.put(os.path.join(folder(instance), _FACTS),
                    json.dumps(facts, sort_keys=True).encode("ascii"))


def noted(instance, timeline):
    """Return the LSNs (list of str) of the ends of commits that waited, written on this timeline.

    [] where none are known of.
    """
    import json
    try:
        with runner.Acting(local.owner(instance)):
            with open(os.path.join(folder(instance), _FACTS)) as stream:
                facts = json.loads(stream.read())
    except (EnvironmentError, ValueError):
        return []
    if not isinstance(facts, dict) or facts.get("timeline") != timeline:
        return []
    return [text for text in facts.get("commits") or [] if _is_lsn(text)]


def forget(instance):
    """Remove the note: the WAL that it is about is given up. Raises OcfError."""
    if os.path.lexists(folder(instance)):
        journal.remove_folder(instance, folder(instance))
