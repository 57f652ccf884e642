"""Run the agent, and `paf` in a lab's nodes, under coverage: where PAF_COVERAGE is set.

    python3 -ISB tests/traced.py AGENT ACTION

Component tests start the agent so. The flags are those that it is installed with, so coverage's
folder is added by hand, and removed again. The crash watcher starts with the same command line, so
its lines count as well. A lab's nodes get the package with a line in its programs that comes here.
"""

import os
import pathlib
import runpy
import shutil
import sys

FOLDER = "/usr/lib/python3/dist-packages"
REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
#: Where each process leaves a file of its own.
DATA = os.path.join(REPOSITORY, "build", "coverage", "data")
#: The folder of DATA and a copy of this file, as a lab's nodes see it.
IN_NODES = "/opt/paf-coverage"
#: Where the package has paf/.
INSTALLED = "/usr/share/resource-agents-paf"
_PROGRAMS = ("usr/lib/ocf/resource.d/heartbeat/pgsqlms", "usr/sbin/paf")
_LINE = (f"import sys; sys.path.append({IN_NODES!r}); import traced; sys.path.pop(); "
         f"traced.measure({IN_NODES + '/data'!r}, {INSTALLED!r})\n")


def measure(data, library):
    """Begin to measure library's paf/; this process leaves a file whose name begins with data."""
    known = FOLDER in sys.path
    if not known:
        sys.path.append(FOLDER)
    import coverage
    if not known:
        sys.path.remove(FOLDER)
    measured = coverage.Coverage(data_file=data, data_suffix=True, config_file=False,
                                 source=[os.path.join(library, "paf")])
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
    measured.start()


def settings(more):
    """Return the settings of a lab (a dictionary), with what makes its nodes measure."""
    if not os.environ.get("PAF_COVERAGE") or "agent" in more:
        return more
    return {**more, "agent": str(_tree()),
            "binds": {**more.get("binds", {}), IN_NODES: os.path.dirname(DATA)}}


def _tree():
    """Return the package as a folder to be laid over a node's root, its programs measured."""
    from lab import agents
    from lab.tools import run
    folder = pathlib.Path(DATA).parent
    tree = folder / f"agent-{os.getpid()}"
    if not tree.exists():
        run(["dpkg-deb", "-x", agents.package("ours"), tree])
        agents.compile_library(tree)
        shutil.copy(__file__, folder)
        for name in _PROGRAMS:
            path = tree / name
            first, rest = path.read_text(encoding="utf-8").split("\n", 1)
            path.write_text(f"{first}\n{_LINE}{rest}", encoding="utf-8")
    return tree


def main():
    """Run the file that the arguments name, with the others as its arguments."""
    del sys.argv[0]
    measure(DATA, REPOSITORY)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
