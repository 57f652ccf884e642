"""The command's verbs and their arguments, as a table."""

import argparse

from .node import ROLES


def pair(text):
    """Return (name, value) of NAME=VALUE."""
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _argument(name, text=None, **options):
    return name, {"help": text, **options}


def _flag(name, text):
    return _argument(name, text, action="store_true")


def _pairs(name, text, metavar="NAME=VALUE"):
    return _argument(name, text, type=pair, action="append", default=[], metavar=metavar)


def _number(name, text, default):
    return _argument(name, text, type=type(default), default=default)


def _what(*choices):
    return _argument("what", choices=choices)


NODE = _argument("node", "a node's name, or `primary`", metavar="NODE")
SOME_NODES = _argument("node", metavar="NODE", nargs="*")
MAYBE_NODE = _argument("node", metavar="NODE", nargs="?")
PEER = _argument("--peer", "only between the two nodes", metavar="NODE")
TARGET = _argument("target", f"a pid in the node, or one of {', '.join(ROLES)}")
AGENT = "ours, perl, a .deb or a folder to lay over the nodes' root"

VERBS = (
    ("up", "start a cluster, in place of an earlier one of this name", (
        _number("--nodes", "2 to 9 (3)", 3),
        _argument("--agent", f"{AGENT} (ours)", default="ours"),
        _pairs("--node-agent", "another agent on one node", "NODE=AGENT"),
        _pairs("--set", "a setting of the servers"),
        _pairs("--param", "a parameter of pgsqld"),
        _pairs("--property", "a cluster property"),
        _flag("--bare", "no pgsqld and no VIP: they are yours to create"),
        _flag("--no-fencing", "stonith-enabled=false, no devices"),
        _number("--slow", "how many times as long Pacemaker's and PostgreSQL's programs take (1)",
                1.0),
        _flag("--no-wait", "do not wait until it has settled"))),
    ("down", "stop a cluster and remove every trace", (
        _flag("--all", "all clusters in this folder of labs"),)),
    ("reset", "give every node a new disk and start again", ()),
    ("heal", "repair what was broken, the cheap way, and wait until all is whole", ()),
    ("list", "name the clusters in this folder of labs", ()),
    ("status", "show nodes, servers, what is broken, fencings and crm_mon", ()),
    ("wait", "wait until Pacemaker has finished with each node, and show its outcome", (
        _number("--timeout", "seconds (180)", 180.0),
        _argument("--primary", "the node that must be primary", metavar="NODE"),
        _argument("--stopped", "its server must be stopped", metavar="NODE", action="append",
                  default=[]))),
    ("rebuild", "clone the primary onto a node, one that has diverged for instance", (NODE,)),
    ("logs", "gather logs and states of all nodes in a folder", (
        _argument("folder", metavar="FOLDER"),)),
    ("transitions", "show what Pacemaker did", (
        _number("--last", "seconds (3600)", 3600.0),)),
    ("run", "run a command (or a shell) in a node", (
        NODE, _argument("command", nargs=argparse.REMAINDER, metavar="COMMAND"))),
    ("sql", "run a query on a node's server", (NODE, _argument("query", metavar="QUERY"))),
    ("power", "switch nodes (or all)", (_what("on", "off", "reboot"), SOME_NODES)),
    ("cut", "cut a node's network, wholly or towards a peer", (
        NODE, PEER, _flag("--one-way", "only what NODE sends to the peer"))),
    ("mend", "repair the network", (MAYBE_NODE, PEER)),
    ("impair", "delay and drop a node's traffic; without options: repair it", (
        NODE,
        _number("--latency", "ms, there and back", 0.0),
        _number("--jitter", "ms", 0.0),
        _number("--loss", "%%", 0.0))),
    ("kill", "kill -9 processes of a node", (NODE, TARGET)),
    ("stop", "SIGSTOP for processes of a node", (NODE, TARGET)),
    ("cont", "SIGCONT for processes of a node", (NODE, TARGET)),
    ("term", "SIGTERM for processes of a node", (NODE, TARGET)),
    ("move", "move the primary (switchover), to NODE or to the best", (MAYBE_NODE,)),
    ("agent", "replace the agent of a node, running or not", (
        NODE, _argument("agent", AGENT, metavar="AGENT"))),
    ("client", "the writing client", (
        _what("start", "stop", "report"),
        _argument("--run", "name of the run", default="client"),
        _number("--interval", "ms between rows (5)", 5.0),
        _number("--size", "bytes in a row (10)", 10))),
    ("sampler", "ask every node all the time whether it takes writes", (
        _what("start", "stop"),
        _argument("--run", "name of the run", default="sampler"))),
)
