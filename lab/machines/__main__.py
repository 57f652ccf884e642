"""The command: python3 -m lab.machines VERB ...; the verbs of the lab, for whole machines."""

import argparse
import os
import sys
from pathlib import Path

from lab.tools import LabError, interruptible

from . import bridges, layout
from .cluster import Machines


def _up(args):
    Machines(args.lab, watchdog=not args.no_watchdog,
             kind=layout.CONTAINERS if args.containers else layout.GUESTS).up()
    print(f"{', '.join(layout.NAMES)} have booted, with Debian's packages; the agent's is in /root")


def _run(lab, args):
    # a guest may do what takes its time, as apt does
    found = lab.nodes[args.node].run(args.command, check=False, timeout=3600)
    sys.stdout.write(found.output)
    sys.stderr.write(found.error)
    return found.status


def _power(lab, args):
    for name in args.node or layout.NAMES:
        {"on": lab.nodes[name].on, "off": lab.nodes[name].off,
         "reset": lab.nodes[name].reset}[args.what]()


def _pause(lab, args):
    lab.nodes[args.node].pause()


def _resume(lab, args):
    lab.nodes[args.node].resume()


def _cut(lab, args):
    bridges.plugged(lab.hub, args.node, False)


def _mend(lab, args):
    bridges.plugged(lab.hub, args.node, True)


def _status(lab, _args):
    for name, guest in lab.nodes.items():
        print(f"{name}  {guest.status()}")


def _gather(lab, args):
    print(lab.gather(Path(args.folder)))


def _down(lab, _args):
    lab.down()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m lab.machines",
                                     description="Three guests or containers: see "
                                     "lab/machines/README.md.")
    parser.add_argument("--lab", default=os.environ.get("PAF_LAB", "machines"))
    verbs = parser.add_subparsers(dest="verb", required=True)
    node: dict = {"choices": layout.NAMES}
    table: tuple = (
        (_up, "start three nodes, in place of those of this name",
         [("--no-watchdog", {"action": "store_true"}),
          ("--containers", {"action": "store_true"})]),
        (_run, "run a command in a node",
         [("node", node), ("command", {"nargs": argparse.REMAINDER})]),
        (_power, "the power switch, and the reset button",
         [("what", {"choices": ("on", "off", "reset")}), ("node", {"nargs": "*"})]),
        (_pause, "stop a guest's processor and clocks", [("node", node)]),
        (_resume, "let a paused guest run on", [("node", node)]),
        (_cut, "cut a node off", [("node", node)]),
        (_mend, "plug its cable in again", [("node", node)]),
        (_status, "the state of each node", []),
        (_gather, "copy consoles and logs", [("folder", {})]),
        (_down, "end the nodes and remove their disks", []))
    for act, text, arguments in table:
        verb = verbs.add_parser(act.__name__[1:], help=text)
        verb.set_defaults(act=act)
        for name, options in arguments:
            verb.add_argument(name, **options)
    return parser


def main():
    """Do what the command line asks for; return the exit status."""
    args = _parser().parse_args()
    try:
        if args.act is _up:
            return _up(args)
        return args.act(Machines.attach(args.lab), args)
    except LabError as error:
        print(f"lab.machines: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(interruptible(main))
