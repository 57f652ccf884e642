"""The load beside a fault: pgbench is started again whenever it has ended, until the load ends."""

import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from lab import traffic
from lab.settings import CHECKOUT
from lab.tools import wait_until

#: Ends at once, as pgbench does without a server, the first two times; then it stays.
PGBENCH = """#!/bin/sh
echo started >> "$0.runs"
echo "progress: 1.0 s, 812.5 tps, lat 19.6 ms stddev 7.1, 0 failed"
[ "$(wc -l < "$0.runs")" -lt 3 ] || exec sleep 60
"""


def test_pgbench_is_started_again_until_the_load_ends(tmp_path):
    program = tmp_path / "pgbench"
    program.write_text(PGBENCH)
    program.chmod(0o755)
    runs = tmp_path / "pgbench.runs"
    with subprocess.Popen(
            [sys.executable, "-m", "lab.load", "--folder", str(tmp_path), "--program", str(program),
             "--host", "192.0.2.1", "--clients", "16"], cwd=CHECKOUT) as load:
        wait_until(lambda: runs.exists() and len(runs.read_text().split()) == 3, 60,
                   "the third start of pgbench", step=0.05)
        load.send_signal(signal.SIGTERM)
        assert load.wait(30) == 0
    assert len(runs.read_text().split()) == 3


def test_the_rates_are_those_of_each_second(tmp_path):
    class Lab:
        folder = tmp_path
    load = traffic.Load(Lab, "load")
    assert load.rates() == []
    load.folder.mkdir(parents=True)
    (load.folder / "load.log").write_text(
        "pgbench (15.14)\nprogress: 1.0 s, 812.5 tps, lat 19.6 ms stddev 7.1, 0 failed\n"
        "pgbench: error: connection to server failed\n"
        "progress: 1.0 s, 0.0 tps, lat 0.0 ms stddev 0.0, 0 failed\n")
    assert load.rates() == [812.5, 0.0] and load.broken() == 0


def test_seconds_have_their_end_and_sessions_that_broke_are_counted(tmp_path):
    class Lab:
        folder = tmp_path
    load = traffic.Load(Lab, "load")
    load.folder.mkdir(parents=True)
    (load.folder / "load.log").write_text(
        "progress: 1795946841.012 s, 812.5 tps, lat 19.6 ms stddev 7.1, 0 failed\n"
        "pgbench: error: client 3 script 0 aborted in command 8 query 0: FATAL:  terminating\n"
        "pgbench: error: client 4 aborted in command 4 (SQL) of script 0; perhaps\n"
        "pgbench: error: connection to server failed\n"
        "pgbench: error: Run was aborted; the above results are incomplete.\n")
    assert load.seconds() == [(1795946841.012, 812.5)] and load.broken() == 2


def test_a_load_of_its_own_kind_has_its_script_and_number_of_clients(tmp_path, monkeypatch):
    class Lab:
        folder = tmp_path
        settings = SimpleNamespace(bindir="/usr/lib/postgresql/15/bin")
    given = []
    load = traffic.Load(Lab, "idle")
    monkeypatch.setattr(load, "_start", given.extend)
    monkeypatch.setattr(load, "rates", lambda: [1.0])
    load.start()
    assert given[given.index("--clients") + 1] == "16" and "--script" not in given
    given.clear()
    load.clients, load.script = 400, "\\sleep 3600 s\n"
    load.start()
    assert given[given.index("--clients") + 1] == "400"
    with open(given[given.index("--script") + 1], encoding="utf-8") as script:
        assert script.read() == load.script


@pytest.mark.parametrize("there, made", [("0", 1), ("1", 0)])
def test_the_tables_are_made_once(tmp_path, there, made):
    class Node:
        runs = 0

        def sql(self, query):
            return [[there]] if "count(*)" in query else []

        def run(self, argv, **_):
            self.runs += "--initialize" in argv
    node = Node()
    lab = SimpleNamespace(folder=tmp_path, nodes={"srv1": node}, primary=lambda: "srv1",
                          settings=SimpleNamespace(bindir="/usr/lib/postgresql/15/bin"))
    traffic.Load(lab, "load").prepare(30)
    assert node.runs == made
