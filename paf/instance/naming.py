"""What makes the copy of another server this node's: its name, and where its WAL comes from.

Source: PostgreSQL manual, "Standby Server Settings"; ALTER SYSTEM on postgresql.auto.conf, which
outweighs postgresql.conf.
"""

import errno
import os
import stat

from paf import instance as local
from paf import runner
from paf.deadline import Deadline
from paf.instance import conninfo as connections
from paf.instance import journal, settings, standby_mode
from paf.ocf import BadParameter, failure, NotUsable

#: Facts that `complete` needs: this node's name; the way to the primary; the restore_command of the
#: backup that was restored, "" without one (all str).
FACTS = ("node", "conninfo", "archive")

_PATIENCE = 30.0    # seconds for each question
_AUTO = "postgresql.auto.conf"
_NO_PARAMETER = ("application_name", "dbname", "replication")    # of primary_conninfo's


def complete(instance, folder, facts, log):
    """Prepare a copy so that it starts as this node's standby. Raises OcfError.

    instance: this node's; folder: the data directory (path) as it is now; facts: a dict with FACTS;
    log: has warning(text), for people. What the configuration has already is not written again, so
    this can be repeated.
    """
    mine = instance.parameters
    came = os.path.realpath(mine.pgdata) == os.path.realpath(mine.datadir)    # with the copy
    own = instance._replace(parameters=mine._replace(
        datadir=folder, start_opts=_asking(mine.start_opts, folder)))
    if came:
        own = own._replace(parameters=own.parameters._replace(
            pgdata=folder,
            recovery_template=mine.recovery_template.replace(mine.pgdata, folder, 1)))
    if came or local.version(own) >= standby_mode.FIRST_WITH_SIGNAL:
        _name_the_node(own, facts, log)
    if facts["archive"]:
        _name_the_archive(own, folder, facts["archive"], log)


def _asking(start_opts, folder):
    """Return start_opts (str) with which the server's program reads a copy's configuration.

    postgresql.auto.conf outweighs the rest and came with the copy. A configuration that is
    elsewhere may name the data directory that the copy will have, where there is another one now,
    or none.
    """
    from paf.instance import server
    return "{0} -c {1}".format(start_opts, server.quoted(["data_directory=" + folder])).strip()


def _name_the_node(instance, facts, log):
    """Give primary_conninfo this node's name, where the configuration has another one."""
    try:
        if settings.application_name(
                settings.conninfo(instance, Deadline(_PATIENCE))) == facts["node"]:
            return
    except BadParameter as error:
        log.warning("primary_conninfo of the copy cannot be read: {0}".format(error))
    try:
        pairs = [pair for pair in connections.parse(facts["conninfo"])
                 if pair[0] not in _NO_PARAMETER]
    except connections.Malformed as error:
        raise NotUsable("the way to the primary cannot be used: {0}".format(error))
    line = _line("primary_conninfo", connections.build(
        pairs + [("application_name", facts["node"])]))
    if local.version(instance) >= standby_mode.FIRST_WITH_SIGNAL:
        _append(instance, instance.parameters.datadir, line)
    else:
        standby_mode.put(instance, os.path.basename(instance.parameters.recovery_template),
                         "standby_mode = on\nrecovery_target_timeline = 'latest'\n" + line)


def _name_the_archive(instance, folder, command, log):
    """Configure where the WAL since the backup is, unless the configuration says so already."""
    try:
        if settings.read(instance, "restore_command", Deadline(_PATIENCE)):
            return
    except BadParameter as error:
        log.warning("it is not known whether this node has a restore_command, it gets that "
                    "of the backup: {0}".format(error))
    _append(instance, folder, _line("restore_command", command))


def _line(name, value):
    """Return a line of postgresql.conf."""
    return "{0} = '{1}'\n".format(name, escaped(value))


def escaped(value):
    """Return a value (str) as it is written in postgresql.conf, between quotes.

    The server reads backslashes and quotes there, and no line break. Source: its guc-file.l.
    """
    return value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")


def _append(instance, folder, line):
    """Add a line (str) to postgresql.auto.conf: a power cut leaves it with or without. OcfError."""
    path = os.path.join(folder, _AUTO)
    try:
        with runner.Acting(local.owner(instance)):
            content, mode = _content(path)
            if content and not content.endswith(b"\n"):
                content += b"\n"
            journal.put(path, content + runner.data(line))
            os.chmod(path, mode)
    except (IOError, OSError) as error:
        raise failure(error, NotUsable, "cannot write {0}: {1}".format(path, error.strerror))


def _content(path):
    """Return a file's bytes and mode, as if it were an empty one where there is none."""
    try:
        with open(path, "rb") as stream:
            return stream.read(), stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
    except (IOError, OSError) as error:
        if error.errno != errno.ENOENT:
            raise
        return b"", 0o600
