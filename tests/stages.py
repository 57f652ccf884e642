"""`make check`: all tests in stages, what is quick first; one line for each stage with its time.

The output of a stage is in build/check/; that of one that fails is printed, and the rest is not
run. Ctrl-C and SIGTERM end the stage that runs; labs are taken down by their power daemons.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
LOGS = CHECKOUT / "build" / "check"
#: All stages together, in seconds: the time that CI has, and a reserve.
SECONDS = 85 * 60
#: Lines of a failed stage's output that are printed.
TAIL = 300
_PYTEST = ["/usr/bin/python3", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider",
           "--durations=10"]
_PARALLEL = ["-n", "2", "--dist", "loadgroup"]

#: Rounds, one after the other; the stages of a round run beside each other: (name, command).
ROUNDS = (
    (("lint", ["tests/lint.sh"]),),
    (("unit", [*_PYTEST, *_PARALLEL, "tests/unit", "tests/broken", "tests/docs"]),),
    (("component", [*_PYTEST, *_PARALLEL, "tests/component"]),),
    (("interpreters", ["/usr/bin/python3", "-m", "tests.interpreters", *_PYTEST, *_PARALLEL,
                       "tests/component", "-m", "fast"]),),
    # clusters mostly wait: packages are built meanwhile
    (("packages", [*_PYTEST, "tests/packaging"]),
     ("clusters", [*_PYTEST, *_PARALLEL, "tests/cluster"])),
)


class Stage:
    """A stage that runs."""

    def __init__(self, name, command):
        self.name, self.began = name, time.monotonic()
        self.path = LOGS / f"{name}.log"
        with open(self.path, "wb") as log:
            # pytest ends its workers and undoes its fixtures after SIGINT
            self._process = subprocess.Popen(command, cwd=CHECKOUT, stdout=log, stderr=log,
                                             stdin=subprocess.DEVNULL, start_new_session=True)

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
        found = re.findall(r"^\d+ (?:passed|failed|error|skipped)[^\n]*? in ", self.text(), re.M)
        return found[-1][:-4] if found else ""

    def text(self):
        """Return its output."""
        return self.path.read_text(encoding="utf-8", errors="replace")


def play(stages, until):
    """Run stages beside each other; return those that failed."""
    running, failed = [], []
    try:
        running += [Stage(*stage) for stage in stages]
        while running:
            for stage in [stage for stage in running if stage.poll() is not None]:
                running.remove(stage)
                print(stage.line(), flush=True)
                failed += [stage] if stage.poll() else []
            if time.monotonic() > until:
                print(f"FAILED no stage may run any longer: {SECONDS // 60} min are over",
                      flush=True)
                failed += running
                break
            time.sleep(0.2)
    finally:
        for stage in running:
            stage.end()
    return failed


def main():
    """Play all rounds until a stage fails; return the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    LOGS.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    try:
        for stages in ROUNDS:
            failed = play(stages, began + SECONDS)
            for stage in failed:
                print(f"\n--- {stage.path}\n" + "\n".join(stage.text().splitlines()[-TAIL:]))
            if failed:
                return 1
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    print(f"all is well, {(time.monotonic() - began) / 60:.1f} min")
    return 0


if __name__ == "__main__":
    sys.exit(main())
