"""The result of each fault the last time it was played: a file in git."""

import dataclasses
import datetime
import json

from lab.settings import CHECKOUT
from lab.tools import write_file
from trials.faults.store import agent
from trials.result import Played

PATH = CHECKOUT / "trials" / "machines" / "played.json"


def load():
    """Return {name: Played} of all that was played before."""
    if not PATH.exists():
        return {}
    return {item["fault"]: Played(**item) for item in json.loads(PATH.read_text(encoding="utf-8"))}


def save(result):
    """Remember a Played, with the day and the agent."""
    result.agent, result.date = agent(), datetime.date.today().isoformat()
    results = {**load(), result.fault: result}
    write_file(PATH, json.dumps([dataclasses.asdict(results[name]) for name in sorted(results)],
                                indent=1) + "\n")
