"""paf resume: let Pacemaker act again."""

from paf.cli import configuration
from paf.cli.common import (
    ERROR, NOT_DONE, OK, Pacemaker, Problem, complain, require_nodes, say, without_quorum)
from paf.cli.operate import pause, pauses
from paf.cli.status import status
from paf.cli.status.concern import NO_ACTION, NODE_NO_ACTION
from paf.cli.view import OFFLINE

HELP = "let Pacemaker act again after paf pause"
TEXT = """Ends what paf pause began, the resource's maintenance or that of NODE. An instance that
was restarted in its role goes on as it is. Where one has failed, or runs otherwise than Pacemaker
knows, Pacemaker first looks at what is really running there (crm_resource --refresh; up to
Pacemaker 1.1 --cleanup). Refused while a server runs in another role than the one that Pacemaker
knows, since Pacemaker would stop or demote it, and where that is not known; --force does it anyway.
What else keeps Pacemaker from acting is named, and the exit code is 2."""
EXAMPLES = ("paf resume", "paf resume srv2")
EXIT_CODES = ((OK, "done"), (NOT_DONE, "nothing is paused, and nothing was changed"),
              (ERROR, "refused, or the cluster cannot be asked; or done, and something else keeps "
                      "Pacemaker from acting"))


def arguments(parser):
    """Declare the verb's arguments."""
    parser.add_argument("node", metavar="NODE", nargs="?", help="only this node")
    parser.add_argument("--resource", metavar="NAME", default="",
                        help="the resource, where the cluster has several")
    parser.add_argument("--force", action="store_true",
                        help="also where a server runs in another role than Pacemaker knows")


def run(options):
    """End the pause; return the exit code."""
    pacemaker = Pacemaker()
    report = status.look(options.resource, pacemaker)
    require_nodes([options.node], [row["node"] for row in report["nodes"]])
    obstacle = without_quorum(report, "this partition has no quorum: Pacemaker does nothing here, "
                              "and the other nodes would not see the end of the pause")
    if obstacle:
        raise Problem(obstacle)
    configured = configuration.parse(pacemaker.cib())
    if not pauses.is_paused(configured.root, report["resource"], options.node):
        return _in_the_way(report, options.node) or _not_paused(options.node)
    reports = [report]
    if options.node:    # it is paused for all that runs there
        reports += [status.look(name, pacemaker)
                    for name in configuration.beside(configured, report["resource"])]
    _look_again(pacemaker, reports, options)
    if options.node:
        pacemaker.ask("crm_attribute", "--type", "nodes", "--node", options.node,
                      "--name", "maintenance", "--delete")
    else:
        pause.end_of(pacemaker, report["resource"])
    left = _in_the_way(status.look(options.resource, pacemaker), options.node)
    if left:
        return left
    say("Pacemaker acts again; look at paf status")
    return OK


def _look_again(pacemaker, reports, options):
    """Have Pacemaker look at what it may be wrong about. Raises Problem where that is no way.

    reports: of each resource of PAF's whose pause is ended.
    """
    wrong = [] if options.force else [
        what for report in reports for what in elsewhere(report, options.node)]
    if wrong:
        raise Problem("; ".join(wrong) + ": bring it back to its role, or use --force")
    for report in reports:
        for node in to_look_at(report, options.node):
            pacemaker.ask("crm_resource", look_again(pacemaker.release()), "--resource",
                          report["clone"] or report["resource"], "--node", node)


def look_again(release):
    """Return the option with which crm_resource has Pacemaker look at what is running; pure.

    release: the version of the programs (tuple), () for not known. Up to 1.1 the usage of
    crm_resource has no --refresh, and --cleanup does not only forget failures, but all of the
    history: 1.1.10 to 1.1.24 say so.
    """
    return "--cleanup" if () < release < (2,) else "--refresh"


def _not_paused(node):
    complain("{0} is not paused, nothing was changed".format(node) if node else
             "nothing is paused, nothing was changed")
    return NOT_DONE


def _in_the_way(report, node):
    """Say what keeps Pacemaker from acting; return the exit code, 0 where nothing does."""
    left = list(still(report, node))
    for what in left:
        complain("still so: {0}".format(what))
    return ERROR if left else OK


def still(report, node=None):
    """Yield what keeps Pacemaker from acting on the resource, or on a node; pure."""
    for item in report["todo"]:
        if item["code"] in NO_ACTION or item["code"] in NODE_NO_ACTION and (
                node in (None, item["node"])):
            yield "; ".join([item["what"]] + item["pcs"])


_ROLES = {"Promoted": "primary", "Unpromoted": "standby"}


def to_look_at(report, node=None):
    """Yield the nodes whose instances Pacemaker has to look at again before it acts; pure.

    node: the only one to be considered (str), None for all. Until Pacemaker has looked, it knows of
    no primary: it stops the address, and starts it again. So that is not for an instance that it
    knows rightly, and that has not failed.
    """
    for row in report["nodes"]:
        expected = _ROLES.get(row["pacemaker_role"])
        known = row["in_recovery"] is not None and row["role"] == expected if expected else (
            row["role"] == "stopped")
        if node in (None, row["node"]) and row["membership"] != OFFLINE and (
                row["failures"] or not known):
            yield row["node"]


def elsewhere(report, node=None):
    """Yield which server runs in another role than Pacemaker knows, or may do so; pure.

    A server that is not asked by SQL does not say its role, nor whether it runs.
    """
    for row in report["nodes"]:
        expected = _ROLES.get(row["pacemaker_role"])
        if node not in (None, row["node"]) or not expected:
            continue
        if row["in_recovery"] is None:
            yield "whether the server on {0} is a {1}, as Pacemaker knows it, is not known " \
                  "here".format(row["node"], expected)
        elif row["role"] != expected:
            yield "the server on {0} is a {1}, Pacemaker knows a {2}".format(
                row["node"], row["role"], expected)
