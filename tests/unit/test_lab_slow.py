"""A slowed program does the same, later."""

import subprocess
import time

import pytest

from lab import slow


@pytest.fixture
def slowed(tmp_path):
    """A program that is slowed ten times: slowed(script) returns its path."""
    def make(script):
        real, program = tmp_path / "real", tmp_path / "program"
        real.write_text("#!/bin/bash\n" + script, encoding="utf-8")
        program.write_text(slow.wrapper("/usr/sbin/program", real, 10), encoding="utf-8")
        real.chmod(0o755)
        program.chmod(0o755)
        return program
    return make


def test_it_takes_ten_times_as_long(slowed):
    begin = time.monotonic()
    subprocess.run([slowed("sleep 0.1")], check=True)
    assert time.monotonic() - begin >= 1


def test_it_passes_on_words_input_output_and_status(slowed):
    done = subprocess.run([slowed('echo "$1|$2"; cat; echo oops >&2; exit 105'), "one two", "*"],
                          input="text", capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("one two|*\ntext", "oops\n", 105)
