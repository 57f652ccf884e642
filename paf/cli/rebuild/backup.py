"""paf rebuild --from pgbackrest: the backup that is restored in place of a copy of the primary.

Source: pgBackRest's command reference: info (--output=json, --set), restore, archive-get.
"""

import json
import os
import re
from collections import namedtuple

from paf import ocf, runner
from paf import instance as local
from paf.cli.common import Problem
from paf.deadline import Deadline
from paf.instance import sql

#: What --from says; and what it may not say yet.
NAME, UNKNOWN = "pgbackrest", ("barman",)

#: A backup of the primary's cluster. program, config: paths (str), config "" for the default;
#: stanza, label: str; size: bytes of what is restored (int); spaces: dict of a tablespace's oid
#: (str) to its name.
Backup = namedtuple("Backup", "program config stanza label size spaces")

_FOLDERS = ("/usr/local/bin", "/usr/bin")
_PATIENCE = 120.0    # seconds; a repository may be in an object store
_FIRST = 120000      # before, the agent's own recovery.conf would need a restore_command


def is_wanted(options):
    """Return whether a backup is to be restored. Raises Problem for one that cannot be."""
    if options.origin in UNKNOWN:
        raise Problem("--from {0}: only pgbackrest can be restored from; restore with {0} by hand, "
                      "or leave --from out".format(options.origin))
    wanted = options.origin == NAME
    for name in ("stanza", "config", "primary"):
        if getattr(options, name) and not wanted:
            raise Problem("--{0} goes with --from pgbackrest".format(name))
    if wanted and options.rate:
        raise Problem("--rate does not limit pgbackrest")
    return wanted


def look(instance, source, options, version):
    """Return the newest Backup of the primary's cluster. Raises Problem, naming what is missing.

    source: source.Source; version: of PostgreSQL's programs here (int).
    """
    if version < _FIRST:
        raise Problem("--from pgbackrest needs PostgreSQL 12")
    program = _program()
    words = ["--config={0}".format(options.config)] if options.config else []
    argv = [program] + words + ["--output=json"]
    stanzas = _info(instance, argv + (
        ["--stanza={0}".format(options.stanza)] if options.stanza else []))
    stanza, newest = choose(stanzas, source.identifier, version, options.stanza)
    found = _info(instance, argv + ["--stanza={0}".format(stanza),
                                    "--set={0}".format(newest["label"])])
    try:
        whole, = found[0]["backup"]
        spaces = dict((str(each["oid"]), each["name"]) for each in whole["tablespace"] or ())
        return Backup(program, options.config, stanza, newest["label"], newest["info"]["size"],
                      spaces)
    except (KeyError, TypeError, ValueError, IndexError):
        raise Problem("pgbackrest does not say which tablespaces the backup {0} has".format(
            newest["label"]))


