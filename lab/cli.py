"""The command: python3 -m lab VERB …"""

import argparse
import json
import os
import sys
import time

from .gather import picture
from .lab import Lab, down_all
from .outcome import outcomes
from .owner import is_mine, labs, require_root
from .repair import rebuild
from .report import two_primaries
from .tools import LabError
from .verbs import VERBS

DEFAULT_NAME = os.environ.get("PAF_LAB", "lab")


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
        slow=args.slow,
    )
    begin = time.monotonic()
    try:
        lab.up(wait=not args.no_wait, replace=True)
    finally:
        # also if it did not settle: that is then what one wants to look at
        if not isinstance(sys.exc_info()[1], KeyboardInterrupt) and is_mine(args.lab):
            lab.keep()
    print(f"lab {args.lab!r} is up after {time.monotonic() - begin:.1f} s")


def _down(args):
    if args.all:
        down_all()
    else:
        Lab(args.lab).down(force=True)


def _reset(args):
    Lab.attach(args.lab).reset()


def _heal(args):
    Lab.attach(args.lab).heal()


def _list(_args):
    for name in labs():
        print(name)


def _status(args):
    lab = Lab.attach(args.lab)
    for node in lab.nodes.values():
        server = {None: "no answer", True: "standby", False: "primary"}[node.in_recovery()]
        print(f"{node.name} {node.address} {f'on, server: {server}' if node.is_on else 'off'}")
    broken = lab.network.broken()
    if any(broken.values()):
        print(f"network: {json.dumps(broken)}")
    for fencing in lab.fencings():
        moment = time.strftime("%T", time.localtime(fencing["time"]))
        print(f"fenced: {fencing['node']} by {fencing['by']} at {moment}")
    print(lab.crm_mon())


def _run(args):
    node = _node(args)
    argv = node.inside(args.command or ["bash", "-l"])
    print(end="", flush=True)
    os.execvp(argv[0], argv)


def _sql(args):
    for row in _node(args).sql(args.query):
        print(" | ".join(row))


def _power(args):
    lab = Lab.attach(args.lab)
    nodes = [_existing(lab, name) for name in args.node or lab.nodes]
    if args.what == "on":
        lab.power_on(*(node.name for node in nodes))
    else:
        for node in nodes:
            node.power_off() if args.what == "off" else node.reboot()


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
    if args.primary or args.stopped:
        lab.wait_settled(args.timeout, primary=args.primary, stopped=args.stopped)
    for outcome in outcomes(lab, args.timeout).values():
        print(outcome)


def _rebuild(args):
    lab = Lab.attach(args.lab)
    rebuild(lab, _existing(lab, args.node).name)


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
        moment = span.first_answered - spans[0].first_answered
        print(f"{moment:8.3f} {span.node} {span.state or 'no answer'} {span.seconds:.3f} s")
    print(f"two writable nodes at once: {len(two_primaries(spans))}")


def _agent(args):
    _node(args).set_agent(args.agent)


def _transitions(args):
    lab = Lab.attach(args.lab)
    print(picture(lab.transitions(lab.now() - args.last)), end="")


def _logs(args):
    print(Lab.attach(args.lab).gather(args.folder))


def _existing(lab, name):
    if name == "primary":
        name = lab.primary()
    if name not in lab.nodes:
        raise LabError(f"no node {name!r} in lab {lab.name!r}: {', '.join(lab.nodes)}")
    return lab.nodes[name]


def _node(args):
    return _existing(Lab.attach(args.lab), args.node)


ACTIONS = {
    "up": _up,
    "down": _down,
    "reset": _reset,
    "heal": _heal,
    "list": _list,
    "status": _status,
    "wait": _wait,
    "rebuild": _rebuild,
    "logs": _logs,
    "transitions": _transitions,
    "run": _run,
    "sql": _sql,
    "power": _power,
    "cut": _cut,
    "mend": _mend,
    "impair": _impair,
    "kill": _signal,
    "stop": _signal,
    "cont": _signal,
    "term": _signal,
    "move": _move,
    "agent": _agent,
    "client": _client,
    "sampler": _sampler,
}


def parser():
    """Return the command's parser."""
    top = argparse.ArgumentParser(
        prog="python3 -m lab", description="Real clusters in namespaces, to play with."
    )
    top.add_argument(
        "--lab",
        default=DEFAULT_NAME,
        metavar="NAME",
        help=f"which cluster ({DEFAULT_NAME}; $PAF_LAB)",
    )
    verbs = top.add_subparsers(required=True, metavar="VERB", dest="verb")
    for name, text, arguments in VERBS:
        verb = verbs.add_parser(name, help=text, description=text)
        for argument, options in arguments:
            verb.add_argument(argument, **options)
    return top


def main(arguments=None):
    """Run the command; return its exit status."""
    args = parser().parse_args(arguments)
    try:
        require_root()
        ACTIONS[args.verb](args)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0
