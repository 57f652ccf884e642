"""What `make demo KEEP=1` prints is true, and the page that goes on from there works."""

import os
import re
import subprocess
import sys

import pytest

from lab import owner
from lab.lab import Lab
from lab.settings import CHECKOUT
from lab.tools import wait_until

PAGE = CHECKOUT / "docs" / "first-steps.md"


@pytest.fixture(scope="module")
def kept():
    """The output of a demo with --keep, and the name of its cluster."""
    done = run([sys.executable, "-B", "-m", "trials.demo", "--keep", "--only", "1"])
    name = re.search(r"--lab (\S+) status", done.stdout)
    try:
        yield done, name and name[1]
    finally:
        # another demo may have the name by now
        found = name and owner.owner(name[1])
        if found and found.kept and not found.alive:
            Lab(name[1]).down()


def run(command, **more):
    """Run a program of the checkout, or words for a shell."""
    return subprocess.run(command, cwd=CHECKOUT, shell=isinstance(command, str), timeout=900,
                          capture_output=True, text=True, check=False, **more)


def test_each_command_that_is_printed_works(kept):
    done, name = kept
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The cluster stays up" in done.stdout and "\033" not in done.stdout
    printed = [line.partition("#")[0].strip() for line in done.stdout.splitlines()
               if "python3 -m lab" in line]
    assert len(printed) == 5
    for command in printed:
        result = run(command)
        if command.endswith("paf status") and result.returncode:
            # it says that nothing is to be done: not while a monitor is about to say so
            result = wait_until(lambda command=command: [again for again in [run(command)]
                                                         if again.returncode == 0], 90, command)[0]
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        assert result.stdout or command.endswith("down"), command
    assert name not in owner.labs()


def test_nothing_is_said_to_stay_up_that_did_not_start():
    done = run([sys.executable, "-B", "-m", "trials.demo", "--keep", "--agent", "/no/agent"])
    assert done.returncode == 1
    assert "stays up" not in done.stdout and "nothing of it is left up" in done.stdout
    assert "no agent '/no/agent'" in done.stdout


@pytest.mark.long
def test_the_page_for_the_first_ten_minutes_can_be_typed():
    name = owner.free_name("first-steps")
    commands = re.findall(r"^    (python3 -m lab .*)$", PAGE.read_text(encoding="utf-8"), re.M)
    assert commands[0].endswith("--lab demo up") and commands[-1].endswith("lab down")
    owner.release(name)
    environment = {**os.environ, "PAF_LAB": name}
    try:
        for command in commands:
            result = run(command.replace("--lab demo", f"--lab {name}"), env=environment)
            # `paf check` has a remark on the lab's own configuration
            assert result.returncode == 0 or "paf check" in command, (
                f"{command}: {result.stdout}{result.stderr}")
            diverged = re.findall(r"^(srv\d) has diverged", result.stdout, re.M)
            for node in diverged:
                assert run(f"python3 -m lab rebuild {node}", env=environment).returncode == 0
                assert "has diverged" not in run("python3 -m lab wait", env=environment).stdout
    finally:
        Lab(name).down()