def choose(stanzas, identifier, version, wanted):
    """Return the name of the stanza, and its newest backup (a dict) of the primary's cluster; pure.

    stanzas: as pgbackrest's info has them; identifier: the primary's system identifier (str);
    wanted: the stanza's name, "" for the one that has the cluster. Raises Problem.
    """
    try:
        known = dict((stanza["name"], _databases(stanza, identifier)) for stanza in stanzas)
        names = [name for name in sorted(known) if known[name]]
        if not names:
            raise Problem(_nothing(stanzas, identifier, wanted))
        if len(names) > 1:
            raise Problem("several stanzas have this cluster: say --stanza, one of {0}".format(
                ", ".join(names)))
        stanza, = [each for each in stanzas if each["name"] == names[0]]
        ids = known[names[0]]
        have = [backup for backup in stanza["backup"] if not backup.get("error") and (
            backup["database"]["repo-key"], backup["database"]["id"]) in ids]
        if not have:
            raise Problem("the stanza {0} has no backup of this cluster".format(names[0]))
        newest = max(have, key=lambda backup: backup["timestamp"]["stop"])
        theirs = ids[newest["database"]["repo-key"], newest["database"]["id"]]
    except (KeyError, TypeError):
        raise Problem("what pgbackrest info printed cannot be understood")
    if theirs.partition(".")[0] != str(version // 10000):
        raise Problem("the backup {0} is of PostgreSQL {1}, bindir has {2}".format(
            newest["label"], theirs, version // 10000))
    return names[0], newest


def _databases(stanza, identifier):
    """Return {(repository, id): version} of a stanza's databases that are this cluster."""
    return dict(((each["repo-key"], each["id"]), each["version"]) for each in stanza["db"]
                if str(each["system-id"]) == identifier)


def _nothing(stanzas, identifier, wanted):
    """Return why no stanza can be used (str)."""
    if not stanzas:
        return "pgbackrest has no stanza here: is this node's configuration of pgbackrest complete?"
    if wanted and not stanzas[0]["db"]:
        return "the stanza {0} cannot be used: {1}".format(
            wanted, stanzas[0]["status"]["message"])
    return "no backup is of this cluster (system identifier {0}): {1}".format(identifier, "; ".join(
        "the stanza {0} has {1}".format(stanza["name"], ", ".join(sorted(set(
            str(each["system-id"]) for each in stanza["db"]))) or stanza["status"]["message"])
        for stanza in stanzas))


def check_spaces(backup, plan):
    """Raise Problem unless the backup has the tablespaces that the plan.Plan has places for."""
    planned = set(name.rpartition("/")[2] for name, _ in plan.links if "/" in name)
    for oid in sorted(set(backup.spaces) ^ planned):
        raise Problem("the tablespace {0} is {1}: make a backup first, or leave --from "
                      "pgbackrest out".format(
                          backup.spaces.get(oid, oid),
                          "in the backup, and no longer on the primary" if oid in backup.spaces
                          else "not in the backup {0}".format(backup.label)))


def command(backup, plan):
    """Return the words (a list of str) that restore a Backup to where the plan.Plan has it."""
    words = [backup.program] + _common(backup, plan.swaps[-1][0]) + [
        "--set={0}".format(backup.label), "--type=preserve", "--no-delta",
        "--log-level-console=off", "--log-level-stderr=error"]
    oids = [name.rpartition("/")[2] for name, _ in plan.links if "/" in name]
    for oid, (_, copy) in zip(oids, plan.mapping):
        words.append("--tablespace-map={0}={1}".format(oid, copy))
    if plan.wal:
        words.append("--link-map=pg_wal={0}".format(plan.wal))
    return words + ["restore"]


def restore_command(backup, data):
    """Return PostgreSQL's restore_command (str) with which the archive of a Backup is read.

    data: the data directory (str). The server gives the words to a shell, in that folder.
    """
    words = [_quoted(word).replace("%", "%%") for word in [backup.program] + _common(backup, data)]
    return " ".join(words + ["archive-get", "%f", '"%p"'])


def _quoted(word):
    """Return a word (str) as a shell takes it."""
    return word if re.match(r"[\w@%+=:,./-]+$", word) else "'{0}'".format(
        word.replace("'", "'\\''"))


def _common(backup, data):
    return (["--config={0}".format(backup.config)] if backup.config else []) + [
        "--stanza={0}".format(backup.stanza), "--pg1-path={0}".format(data)]


def _program():
    for folder in _FOLDERS:
        path = os.path.join(folder, "pgbackrest")
        if os.access(path, os.X_OK):
            return path
    raise Problem("pgbackrest is not installed on this node")


def _info(instance, argv):
    """Return what pgbackrest info prints, a list of stanzas. Raises Problem."""
    try:
        result = runner.run(argv + ["info"], Deadline(_PATIENCE), user=local.owner(instance),
                            keep=16 << 20)
    except ocf.OcfError as error:
        raise Problem(str(error))
    if result.timed_out or result.status != 0:
        raise Problem("pgbackrest info failed: {0}".format(
            "no answer in time" if result.timed_out else sql.last_words(result.err or result.out)))
    try:
        found = json.loads(result.out)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise Problem("what pgbackrest info printed cannot be understood")
    return found
