"""The return of an old primary by pg_rewind; only where the parameter rejoin asks for it.

Source: PostgreSQL manual, pg_rewind. It makes the data directory a copy of the primary's, its
configuration files included; these are the node's own, so they are kept aside and put back.
"""

import errno
import os
import shutil

from paf import instance as local
from paf import runner
from paf.instance import conninfo as connections
from paf.instance import controldata, psql, server, sql, standby_mode
from paf.ocf import NotUsable, OcfError
from paf.decide.state import SHUT_DOWN, SHUT_DOWN_IN_RECOVERY

_OLDEST = 90500
_FOLDER = "/var/run/resource-agents"
_OWN_FILES = ("postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf")
_DATABASE = (("dbname", "postgres"),)

# pg_rewind reads the primary's files through these; 11 and later let a role have them
_MAY_REWIND = ("SELECT pg_catalog.has_function_privilege("
               "'pg_catalog.pg_read_binary_file(text,bigint,bigint,boolean)', 'execute')")


def problem(instance, control):
    """Return why this instance could not be rewound (a sentence), None if it could.

    control: controldata.ControlData.
    """
    if local.version(instance) < _OLDEST:
        return "rejoin=rewind needs PostgreSQL 9.5 or later"
    if not os.access(local.program(instance, "pg_rewind"), os.X_OK):
        return "rejoin=rewind needs pg_rewind in bindir"
    if not control.wal_log_hints and not control.checksums:
        return "rejoin=rewind needs wal_log_hints = on, or data checksums"
    return None


def role_problem(instance, conninfo, deadline):
    """Return why the role in primary_conninfo cannot run pg_rewind, None if it can.

    None too where the primary cannot be asked.
    """
    result = psql.there(instance, conninfo, _DATABASE, _MAY_REWIND, deadline)
    if result.out.strip() == "f":
        return "rejoin=rewind needs a role in primary_conninfo that may run pg_rewind"
    return None


def run(instance, conninfo, deadline, log):
    """Rewind the instance to the history of the primary that conninfo (str) leads to.

    The instance has to be dead; it is shut down cleanly first, which pg_rewind asks for. Can be
    run again after it was interrupted. Raises OcfError.
    """
    control = controldata.read(instance, deadline)
    reason = problem(instance, control) or role_problem(instance, conninfo, deadline)
    if reason:
        raise NotUsable(reason)
    if control.state not in (SHUT_DOWN, SHUT_DOWN_IN_RECOVERY):
        standby_mode.enable(instance)
        server.start(instance, deadline)
        server.stop(instance, deadline, log)
    _save(instance)
    _rewind(instance, conninfo, deadline)
    restore(instance)


def _rewind(instance, conninfo, deadline):
    source, owner = connections.connection(conninfo, _DATABASE), local.owner(instance)
    # a primary that was just promoted shows its new timeline after a checkpoint only
    psql.there(instance, conninfo, _DATABASE, "CHECKPOINT", deadline)
    result = runner.run([local.program(instance, "pg_rewind"), "-D", instance.parameters.datadir,
                         "--source-server", source.target], deadline, user=owner,
                        env=source.environment, keep=8192, stdin=source.stdin)
    if result.timed_out:
        raise OcfError("pg_rewind did not end in {0:.0f} s; give start a longer timeout".format(
            deadline.elapsed))
    if result.status != 0:
        raise NotUsable("pg_rewind failed: {0}".format(sql.last_words(result.err)))


def _folder(instance):
    """Return where the node's own files are kept; named after the data directory's inode."""
    return os.path.join(os.environ.get("HA_RSCTMP") or _FOLDER, "pgsqlms-rewind-{0}".format(
        os.stat(instance.parameters.datadir).st_ino))


def _save(instance):
    """Keep the node's own configuration files aside; what an interrupted run saved stays."""
    folder = _folder(instance)
    if os.path.isdir(folder):
        return
    fresh = folder + ".new"
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        os.mkdir(fresh, 0o700)
        for name in _OWN_FILES:
            content = _content(instance, name)
            if content is not None:
                with open(os.path.join(fresh, name), "wb") as stream:
                    stream.write(content)
        os.rename(fresh, folder)
    except (IOError, OSError) as error:
        raise NotUsable("cannot keep the configuration files aside in {0}: {1}".format(
            folder, error.strerror))


def _content(instance, name):
    """Return the bytes of a file of the data directory; None for a link, or no file."""
    source = local.path(instance, name)
    with runner.Acting(local.owner(instance)):
        if not os.path.isfile(source) or os.path.islink(source):
            return None
        with open(source, "rb") as stream:
            return stream.read()


def restore(instance):
    """Put the node's own configuration files back, if a rewind has kept some. Raises NotUsable."""
    try:
        folder = _folder(instance)
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "rb") as stream:
                standby_mode.put(instance, name, stream.read())
        shutil.rmtree(folder)
    except (IOError, OSError) as error:
        if error.errno != errno.ENOENT:
            raise NotUsable("cannot put the configuration files back: {0}".format(
                error.strerror))
