"""The result of each fault the last time it was played, with crash_watch on and off: a file in git.

So a fault that is played again in a fresh checkout leaves what the page says of the others.
"""

import dataclasses
import datetime
import json

from lab.settings import CHECKOUT
from trials.result import Played
from lab.tools import run, write_file

PATH = CHECKOUT / "trials" / "faults" / "played.json"
_NAMES = {True: "crash_watch=true", False: "crash_watch=false"}


def agent():
    """Return the commit of the checkout that is played, "+" behind it where it was changed."""
    git = ["git", "-c", f"safe.directory={CHECKOUT}"]
    head = run([*git, "rev-parse", "--short", "HEAD"], cwd=CHECKOUT, check=False).output.strip()
    changed = run([*git, "status", "--porcelain", "--", "paf", "resource.d"], cwd=CHECKOUT,
                  check=False).output.strip()
    return (head or "unknown") + ("+" if changed else "")


def load(watch=True):
    """Return {number: Played} of all that was played before. watch: with crash_watch on, or off."""
    return {item["fault"]: Played(**item) for item in _read().get(_NAMES[watch], ())}


def save(result, watch=True):
    """Remember a Played, with the day and the agent."""
    result.agent, result.date = agent(), datetime.date.today().isoformat()
    results = {**load(watch), result.fault: result}
    stored = {**_read(), _NAMES[watch]: [dataclasses.asdict(results[number])
                                         for number in sorted(results)]}
    write_file(PATH, json.dumps(stored, indent=1) + "\n")


def _read():
    return json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
