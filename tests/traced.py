"""Run the agent as its own process under coverage; component tests do under PAF_COVERAGE.

    python3 -ISB tests/traced.py AGENT ACTION

The flags are those that the agent is installed with, so coverage's folder is added by hand, and
removed again. The crash watcher starts with the same command line, so its lines count as well.
"""

import os
import runpy
import sys

FOLDER = "/usr/lib/python3/dist-packages"
REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
#: Where each process leaves a file of its own.
DATA = os.path.join(REPOSITORY, "build", "coverage", "data")


def main():
    """Run the file that the arguments name, with the others as its arguments."""
    sys.path.append(FOLDER)
    import coverage
    sys.path.remove(FOLDER)
    measured = coverage.Coverage(data_file=DATA, data_suffix=True, config_file=False,
                                 source=[os.path.join(REPOSITORY, "paf")])
    measured.set_option("run:sigterm", True)    # it ends the watcher
    measured.set_option("run:disable_warnings", ["no-data-collected"])    # of the agent's output
    leave = os._exit    # which ends the agent, and children that start no program

    def save_and_leave(status):
        try:
            measured.stop()
            measured.save()
        finally:
            leave(status)

    os._exit = save_and_leave
    del sys.argv[0]
    measured.start()
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
