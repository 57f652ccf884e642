"""The command: python3 -m tests.lab VERB …"""

import argparse
import json
import os
import sys
import time

from .gather import picture
from .lab import Lab, down_all, labs
from .node import ROLES
from .report import two_primaries
from .tools import LabError

DEFAULT_NAME = os.environ.get("PAF_LAB", "lab")


def _pair(text):
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _up(args):
    lab = Lab(
        args.lab,
        nodes=args.nodes,
        agent=args.agent,
        agents=dict(args.node_agent),
        postgres=dict(args.set),
        parameters=dict(args.param),
        properties=dict(args.property),
        resource=not args.bare,
        fencing=not args.no_fencing,
    )
    begin = time.monotonic()
    lab.up(wait=not args.no_wait)
    print(f"lab {args.lab!r} is up after {time.monotonic() - begin:.1f} s")


def _down(args):
    if args.all:
        down_all()
    else:
        Lab(args.lab).down()


def _list(_args):
    for name in labs():
        print(name)


def _status(args):
    lab = Lab.attach(args.lab)
    for node in lab.nodes.values():
        role = {None: "no answer", True: "standby", False: "primary"}[node.in_recovery()]
        print(
            f"{node.name} {node.address} {'on ' if node.is_on else 'off'} server: {role if node.is_on else '-'}"
        )
    broken = lab.network.broken()
    if any(broken.values()):
        print(f"network: {json.dumps(broken)}")
    for fencing in lab.fencings():
        print(
            f"fenced: {fencing['node']} by {fencing['by']} at {time.strftime('%T', time.localtime(fencing['time']))}"
        )
    print(lab.crm_mon())


def _run(args):
    node = _node(args)
    argv = node.inside(args.command or ["bash", "-l"])
    sys.stdout.flush()
    os.execvp(argv[0], argv)


def _sql(args):
    for row in _node(args).sql(args.query):
        print(" | ".join(row))


def _power(args):
    lab = Lab.attach(args.lab)
    names = args.node or list(lab.nodes)
    if args.what == "on":
        lab.power_on(*names)
    else:
        for name in names:
            _existing(lab, name)
            lab.nodes[name].power_off() if args.what == "off" else lab.nodes[name].reboot()


def _cut(args):
    Lab.attach(args.lab).cut(args.node, args.peer, args.one_way)


def _impair(args):
    Lab.attach(args.lab).impair(args.node, args.latency, args.jitter, args.loss)


def _mend(args):
    Lab.attach(args.lab).mend(args.node, args.peer)


def _signal(args):
    pids = _node(args).signal(args.verb, args.target)
    print(f"{args.verb} {args.target} of {args.node}: {', '.join(map(str, pids))}")


def _move(args):
    Lab.attach(args.lab).move(args.node)


def _wait(args):
    lab = Lab.attach(args.lab)
    lab.wait_settled(args.timeout, primary=args.primary, stopped=args.stopped)
    print(f"settled, the primary is {lab.primary()}")


def _client(args):
    client = Lab.attach(args.lab).client(args.run)
    if args.what == "start":
        client.start(interval=args.interval / 1000, size=args.size)
    else:
        print(client.stop() if args.what == "stop" else client.report())


def _sampler(args):
    sampler = Lab.attach(args.lab).sampler(args.run)
    if args.what == "start":
        sampler.start()
        return
    spans = sampler.stop()
    for span in spans:
        print(
            f"{span.first_answered - spans[0].first_answered:8.3f} {span.node} {span.state or 'no answer'} "
            f"{span.seconds:.3f} s"
        )
    print(f"two writable nodes at once: {len(two_primaries(spans))}")


def _agent(args):
    _node(args).set_agent(args.agent)


def _transitions(args):
    lab = Lab.attach(args.lab)
    print(picture(lab.transitions(lab.now() - args.last)), end="")


def _logs(args):
    print(Lab.attach(args.lab).gather(args.folder))


def _existing(lab, name):
    if name not in lab.nodes:
        raise LabError(f"no node {name!r} in lab {lab.name!r}: {', '.join(lab.nodes)}")
    return lab.nodes[name]


def _node(args):
    return _existing(Lab.attach(args.lab), args.node)


def _verb(verbs, name, function, text, *arguments):
    parser = verbs.add_parser(name, help=text, description=text)
    parser.set_defaults(function=function, verb=name)
    for flags, options in arguments:
        parser.add_argument(*flags.split(), **options)


NODE = ("node", {"metavar": "NODE"})
SOME_NODES = ("node", {"metavar": "NODE", "nargs": "*"})
MAYBE_NODE = ("node", {"metavar": "NODE", "nargs": "?"})
PEER = ("--peer", {"metavar": "NODE", "help": "only between the two nodes"})
PAIRS = {"type": _pair, "action": "append", "default": [], "metavar": "NAME=VALUE"}
RUN = ("--run", {"default": "client", "help": "name of the run"})


