"""What came of each fault the last time it was played, and of which agent."""

import dataclasses
import datetime
import json

from tests.conftest import REPOSITORY
from tests.faults.model import Result
from tests.lab.tools import run, write_file

PATH = REPOSITORY / "build" / "faults" / "results.json"


def agent():
    """Return the commit of the checkout that is played, "+" behind it where it was changed."""
    git = ["git", "-c", f"safe.directory={REPOSITORY}"]
    head = run([*git, "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, check=False).output.strip()
    changed = run([*git, "status", "--porcelain", "--", "paf", "resource.d"], cwd=REPOSITORY,
                  check=False).output.strip()
    return (head or "unknown") + ("+" if changed else "")


def load():
    """Return {number: Result} of all that was played before."""
    if not PATH.exists():
        return {}
    return {item["number"]: Result(**item)
            for item in json.loads(PATH.read_text(encoding="utf-8"))}


def save(result):
    """Remember a Result, with the day and the agent."""
    result.agent, result.date = agent(), datetime.date.today().isoformat()
    results = {**load(), result.number: result}
    write_file(PATH, json.dumps([dataclasses.asdict(results[number])
                                 for number in sorted(results)], indent=1) + "\n")
