"""`make coverage`: which lines of paf/ no test runs, with the rate at the end.

    python3 -m tests.covered [TEST ...]     all suites, or these tests

Fails where a test fails, and for all suites also below the floor: `make check-all` runs it.
Follows the agent's own processes, and `paf` in the nodes of labs, see tests/traced.py. A process
that is killed, or runs another program in its place, leaves nothing: its last lines may be listed
and yet run.
"""

import os
import pathlib
import shutil
import subprocess
import sys

from tests.traced import DATA, INSTALLED, REPOSITORY

COVERAGE = [sys.executable, "-B", "-m", "coverage"]
_PYTEST = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider",
           "--dist", "loadgroup", "-m", "not long"]
#: What the tests themselves run of paf/; cluster tests run it in the nodes of labs only.
_WITHIN = ["--cov=paf", "--cov-report="]
#: Measures what `paf health` costs, which is several times as much under coverage.
_COST = ("tests/cluster/test_health.py::"
         "test_four_load_balancers_cost_less_than_4_percent_of_a_processor")
SUITES = (("unit", [*_PYTEST, "-n", "2", *_WITHIN, "tests/unit"]),
          ("component", [*_PYTEST, "-n", "3", *_WITHIN, "tests/component"]),
          ("cluster", [*_PYTEST, "-n", "3", "--deselect", _COST, "tests/cluster"]))
#: Percent of paf/ that all these have to run.
FLOOR = 97


def main(arguments):
    """Run the tests and report; return the exit status."""
    folder = pathlib.Path(DATA).parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o777)    # processes of the servers' user leave theirs, too
    suites = [("named", [*_PYTEST, "-n", "2", *_WITHIN, *arguments])] if arguments else SUITES
    runs = [subprocess.Popen(suite, cwd=REPOSITORY, env={
        **os.environ, "PAF_COVERAGE": "1", "COVERAGE_FILE": f"{DATA}.{name}"})
        for name, suite in suites]
    failed = [run.wait() for run in runs]
    rules = folder / "paths"
    rules.write_text(f"[paths]\nsource =\n    {REPOSITORY}/paf\n    {INSTALLED}/paf\n")
    subprocess.run([*COVERAGE, "combine", "-q", "--data-file", DATA, "--rcfile", rules],
                   cwd=REPOSITORY, check=True)
    floor = [] if arguments else [f"--fail-under={FLOOR}"]
    report = subprocess.run([*COVERAGE, "report", "--data-file", DATA, "-m", "--skip-covered",
                             *floor], cwd=REPOSITORY, check=False)
    return 1 if any(failed) or report.returncode else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