def _life(verbs):
    _verb(
        verbs,
        "up",
        _up,
        "start a cluster, in place of an earlier one of this name",
        ("--nodes", {"type": int, "default": 3, "help": "2 to 9 (3)"}),
        (
            "--agent",
            {
                "default": "ours",
                "help": "ours, perl, a .deb or a folder to lay over the nodes' root (ours)",
            },
        ),
        ("--node-agent", {**PAIRS, "metavar": "NODE=AGENT", "help": "another agent on one node"}),
        ("--set", {**PAIRS, "help": "a setting of the servers"}),
        ("--param", {**PAIRS, "help": "a parameter of pgsqld"}),
        ("--property", {**PAIRS, "help": "a cluster property"}),
        (
            "--bare",
            {"action": "store_true", "help": "no pgsqld and no VIP: they are yours to create"},
        ),
        ("--no-fencing", {"action": "store_true", "help": "stonith-enabled=false, no devices"}),
        ("--no-wait", {"action": "store_true", "help": "do not wait until it has settled"}),
    )
    _verb(
        verbs,
        "down",
        _down,
        "stop a cluster and remove every trace",
        ("--all", {"action": "store_true", "help": "all clusters of this machine"}),
    )
    _verb(verbs, "list", _list, "name the clusters of this machine")
    _verb(verbs, "status", _status, "show nodes, servers, what is broken, fencings and crm_mon")
    _verb(
        verbs,
        "wait",
        _wait,
        "wait until the cluster is at rest, with a primary and streaming standbys",
        ("--timeout", {"type": float, "default": 60}),
        ("--primary", {"metavar": "NODE"}),
        (
            "--stopped",
            {
                "metavar": "NODE",
                "action": "append",
                "default": [],
                "help": "its server must be stopped",
            },
        ),
    )
    _verb(
        verbs,
        "logs",
        _logs,
        "gather logs and states of all nodes in a folder",
        ("folder", {"metavar": "FOLDER"}),
    )
    _verb(
        verbs,
        "transitions",
        _transitions,
        "show what Pacemaker did",
        ("--last", {"type": float, "default": 3600, "metavar": "SECONDS"}),
    )


def _faults(verbs):
    _verb(
        verbs,
        "run",
        _run,
        "run a command (or a shell) in a node",
        NODE,
        ("command", {"nargs": argparse.REMAINDER, "metavar": "COMMAND"}),
    )
    _verb(
        verbs, "sql", _sql, "run a query on a node's server", NODE, ("query", {"metavar": "QUERY"})
    )
    _verb(
        verbs,
        "power",
        _power,
        "switch nodes (or all)",
        ("what", {"choices": ("on", "off", "reboot")}),
        SOME_NODES,
    )
    _verb(
        verbs,
        "cut",
        _cut,
        "cut a node's network, wholly or towards a peer",
        NODE,
        PEER,
        ("--one-way", {"action": "store_true", "help": "only what NODE sends to the peer"}),
    )
    _verb(verbs, "mend", _mend, "mend the network", MAYBE_NODE, PEER)
    _verb(
        verbs,
        "impair",
        _impair,
        "delay and drop a node's traffic; without options: mend it",
        NODE,
        ("--latency", {"type": float, "default": 0, "help": "ms, there and back"}),
        ("--jitter", {"type": float, "default": 0, "help": "ms"}),
        ("--loss", {"type": float, "default": 0, "help": "%%"}),
    )
    for name, text in (
        ("kill", "kill -9"),
        ("stop", "SIGSTOP"),
        ("cont", "SIGCONT"),
        ("term", "SIGTERM"),
    ):
        _verb(
            verbs,
            name,
            _signal,
            f"{text} for processes of a node",
            NODE,
            ("target", {"help": f"a pid in the node, or one of {', '.join(ROLES)}"}),
        )
    _verb(verbs, "move", _move, "move the primary (switchover), to NODE or to the best", MAYBE_NODE)
    _verb(
        verbs,
        "agent",
        _agent,
        "replace the agent of a node, running or not",
        NODE,
        ("agent", {"metavar": "AGENT"}),
    )


def _traffic(verbs):
    _verb(
        verbs,
        "client",
        _client,
        "the writing client",
        ("what", {"choices": ("start", "stop", "report")}),
        RUN,
        ("--interval", {"type": float, "default": 5, "help": "ms between rows (5)"}),
        ("--size", {"type": int, "default": 10, "help": "bytes in a row (10)"}),
    )
    _verb(
        verbs,
        "sampler",
        _sampler,
        "ask every node all the time whether it takes writes",
        ("what", {"choices": ("start", "stop")}),
        ("--run", {"default": "sampler", "help": "name of the run"}),
    )


def parser():
    """Return the command's parser."""
    top = argparse.ArgumentParser(
        prog="python3 -m tests.lab", description="Real clusters in namespaces, to play with."
    )
    top.add_argument(
        "--lab",
        default=DEFAULT_NAME,
        metavar="NAME",
        help=f"which cluster ({DEFAULT_NAME}; $PAF_LAB)",
    )
    verbs = top.add_subparsers(required=True, metavar="VERB")
    for group in (_life, _faults, _traffic):
        group(verbs)
    return top


def main(arguments=None):
    """Run the command; return its exit status."""
    args = parser().parse_args(arguments)
    if os.geteuid() != 0:
        print("lab: only root can make namespaces", file=sys.stderr)
        return 1
    try:
        args.function(args)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0
