"""What the demo prints: at most a screen for each act. Colour on a terminal, else plain text."""

import contextlib
import os
import sys
import textwrap
import threading
import time

from lab.cib import RESOURCE, VIP_RESOURCE
from lab.status import PROMOTED

_WIDTH = 96
#: Lines of what Pacemaker did; the rest is counted.
_ACTIONS = 12
#: Seconds between two lines that say what goes on, where no line can be written over.
_PLAIN_SECONDS = 20


def _on_terminal():
    return (sys.stdout is not None and sys.stdout.isatty()
            and os.environ.get("TERM", "dumb") != "dumb")


def _styled(text, *codes):
    return f"\033[{';'.join(codes)}m{text}\033[0m" if _on_terminal() and text else text


def bold(text):
    """Return text in bold, where that can be shown."""
    return _styled(text, "1")


def title(line):
    """Print a headline."""
    print(f"\n{bold(line)}\n{bold('-' * min(_WIDTH, len(line)))}", flush=True)


def text(*lines):
    """Print lines as they are."""
    for line in lines:
        print(line.strip("\n"), flush=True)


def paragraph(words, indent="  "):
    """Print a sentence, in lines that fit."""
    print(textwrap.fill(words, _WIDTH, initial_indent=indent, subsequent_indent=indent + "  "),
          flush=True)


def failure(line):
    """Print what went wrong."""
    print(textwrap.fill(_styled("WRONG: ", "1", "31") + line, _WIDTH, subsequent_indent="  "),
          flush=True)


def nodes(lab):
    """Return a picture of the cluster, a line for each node: role, score, and where the VIP is."""
    state = lab.status()
    roles, vip = state.roles(RESOURCE), list(state.roles(VIP_RESOURCE))
    return [_node(name, state, roles.get(name), name in vip) for name in lab.nodes]


def _node(name, state, role, has_vip):
    attributes = state.attributes.get(name, {})
    score = attributes.get(f"master-{RESOURCE}", "none")
    if state.nodes.get(name) != "online":
        return f"{name}  {state.nodes.get(name, 'unknown')}"
    word = {True: "primary", False: "standby"}[role in PROMOTED] if role else "stopped"
    reasons = [f"{attribute.partition('_because')[0].replace('_', ' ')}: {value}"
               for attribute, value in attributes.items() if "_because-" in attribute]
    return f"{name}  {word:8} score {score:8} {'address' if has_vip else '':8}" + (
        f" {reasons[0]}" if reasons else "")


def picture(label, lines):
    """Print a picture of the cluster beside its label."""
    for number, line in enumerate(lines):
        print(_short(f"  {label if number == 0 else '':8} {line.rstrip()}"), flush=True)


def _short(line):
    return line if len(line) <= _WIDTH else line[:_WIDTH - 1] + "…"


def did(transitions):
    """Return what Pacemaker did, a line for each action, with seconds since the first one."""
    actions = [action for transition in transitions for action in transition.actions
               if action.operation not in ("monitor", "cancel", "notify")
               and not action.resource.startswith("fence-")]
    begin = actions[0].start if actions else 0
    lines = []
    for action in actions:
        took = "" if action.seconds is None else f"{action.seconds:6.2f} s"
        reason = f" ({action.reason})" if action.reason else ""
        lines.append(f"+{action.start - begin:6.2f} s  {action.node:5} {action.operation:8} "
                     f"{action.resource or 'power':10} {took:9} {action.result}{reason}")
    more = len(lines) - _ACTIONS
    return lines if more <= 0 else [*lines[:_ACTIONS], f"and {more} more actions"]


def act(account):
    """Print an act: picture before, what happened, what Pacemaker did, picture after, outcome."""
    picture("before", account.before)
    print(_short(f"  {'what':8} {account.what}"), flush=True)
    picture("did", did(account.play.transitions) or ["nothing"])
    picture("after", account.after)
    for remark in account.remarks:
        paragraph(remark, "           ")
    print(bold(f"  {'outcome':8} {outcome(account.play)}"), flush=True)
    for sentence in account.wrong:
        failure(sentence)


def outcome(play):
    """Return the outage that the client saw, and what was lost, in a line."""
    lost = "?" if play.client.lost is None else len(play.client.lost)
    return (f"outage {milliseconds(play.client.outage_ms)}; of {play.client.rows} acknowledged "
            f"rows {lost} lost; {len(play.fencings)} fenced")


def milliseconds(outage):
    """Return an outage in words: the client lists no gap that is shorter than 100 ms."""
    return f"{outage} ms" if outage else "below 100 ms"


def summary(rows):
    """Print the table at the end: (title, outage in ms, rows, lost, fenced, whether it is good)."""
    heads = ("", "outage", "rows", "lost", "fenced", "")
    print(bold("  {:34} {:>12} {:>7} {:>5} {:>7}  {}".format(*heads)).rstrip(), flush=True)
    for name, outage, count, lost, fenced, good in rows:
        word = "as it should" if good else _styled("WRONG", "1", "31")
        print(f"  {name:34} {milliseconds(outage):>12} {count:>7} {lost:>5} {fenced:>7}  {word}",
              flush=True)


@contextlib.contextmanager
def progress(what):
    """Say what is going on while the block runs: in one line on a terminal, else line by line."""
    over, began, shown = threading.Event(), time.monotonic(), _on_terminal()
    end = "\r" if shown else "\n"

    def show():
        while not over.wait(1 if shown else _PLAIN_SECONDS):
            print(f"  … {what}: {time.monotonic() - began:.0f} s", end=end, flush=True)
    teller = threading.Thread(target=show, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
        if shown:
            print("\033[K", end="", flush=True)
