"""`make coverage`: which lines of paf/ no unit or component test runs, with the rate at the end.

    python3 -m tests.covered [TEST ...]     unit and component tests, or those that are named

Fails where a test fails, and for all tests also below the floor: `make check-all` runs it.
Follows the agent's own processes of the component tests, see tests/traced.py. One that is killed,
or runs another program in its place, leaves nothing: its last lines may be listed and yet run.
"""

import os
import pathlib
import shutil
import subprocess
import sys

from tests.traced import DATA, REPOSITORY

SUITES = (["tests/unit"], ["tests/component"])
#: Percent of paf/ that the unit and component tests have to run.
FLOOR = 92
COVERAGE = [sys.executable, "-B", "-m", "coverage"]


def main(arguments):
    """Run the tests and report; return the exit status."""
    folder = pathlib.Path(DATA).parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o777)    # processes of the servers' user leave theirs, too
    # without xdist: coverage does not follow its workers
    runs = [subprocess.Popen([*COVERAGE, "run", f"--data-file={DATA}", "--parallel-mode",
                              "--source=paf", "--concurrency=thread,greenlet", "-m", "pytest", "-q",
                              "-p", "no:cacheprovider", *tests],
                             cwd=REPOSITORY, env={**os.environ, "PAF_COVERAGE": "1"})
            for tests in ([arguments] if arguments else SUITES)]
    failed = [run.wait() for run in runs]
    subprocess.run([*COVERAGE, "combine", "-q", "--data-file", DATA], cwd=REPOSITORY, check=True)
    floor = [] if arguments else [f"--fail-under={FLOOR}"]
    report = subprocess.run([*COVERAGE, "report", "--data-file", DATA, "-m", "--skip-covered",
                             *floor], cwd=REPOSITORY, check=False)
    return 1 if any(failed) or report.returncode else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
