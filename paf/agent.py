"""The agent: from the name of an action to its exit status."""

import os
import sys

from paf import ocf
from paf.log import Log, write_out

#: Actions that do something, and the module of paf that does it.
_MODULES = {
    "start": "actions.start", "stop": "actions.stop", "monitor": "actions.monitor",
    "promote": "actions.promote", "demote": "actions.demote", "notify": "actions.notify",
    "reload": "actions.reload", "reload-agent": "actions.reload",
    "validate-all": "actions.validate",
    # no OCF actions: daemons that an action leaves behind
    "watch": "crash.watch", "vote": "notifications.late_vote",
    "reconnect": "notifications.reconnect",
}

#: Outside of Pacemaker there is no timeout; the agent takes that of its own meta-data.
_NO_TIMEOUT = 60.0

USAGE = """Usage: pgsqlms ACTION

The OCF resource agent ocf:heartbeat:pgsqlms, which Pacemaker runs. ACTION is one of:

{actions}

Parameters come through the environment as OCF_RESKEY_name, and OCF_RESOURCE_INSTANCE names the
resource. By hand, for a look at an instance:

    OCF_ROOT=/usr/lib/ocf OCF_RESKEY_bindir=/usr/lib/postgresql/15/bin \\
    OCF_RESKEY_pgdata=/etc/postgresql/15/main OCF_RESKEY_datadir=/var/lib/postgresql/15/main \\
    /usr/lib/ocf/resource.d/heartbeat/pgsqlms monitor; echo $?

The action meta-data describes the parameters; ocf_heartbeat_pgsqlms(7) is the manual page.
Exit status: 0 done, or a running standby; 1, 2, 5, 6 failed; 3 no such action; 7 not running;
8 a running primary; 9 a failed primary.
"""

METHODS = ("start", "stop", "reload", "reload-agent", "promote", "demote", "monitor", "notify",
           "methods", "meta-data", "validate-all")


def main(argv=None, variables=None, mistaken=lambda: None):
    """Run the action that argv (list of str) names and return its exit status.

    variables: the environment, os.environ by default. Whatever the parameters and the environment
    are, it does not raise; the tests generate them. A mistake in this program is logged, on one
    line, and is a soft error; `mistaken` is called before, which may start the call again.
    """
    argv = sys.argv[1:] if argv is None else argv
    environment = ocf.Environment(os.environ if variables is None else variables)
    action = argv[0] if argv else ""
    if action in ("meta-data", "methods", "--help", "-h", "help", ""):
        return _print(action)
    log = Log(environment)
    try:
        return _act(action, environment, log)
    except ocf.OcfError as error:
        return _failed(action, error.code, str(error), log)
    except EnvironmentError as error:
        # the system refused something that no rule foresees: a full disk, a lost folder
        return _failed(action, ocf.ERR_GENERIC, "{0}: {1}".format(
            error.filename or "system", error.strerror or error), log)
    except ocf.MISTAKES as error:
        mistaken()
        return _failed(action, ocf.ERR_GENERIC, ocf.mistake(error), log)


def _print(action):
    """Print what needs neither parameters nor rights."""
    if action == "meta-data":
        from paf import metadata
        write_out(metadata.xml())
        return ocf.SUCCESS
    if action == "methods":
        write_out("".join("  {0}\n".format(name) for name in METHODS))
        return ocf.SUCCESS
    write_out(USAGE.format(actions="    " + ", ".join(METHODS)))
    return ocf.SUCCESS if action else ocf.ERR_ARGS


def _act(action, environment, log):
    if action not in _MODULES:
        raise ocf.Unimplemented("pgsqlms has no action \"{0}\"".format(action))
    if action == "notify" and not log.debugging:
        from paf.actions import notify
        if notify.module(environment) is None:
            return ocf.SUCCESS
    from paf.context import Context
    from paf.deadline import Deadline
    name = "paf." + _MODULES[action]
    __import__(name)
    deadline = Deadline.of_action(_timeout(action, environment))
    return sys.modules[name].run(Context(environment, deadline, log))


def _timeout(action, environment):
    if environment.timeout is not None:
        return environment.timeout
    from paf import metadata
    return metadata.timeout(action) or _NO_TIMEOUT


def _failed(action, code, reason, log):
    """Report the reason to Pacemaker and the log; a stop never returns a hard error."""
    from paf.codes import with_code
    if action == "stop":
        code = ocf.ERR_GENERIC
    reason = with_code(reason)
    log.exit_reason(reason)
    log.error("{0}: {1}".format(action, reason))
    return code
