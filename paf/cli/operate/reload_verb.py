"""paf reload: have this node's server read its configuration again."""

import time

from paf import instance as local
from paf import ocf
from paf.cli import configuration, dialect
from paf.cli.common import ERROR, NOT_DONE, OK, Pacemaker, Problem, complain, say
from paf.deadline import Deadline
from paf.instance import sql

HELP = "have this node's server read its configuration files again"
TEXT = """Looks first for mistakes in the files (PostgreSQL 9.5 and later), and changes nothing if
there are any. Then reloads, and says which settings wait for a restart. This node only: no other
server lets this one reload it. Pacemaker has no part in it."""
EXAMPLES = ("paf reload",)
EXIT_CODES = ((OK, "reloaded"), (NOT_DONE, "reloaded, and some settings wait for a restart"),
              (ERROR, "a mistake in the files, or the server cannot be asked: nothing was changed"))

_PATIENCE = 10.0    # seconds
_LOOK = 0.2
_FIRST_WITH_FILES, _FIRST_WITH_HBA, _FIRST_WITH_IDENT = 90500, 100000, 150000
#: Since then these files may include others.
_FIRST_WITH_INCLUDED = 160000
#: The server says the same of a value that it cannot take as of one that waits for a restart. A
#: setting that has waited since an earlier reload still does with a value that it cannot take; of a
#: number that is seen. A setting that only a start can change and that no file has any more has no
#: name there: it waits for a restart as well. Source: guc.c, which does not translate that text.
_FILES = """SELECT sourcefile, sourceline::text, coalesce(name, ''), error
 FROM pg_file_settings AS said
 WHERE error IS NOT NULL AND NOT (name IS NULL AND sourcefile IS NULL
   AND error LIKE 'parameter "%" cannot be changed without restarting the server')
  AND NOT (error = 'setting could not be applied'
   AND lower(name) IN (SELECT lower(name) FROM pg_settings WHERE pending_restart
     AND (vartype NOT IN ('integer', 'real') OR said.setting ~ '^ *[-+]?[.]?[0-9]')))"""
_ACCESS = "SELECT {0}, line_number::text, '', error FROM {1} WHERE error IS NOT NULL"
_HBA, _IDENT = ("hba_file", "pg_hba_file_rules"), ("ident_file", "pg_ident_file_mappings")
_LOADED = "SELECT extract(epoch FROM pg_conf_load_time())::text"
_PENDING = "SELECT name FROM pg_settings WHERE pending_restart ORDER BY name"


def arguments(parser):
    """Declare the verb's arguments."""
    parser.add_argument("--resource", metavar="NAME", default="",
                        help="the resource, where the cluster has several")


def run(options):
    """Reload the server; return the exit code."""
    pacemaker = Pacemaker()
    configured = configuration.parse(pacemaker.cib(), time.time())
    instance = dialect.instance_of(
        configuration.find(configured, options.resource, pacemaker.node))
    version = version_of(instance)
    mistakes = []
    if version >= _FIRST_WITH_FILES:
        mistakes += ask(instance, _FILES)
    if version >= _FIRST_WITH_HBA:
        mistakes += ask(instance, access(version, *_HBA))
    if version >= _FIRST_WITH_IDENT:    # of a wrong one the server keeps what it had, and goes on
        mistakes += ask(instance, access(version, *_IDENT))
    for place, line, name, text in mistakes:
        complain("{0}, line {1}: {2}{3}".format(place, line, name + ": " if name else "", text))
    if mistakes:
        complain("not reloaded")
        return ERROR
    reload(instance)
    say("reloaded")
    waiting = [row[0] for row in ask(instance, _PENDING)] if version >= _FIRST_WITH_FILES else []
    if waiting:
        say("wait for a restart: {0}".format(", ".join(waiting)))
    return NOT_DONE if waiting else OK


def access(version, setting, view):
    """Return the SQL for the mistakes in the file that a setting names; view: what shows it; pure.
    """
    return _ACCESS.format("file_name" if version >= _FIRST_WITH_INCLUDED else
                          "current_setting('{0}')".format(setting), view)


def reload(instance):
    """Reload the configuration of the server, and check that it was read. Raises Problem.

    A session that begins after it has the time of the last reload that succeeded.
    """
    before = ask(instance, _LOADED)
    if ask(instance, "SELECT pg_reload_conf()") != [["t"]]:
        raise Problem("the server could not be signalled: not reloaded")
    if not Deadline(_PATIENCE).wait_for(lambda: ask(instance, _LOADED) != before, longest=_LOOK):
        raise Problem("the server was asked to reload, and has not within {0:.0f} s: its log says "
                      "why".format(_PATIENCE))


def version_of(instance):
    """Return the server's version (int), as local.version does. Raises Problem."""
    try:
        return local.version(instance)
    except ocf.OcfError as error:
        raise Problem(str(error))


def ask(instance, text):
    """Return the rows that the local server answers. Raises Problem."""
    try:
        answer = sql.query(instance, text, Deadline(_PATIENCE))
    except ocf.OcfError as error:
        raise Problem(str(error))
    if answer.kind != sql.ROWS:
        raise Problem("the server here cannot be asked: {0}".format(answer.message))
    return answer.rows
