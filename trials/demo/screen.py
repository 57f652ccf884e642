"""What the demo prints."""

import contextlib
import itertools
import sys
import threading
import time

_BOLD, _RED, _OFF = ("\033[1m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("", "", "")
_WIDTH = 96


def title(line):
    """Print a headline."""
    print(f"\n{_BOLD}{'=' * _WIDTH}\n{line}\n{'=' * _WIDTH}{_OFF}", flush=True)


def text(*lines):
    """Print lines as they are."""
    for line in lines:
        print(line.strip("\n"), flush=True)


def failure(line):
    """Print what went wrong."""
    print(f"{_RED}WRONG: {line}{_OFF}", flush=True)


def picture(crm_mon):
    """Print the part of crm_mon's picture that shows resources, attributes and failures."""
    _, mark, rest = crm_mon.partition("Node List:")
    lines = [line for line in (mark + rest).splitlines() if line.strip() and "stonith:" not in line]
    print("\n".join("    " + line for line in lines), flush=True)


def transitions(found):
    """Print what Pacemaker did: each transition's actions with node, duration and result."""
    for transition in found:
        actions = [action for action in transition.actions
                   if action.operation not in ("monitor", "cancel") and action.label != "notify"]
        if not actions:
            continue
        print(f"    transition {transition.number}")
        for (node, label), group in itertools.groupby(
                actions, key=lambda action: (action.node, action.label)):
            for action in group:
                took = "" if action.seconds is None else f"{action.seconds:6.2f} s"
                reason = f"  {action.reason}" if action.reason else ""
                print(f"      {node:5} {label:22} {action.resource:16} {took} "
                      f"{action.result}{reason}", flush=True)


def outcome(play):
    """Print the outage that the client saw, and what was lost."""
    lost = len(play.client.lost or [])
    print(f"{_BOLD}    client: {play.client.rows} rows acknowledged, {lost} lost; longest outage "
          f"{play.client.outage_ms} ms; fencings: {len(play.fencings)}{_OFF}", flush=True)


@contextlib.contextmanager
def progress(what):
    """Say what is going on, every few seconds, while the block runs."""
    over, began = threading.Event(), time.monotonic()

    def tell():
        while not over.wait(5):
            print(f"    … {what}: {time.monotonic() - began:.0f} s", flush=True)
    print(f"    {what} …", flush=True)
    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
