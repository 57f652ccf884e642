"""A fault hits the process that it is for, and no other one."""

import os
import subprocess

import pytest

from lab import node
from lab.power import Power
from lab.tools import LabError, run

COMMANDS = {
    "/usr/lib/postgresql/15/bin/postgres -D /data -c config_file=/etc/postgresql.conf": True,
    "/usr/lib/postgresql/15/bin/postgres -C data_directory -D /data": False,
    "/usr/lib/postgresql/15/bin/postgres --single -D /data postgres": False,
    "postgres: walwriter -D": False,
}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_the_agent_asks_a_server_program_is_no_postmaster(command, tmp_path, monkeypatch):
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cmdline").write_bytes(command.replace(" ", "\0").encode() + b"\0")
    (tmp_path / "7/exe").symlink_to("/usr/lib/postgresql/15/bin/postgres")
    monkeypatch.setattr(node, "Path", lambda path: tmp_path / str(path).removeprefix("/proc/"))
    monkeypatch.setattr(node.os, "readlink", lambda path: "/usr/lib/postgresql/15/bin/postgres")
    assert node.Node._is(None, 7, "postmaster") is COMMANDS[command]


class Ended:
    """A machine that has ended, and whose number is another process's: this one's."""

    pid = os.getpid()

    def poll(self):
        """Return an exit status."""
        return 1


def test_a_machine_that_has_ended_has_no_process_to_kill():
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            assert Power._init(Ended()) is None
        finally:
            child.kill()


def test_an_account_that_is_absent_is_said_with_a_cure():
    with pytest.raises(LabError, match="no account no-such-account.*install-tools.sh lab"):
        run(["true"], user="no-such-account")
