"""`make check`: all tests in stages, what is quick first; one line for each stage with its time.

The output of a stage is in build/check/; that of one that fails is printed, and what comes after
it is not run. Ctrl-C and SIGTERM end the stages that run; labs are taken down by their power
daemons.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from lab.tools import interruptible
from tests import memory

CHECKOUT = Path(__file__).resolve().parent.parent
LOGS = CHECKOUT / "build" / "check"
#: Stages whose tests run pytest themselves, and where their temporary files are.
STARTS_PYTEST = ("broken", "packages", "interpreters")
TEMPORARY = Path(f"/tmp/paf-check-{os.getpid()}")
#: All stages together, in seconds: the time that CI has, and a reserve.
SECONDS = 85 * 60
#: Lines of a failed stage's output that are printed.
TAIL = 300
_PYTEST = ["/usr/bin/python3", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider",
           "--durations=10", "-m", "not long"]
_TOGETHER = ["--dist", "loadgroup"]
#: Percent of paf/ that the unit tests have to run. pytest-cov measures it, as pyproject.toml says.
UNIT_FLOOR = 92
_MEASURED = ["--cov=paf", "--cov-report=term:skip-covered", f"--cov-fail-under={UNIT_FLOOR}"]

#: Rounds, one after the other. The lanes of a round run beside each other, the stages of a lane one
#: after the other: (name, command). Clusters and servers mostly wait, so more of them than there
#: are processors.
ROUNDS = (
    ((("lint", ["tests/lint.sh"]),
      ("unit", [*_PYTEST, "-n", "2", *_TOGETHER, *_MEASURED, "tests/unit", "tests/docs"])),),
    ((("clusters", [*_PYTEST, "-n", "4", *_TOGETHER, "tests/cluster"]),),
     (("component", [*_PYTEST, "-n", "3", *_TOGETHER, "tests/component"]),),
     (("broken", [*_PYTEST, "tests/broken"]),
      ("packages", [*_PYTEST, "tests/packaging"]),
      ("interpreters", ["/usr/bin/python3", "-m", "tests.interpreters", "--only",
                        "agent27,agent314", *_PYTEST, "-n", "2", *_TOGETHER, "tests/component",
                        "-m", "fast and not long"]))),
)


class Stage:
    """A stage that runs."""

    def __init__(self, name, command, more=()):
        self.name, self.began = name, time.monotonic()
        self.path = LOGS / f"{name}.log"
        with open(self.path, "wb") as log:
            # pytest ends its workers and undoes its fixtures after SIGINT
            self._process = subprocess.Popen(
                command, cwd=CHECKOUT, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True, env={**os.environ, **dict(more), **self._temporary()})

    def _temporary(self):
        """Return the environment with which a stage that starts pytest again and again is alone.

        Each start closes the folder of temporary files, as it is shared, to the servers' user.
        """
        if self.name not in STARTS_PYTEST:
            return {}
        folder = TEMPORARY / self.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return {"PYTEST_DEBUG_TEMPROOT": str(folder)}

    def poll(self):
        """Return the exit status, None while it runs."""
        return self._process.poll()

    def end(self):
        """End it: as Ctrl-C does, with SIGKILL if that takes more than 30 s."""
        for number in (signal.SIGINT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(30)
                return

    def line(self):
        """Return the result, in a line."""
        seconds = time.monotonic() - self.began
        took = f"{seconds // 60:2.0f} min {seconds % 60:2.0f} s"
        return f"{'ok' if self.poll() == 0 else 'FAILED':6} {self.name:12} {took}  {self._counts()}"

    def _counts(self):
        """Return the numbers of tests, with the rate of lines where it was measured."""
        text = self.text()
        found = re.findall(r"^\d+ (?:passed|failed|error|skipped)[^\n]*? in ", text, re.M)
        rate = re.findall(r"^TOTAL .* (\d+)%$", text, re.M)
        return ", ".join([*(one[:-4] for one in found[-1:]),
                          *(f"{one} % of paf/" for one in rate[-1:])])

    def text(self):
        """Return its output."""
        return self.path.read_text(encoding="utf-8", errors="replace")


def play(lanes, until, more=()):
    """Run lanes beside each other; return the stages that failed. A failure ends its lane.

    more: variables for their environment.
    """
    waiting, running, failed = [list(lane) for lane in lanes], {}, []
    try:
        while any(waiting) or running:
            for number, stages in enumerate(waiting):
                if stages and number not in running:
                    name, command = stages.pop(0)
                    running[number] = Stage(name, command, more)
            for number in [number for number in running if running[number].poll() is not None]:
                stage = running.pop(number)
                print(stage.line(), flush=True)
                if stage.poll():
                    failed.append(stage)
                    waiting[number] = []
            if time.monotonic() > until:
                print(f"FAILED no stage may run any longer: {SECONDS // 60} min are over",
                      flush=True)
                return failed + list(running.values())
            time.sleep(0.2)
        return failed
    finally:
        for stage in running.values():
            stage.end()


def main():
    """Play all rounds until a stage fails; return the exit status."""
    LOGS.mkdir(parents=True, exist_ok=True)
    began, more = time.monotonic(), memory.environment()
    print(f"labs and servers live {'in memory' if more else 'on the disk'}", flush=True)
    try:
        for lanes in ROUNDS:
            failed = play(lanes, began + SECONDS, more)
            for stage in failed:
                print(f"\n--- {stage.path}\n" + "\n".join(stage.text().splitlines()[-TAIL:]))
            if failed:
                return 1
    finally:
        shutil.rmtree(TEMPORARY, ignore_errors=True)
        memory.clean()
    print(f"all is well, {(time.monotonic() - began) / 60:.1f} min")
    return 0


if __name__ == "__main__":
    sys.exit(interruptible(main))
