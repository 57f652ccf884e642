"""Programs of lab and trials that are interrupted: nothing that they started runs on."""

import os
import re
import signal
import subprocess
import sys

import pytest

from lab.tools import in_threads
from tests.conftest import REPOSITORY

#: Starts a program that never ends, says so, and waits for it.
_PROGRAM = """
import subprocess, sys
from lab.tools import interruptible
def main():
    child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
    try:
        print(child.pid, flush=True)
        return child.wait()
    finally:
        child.kill()
        print(child.wait(), flush=True)
sys.exit(interruptible(main))
"""
#: Threads wait for what never comes; one tidies up, which waits as well; the third never starts.
_THREADS = """
import sys
from lab.tools import LabError, in_threads, interruptible, wait_until
def work(number):
    print("began\\n", end="", flush=True)    # in one piece
    try:
        wait_until(lambda: False, 600, "what never comes")
    except LabError as error:
        wait_until(lambda: True, 1, "the end of what it started")
        print(f"{error}\\n", end="", flush=True)
def main():
    in_threads(2, work, range(3))
sys.exit(interruptible(main))
"""
#: A shell starts background jobs with SIGINT ignored.
_IN_BACKGROUND = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_interrupted_ends_what_it_started(number):
    with subprocess.Popen([*_IN_BACKGROUND, sys.executable, "-c", _PROGRAM], cwd=REPOSITORY,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and errors == "interrupted\n"
    assert output == f"{-signal.SIGKILL}\n"


def test_what_is_interrupted_ends_the_waits_of_its_threads():
    with subprocess.Popen([sys.executable, "-c", _THREADS], cwd=REPOSITORY,
                          stdout=subprocess.PIPE, text=True) as process:
        try:
            began = [process.stdout.readline() for _ in range(2)]
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=60)
        finally:
            process.kill()    # else its end is waited for
    assert began == ["began\n"] * 2 and process.returncode == 130
    assert output == "interrupted\n" * 2


def test_what_one_thread_raises_is_raised_and_the_results_keep_their_order():
    assert in_threads(2, lambda item: item * 2, range(5)) == [0, 2, 4, 6, 8]
    with pytest.raises(ZeroDivisionError):
        in_threads(2, lambda item: 1 // item, range(3))


def test_each_program_of_the_trials_can_be_interrupted():
    programs = [path for path in [*(REPOSITORY / "trials").rglob("*.py"),
                                  REPOSITORY / "lab" / "__main__.py",
                                  REPOSITORY / "tests" / "stages.py"]
                if "sys.exit(" in path.read_text(encoding="utf-8")]
    assert len(programs) > 8
    for path in programs:
        called = re.findall(r"sys\.exit\((\w+)\(", path.read_text(encoding="utf-8"))
        assert called == ["interruptible"], path


def test_no_program_of_the_lab_works_with_what_a_shell_has_set():
    program = ("import os, sys, time\nfrom lab.tools import interruptible\n"
               "sys.exit(interruptible(lambda: print(oct(os.umask(0)), time.tzname[0],\n"
               "    sorted(name for name in os.environ if name[:2] in ('PG', 'TZ')))))")
    usual, other = [subprocess.run(
        ["sh", "-c", f'umask {umask}; exec "$@"', "sh", sys.executable, "-c", program],
        cwd=REPOSITORY, env={**os.environ, **variables}, check=True, capture_output=True,
        text=True).stdout for umask, variables in (
            ("022", {}), ("077", {"TZ": "Asia/Tokyo", "PGHOST": "elsewhere", "PGSERVICE": "x"}))]
    assert other == usual and other.startswith("0o22 ") and other.endswith(" []\n")


def test_a_reader_that_goes_away_is_no_error_to_look_into():
    """python3 -m lab status | head -1."""
    text = ("import sys\nfrom lab.tools import interruptible\n"
            "sys.exit(interruptible(lambda: print('x' * {})))")
    for length in (1, 1 << 20):
        with subprocess.Popen([sys.executable, "-c", text.format(length)], cwd=REPOSITORY,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            process.stdout.close()
            assert process.stderr.read() == ""
        assert process.returncode == 141


@pytest.mark.parametrize("main", ["print('x')", "parser.print_help()", "parser.parse_args(['-h'])"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_takes_nothing_is_said_in_a_line(main, unbuffered):
    """python3 -m lab status >/dev/full, and >&-."""
    text = ("import argparse, sys\nfrom lab.tools import interruptible\n"
            f"parser = argparse.ArgumentParser()\nsys.exit(interruptible(lambda: {main}))")
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([sys.executable, "-c", text], cwd=REPOSITORY, stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (
        1, "standard output: No space left on device\n")
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-c", text],
                          cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0 and "Traceback" not in done.stderr


def test_an_error_of_something_else_is_none_of_the_output():
    text = ("import errno, sys\nfrom lab.tools import interruptible\n"
            "def main():\n    raise OSError(errno.ENOSPC, 'full', 'elsewhere')\n"
            "sys.exit(interruptible(main))")
    done = subprocess.run([sys.executable, "-c", text], cwd=REPOSITORY, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 1 and "'elsewhere'" in done.stderr


def test_a_lab_that_cannot_come_up_says_so_at_once():
    program = ("import resource, sys\nfrom lab import tools\n"
               "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
               "tools.require_files()\n")
    found = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=False,
                           capture_output=True, text=True)
    assert "LabError: only 64 files may be open (ulimit -n)" in found.stderr


def test_a_lab_has_the_limits_of_a_service_not_those_of_a_shell():
    """With 64 open files corosync runs, and takes no second program: the nodes never meet."""
    program = ("import resource, sys\nfrom lab.tools import interruptible\n"
               "sys.exit(interruptible(lambda: print(*resource.getrlimit(\n"
               "    resource.RLIMIT_NOFILE))))")
    found = subprocess.run(["sh", "-c", 'ulimit -S -n 64; exec "$@"', "sh", sys.executable, "-c",
                            program], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    soft, hard = map(int, found.stdout.split())
    assert soft >= 1024 and hard >= soft
