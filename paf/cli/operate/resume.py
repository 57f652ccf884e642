"""paf resume: let Pacemaker act again."""

from paf.cli.common import ERROR, OK, Pacemaker, Problem, complain, say
from paf.cli.operate import pause
from paf.cli.status import status
from paf.cli.status.concern import NO_ACTION

HELP = "let Pacemaker act again after paf pause"
TEXT = """Ends what paf pause began, the resource's maintenance or that of NODE. First Pacemaker
looks at what is really running (crm_resource --refresh): an instance that was restarted in its role
is found as it is. Refused while a server runs in another role than the one that Pacemaker knows,
since Pacemaker would stop or demote it, and where that is not known; --force does it anyway. What
else keeps Pacemaker from acting is named, and the exit code is 2."""
EXAMPLES = ("paf resume", "paf resume srv2")
EXIT_CODES = ((OK, "done"),
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
    if options.node and options.node not in [row["node"] for row in report["nodes"]]:
        raise Problem("there is no node {0} here; there are {1}".format(
            options.node, ", ".join(sorted(row["node"] for row in report["nodes"]))))
    wrong = [] if options.force else list(elsewhere(report, options.node))
    if wrong:
        raise Problem("; ".join(wrong) + ": bring it back to its role, or use --force")
    where = ["--node", options.node] if options.node else []
    pacemaker.ask("crm_resource", "--refresh", "--resource", report["clone"] or report["resource"],
                  *where)
    if options.node:
        pacemaker.ask("crm_attribute", "--type", "nodes", "--node", options.node,
                      "--name", "maintenance", "--delete")
    else:
        pause.end_of(pacemaker, report["resource"])
    left = list(still(status.look(options.resource, pacemaker), options.node))
    for what in left:
        complain("still so: {0}".format(what))
    if left:
        return ERROR
    say("Pacemaker acts again; look at paf status")
    return OK


def still(report, node=None):
    """Yield what keeps Pacemaker from acting on the resource, or on a node; pure."""
    for item in report["todo"]:
        if item["code"] in NO_ACTION or item["code"] == "node-maintenance" and (
                node in (None, item["node"])):
            yield "; ".join([item["what"]] + item["pcs"])


def elsewhere(report, node=None):
    """Yield which server runs in another role than Pacemaker knows, or may do so; pure.

    A server that is not asked by SQL does not say its role, nor whether it runs.
    """
    known = {"Promoted": "primary", "Unpromoted": "standby"}
    for row in report["nodes"]:
        expected = known.get(row["pacemaker_role"])
        if node not in (None, row["node"]) or not expected:
            continue
        if row["in_recovery"] is None:
            yield "whether the server on {0} is a {1}, as Pacemaker knows it, is not known " \
                  "here".format(row["node"], expected)
        elif row["role"] != expected:
            yield "the server on {0} is a {1}, Pacemaker knows a {2}".format(
                row["node"], row["role"], expected)
