"""The result of each cell the last time it was played: the page remembers it."""

import fcntl

from lab.tools import write_file
from trials.matrix import report
from trials.matrix.play import LOGS


def load():
    """Return {cell's name: Outcome} of all that was played before, here or elsewhere."""
    return report.read(report.PAGE.read_text(encoding="utf-8")) if report.PAGE.exists() else {}


def save(outcome):
    """Remember an Outcome; other cells stay as they are."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with open(LOGS / "page.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write_file(report.PAGE, report.page({**load(), outcome.cell: outcome}))
