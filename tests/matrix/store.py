"""What came of each cell the last time it was played."""

import dataclasses
import fcntl
import json

from tests.conftest import REPOSITORY
from tests.lab.tools import write_file
from tests.matrix.play import Outcome

PATH = REPOSITORY / "build" / "matrix" / "results.json"


def load():
    """Return {cell's name: Outcome} of all that was played before."""
    if not PATH.exists():
        return {}
    return {item["cell"]: Outcome(**item) for item in json.loads(PATH.read_text(encoding="utf-8"))}


def save(outcome):
    """Remember an Outcome."""
    PATH.parent.mkdir(parents=True, exist_ok=True)
    with open(PATH.with_suffix(".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        outcomes = {**load(), outcome.cell: outcome}
        write_file(PATH, json.dumps([dataclasses.asdict(one) for one in outcomes.values()],
                                    indent=1) + "\n")
