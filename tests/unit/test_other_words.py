"""Legal input that has other words, signs or letters than a plain installation."""

import os
import subprocess

import pytest

from paf import runner
from paf.instance import conninfo, naming, postmaster, recovery_conf, rewind, standby_mode
from tests import interpreters
from tests.unit.support import instance_at
from tests.unit.test_conninfo import TEMPLATE


@pytest.mark.parametrize("words", [
    "unexpected result while fetching remote files: FATAL:  arr\u00eat des connexions",
    'could not fetch remote file "x": SSL SYSCALL error: EOF detected',
    'could not fetch remote file "x": SSL error: unexpected eof while reading',
    'could not fetch remote file "x": SSL connection has been closed unexpectedly',
    "could not fetch file list: FATAL:  la base", "could not receive data from server: No route"])
def test_a_rewind_that_lost_its_primary_passes_in_any_language_and_over_tls(words):
    assert rewind._passes(runner.Result(1, "", "pg_rewind: error: " + words, False))
    assert not rewind._passes(runner.Result(
        1, "", "pg_rewind: error: could not find common ancestor", False))


@pytest.mark.parametrize("text", [
    "host=x options='-c wal_sender_timeout=5000'",
    "postgresql://x/?options=-c%20wal_sender_timeout%3D5000"])
def test_options_of_a_connection_string_do_not_replace_the_agents(text):
    """libpq would not read PGOPTIONS then: a primary whose sessions only read is a standby."""
    found = conninfo.connection(text)
    assert "options" not in conninfo.values(found.target)
    assert found.environment["PGOPTIONS"] == (
        "-c wal_sender_timeout=5000 -c default_transaction_read_only=off")
    assert conninfo.connection("host=x").environment["PGOPTIONS"] == (
        "-c default_transaction_read_only=off")


@pytest.mark.parametrize("line, name", [
    ("include 'x'", "include"), ("INCLUDE = 'x'", "INCLUDE"),
    ("include_if_exists 'x'", "include_if_exists"), ("include_dir = 'd'", "include_dir")])
def test_a_template_that_has_the_server_read_more_is_refused(line, name):
    """What is in that file is not looked at: a trigger file makes a second primary."""
    first, *_ = standby_mode.template_problems(TEMPLATE + line + "\n")
    assert first.startswith(f"the recovery template must not contain {name}, whose file is not")


@pytest.mark.parametrize("value", ["plain", "test -e a &&\n cp a b", "it's", "a\\b", "a\\nb\n"])
def test_a_value_is_written_as_the_server_reads_it(value):
    assert recovery_conf.parse(naming._line("x_y", value))["x_y"] == value


def test_a_link_with_a_slash_at_its_end_names_the_same_folder(tmp_path, monkeypatch):
    """A server whose data directory was renamed behind the link goes on taking writes."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    instance = instance_at(f"{tmp_path}/link/")
    seen = []
    monkeypatch.setattr(postmaster, "all_pids", lambda: [7])
    monkeypatch.setattr(postmaster, "has_servers_name", lambda _: True)
    monkeypatch.setattr(postmaster, "arguments", lambda _: ["postgres", "-D", f"{tmp_path}/link/"])
    monkeypatch.setattr(postmaster, "works_here", lambda *_: seen.append(True))
    postmaster.strayed(instance)
    assert seen == [True]


STAT = """
import os, sys
from paf import runner
from paf.deadline import Deadline
from paf.instance import Instance, settings
from collections import namedtuple
folder = os.environ["PAF_FOLDER"]
settings.read = lambda *_: runner.text(os.fsencode(folder) if str is not bytes else folder)
Parameters = namedtuple("Parameters", "datadir")
settings.check_data_directory(Instance(Parameters(folder), None), Deadline(5))
"""


@pytest.mark.parametrize("version", sorted(interpreters.found()))
def test_a_data_directory_with_a_letter_that_is_no_ascii_is_found_in_any_locale(tmp_path, version):
    folder = os.fsencode(tmp_path) + b"/\xc3\xa9"
    os.mkdir(folder)
    run = subprocess.run(
        [interpreters.found()[version], "-B", "-c", STAT], timeout=60, capture_output=True,
        text=True, check=False, cwd=interpreters.REPOSITORY, env={
            b"PAF_FOLDER": folder, b"LC_ALL": b"C", b"PYTHONCOERCECLOCALE": b"0",
            b"PYTHONUTF8": b"0"})
    assert run.returncode == 0, run.stderr
