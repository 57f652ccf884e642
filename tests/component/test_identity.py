"""What was checked is acted on, and what could not be found out is neither dead nor damaged."""

import os
import shutil
import signal

import pytest

from tests.component.server import clone, owner, wait_until

HARD = (2, 5)


@pytest.fixture
def wrapped(tmp_path):
    """Return a function that lets a node use programs that are replaced by these shell scripts."""
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:3]:
        parent.chmod(parent.stat().st_mode | 0o11)

    def wrap(node, **scripts):
        for name in os.listdir(node.programs):
            script = tmp_path / name
            script.unlink(missing_ok=True)
            if name in scripts:
                script.write_text(f"#!/bin/sh\n{scripts[name].format(node.programs)}\n")
                script.chmod(0o755)
            else:
                script.symlink_to(f"{node.programs}/{name}")
        node.parameters["bindir"] = str(tmp_path)
    return wrap


def test_a_promotion_is_seen_where_pg_controldata_gives_no_answer(pair, wrapped):
    """The server takes writes; an action that says otherwise would have it demoted again."""
    pair["srv1"].kill()
    pair.move_vip(None)
    wrapped(pair["srv2"], pg_controldata="echo out of memory >&2; exit 1")
    lists = dict(active="srv2", unpromoted="srv2", promote="srv2")
    run = pair.promote("srv2", lists, ["srv2"], timeout=60)
    assert run.code == 0 and not pair["srv2"].in_recovery, (run, pair["srv2"].log.read_text())


# The process, whatever its program is called

@pytest.fixture
def own_binary(node):
    """A node whose server runs from a copy of postgres that the test may rename."""
    folder = node.cluster.folder / "bin"
    folder.mkdir()
    for name in os.listdir(node.programs):
        if name == "postgres":
            shutil.copy(f"{node.programs}/{name}", folder / name)
        else:
            (folder / name).symlink_to(f"{node.programs}/{name}")
    for name in ("lib", "share"):    # a server finds them beside its program; Debian's, only lib
        (folder.parent / name).symlink_to(os.path.join(os.path.dirname(node.programs), name))
    node.parameters["bindir"] = str(folder)
    assert node.agent("start", lists=dict(start="srv1")).code == 0
    return node


@pytest.mark.parametrize("new", ["postgres.old", None], ids=["renamed", "removed"])
def test_a_server_whose_program_was_replaced_still_runs(own_binary, new):
    """A package upgrade renames or removes the file while the server runs."""
    node = own_binary
    program = node.cluster.folder / "bin" / "postgres"
    if new:
        program.rename(program.with_name(new))
    else:
        program.unlink()
    assert node.monitor().code == 0 and node.probe() == 0
    assert node.agent("stop").code == 0
    assert not (node.pgdata / "postmaster.pid").exists()
    assert node.control() == "shut down in recovery"


def test_backends_of_a_program_that_was_renamed_are_ended(own_binary):
    node = own_binary
    program = node.cluster.folder / "bin" / "postgres"
    pid = node.pid()
    program.rename(program.with_name("postgres.old"))
    os.kill(pid, signal.SIGSTOP)
    others = [other for other in node.processes() if other != pid]
    for other in others:
        os.kill(other, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    assert others
    assert node.monitor().code == 1
    assert node.agent("stop").code == 0
    assert node.processes() == []


# A tool that gave no answer has said nothing

KILLED = "kill -9 $$"
BROKEN = "echo 'error while loading shared libraries' >&2; exit 127"
SLOW = "sleep 60"


@pytest.mark.parametrize("script", [KILLED, BROKEN, SLOW], ids=["killed", "broken", "slow"])
def test_a_pg_controldata_without_an_answer_is_a_soft_error(node, wrapped, script):
    wrapped(node, pg_controldata=script)
    before = node.files()
    run = node.agent("start", lists=dict(start="srv1"), timeout=6)
    assert run.code == 1 and "pg_controldata" in run.reason and "damaged" not in run.reason
    run = node.monitor(timeout=6)
    assert run.code == 1 and "damaged" not in run.reason
    assert node.probe(timeout=6) == 7 and node.agent("stop").code == 0
    assert node.files() == before


@pytest.mark.parametrize("script", [KILLED, BROKEN, SLOW], ids=["killed", "broken", "slow"])
def test_a_postgres_c_without_an_answer_is_a_soft_error(node, wrapped, script):
    wrapped(node, postgres=script)
    run = node.agent("start", lists=dict(start="srv1"), timeout=6)
    assert run.code == 1 and "postgres -C" in run.reason
    assert "does not accept" not in run.reason


#: A pg_controldata of another major version: it reads other bytes, and finds a wrong checksum.
ANOTHER = """if [ "$1" = --version ]; then echo 'pg_controldata (PostgreSQL) 33.1'; exit; fi
echo 'pg_controldata: warning: calculated CRC checksum does not match value stored' >&2
exec {}/pg_controldata "$@\""""


def test_a_pg_controldata_of_another_version_makes_no_control_file_damaged(node, wrapped):
    """As after an upgrade of the package beside a running server, or with a wrong bindir."""
    wrapped(node, pg_controldata=ANOTHER)
    node.kill()
    run = node.monitor()
    assert run.code == 1 and "damaged" not in run.reason
    assert "is of PostgreSQL 33, the data directory of " in run.reason
    run = node.agent("start", lists=dict(start="srv1"))
    assert run.code == 1 and "is of PostgreSQL 33, the data directory of " in run.reason


def test_a_server_program_of_another_version_is_named_before_anything_is_written(node, wrapped):
    wrapped(node, postgres="""if [ "$1" = --version ]; then echo 'postgres (PostgreSQL) 33beta1'
exit; fi; echo 'unrecognized configuration parameter "x"' >&2; exit 1""")
    before = node.files()
    run = node.agent("start", lists=dict(start="srv1"))
    assert run.code == 5 and "postgres in bindir " in run.reason and "PostgreSQL 33," in run.reason
    assert node.files() == before


def test_a_damaged_control_file_is_a_hard_error_with_the_tools_words(node):
    (node.pgdata / "global" / "pg_control").write_bytes(b"\0" * 8192)
    run = node.agent("start", lists=dict(start="srv1"))
    assert run.code in HARD and "damaged" in run.reason and "warning" in run.reason.lower()


def test_a_running_server_with_no_login_and_no_control_file_keeps_its_role(primary, wrapped):
    wrapped(primary, pg_controldata=KILLED, psql="exit 2")
    assert primary.monitor().code == 8


# The data directory

def test_a_start_refuses_a_datadir_that_the_server_does_not_use(node):
    """The data directory was moved, and a stale copy is left where Pacemaker looks."""
    new = node.pgdata.with_name("moved")
    clone(node.pgdata, new)
    node.configure(f"data_directory = '{new}'")
    shutil.copy(node.pgdata / "postgresql.conf", new / "postgresql.conf")
    before = node.files()
    run = node.agent("start", lists=dict(start="srv1"))
    assert run.code in HARD and str(new) in run.reason and "data_directory" in run.reason
    assert node.files() == before and not (new / "standby.signal").exists()
    assert not (new / "postmaster.pid").exists()
    assert node.agent("validate-all", OCF_CHECK_LEVEL="10").code in HARD


def test_a_demotion_does_not_start_another_data_directory(primary):
    new = primary.pgdata.with_name("moved")
    primary.sql("CHECKPOINT")
    clone(primary.pgdata, new)
    (new / "postmaster.pid").unlink()
    primary.configure(f"data_directory = '{new}'")
    run = primary.agent("demote", lists=dict(promoted="srv1", demote="srv1", active="srv1"))
    assert run.code == 1 and str(new) in run.reason
    assert not (new / "postmaster.pid").exists()


def test_start_opts_that_name_another_data_directory_are_refused(node):
    new = node.pgdata.with_name("other")
    clone(node.pgdata, new)
    run = node.agent("start", lists=dict(start="srv1"), start_opts=f"-D {new}")
    assert run.code in HARD and str(new) in run.reason
    assert not (new / "standby.signal").exists() and not (new / "postmaster.pid").exists()


def test_a_data_directory_behind_a_link_is_the_same(node):
    link = node.pgdata.with_name("link")
    link.symlink_to(node.pgdata)
    node.configure(f"data_directory = '{link}'")
    assert node.agent("start", lists=dict(start="srv1")).code == 0


# Port and socket

@pytest.mark.parametrize("keys", [
    {"pgport": "6999"}, {"pghost": "/nonexistent"}, {"pghost": "/tmp"}, {"pghost": "192.0.2.1"},
    {"pghost": "2001:db8::1"},
    {"pgport": "6999", "pghost": "/nonexistent"}, {"pgport": "x"}, {"pgport": "99999"}],
    ids=str)
@pytest.mark.parametrize("role, code", [("running_primary", 8), ("running_standby", 0)])
def test_a_wrong_port_or_socket_brings_no_server_down(request, keys, role, code):
    node = request.getfixturevalue(role)
    run = node.monitor(**keys)
    assert run.code == code
    assert node.value("SELECT 1") == 1


def test_a_socket_that_a_cleaner_removed_brings_no_server_down(primary):
    (primary.cluster.sockets / f".s.PGSQL.{primary.port}").unlink()
    assert primary.monitor().code == 8
    assert primary.agent("stop").code == 0


def test_another_server_in_another_folder_is_not_asked(make_cluster):
    """Two servers on one port: srv2, a standby, has its socket where pghost leads."""
    cluster = make_cluster("srv1", "srv2")
    other = cluster.folder / "other"
    other.mkdir()
    os.chown(other, owner().pw_uid, owner().pw_gid)
    port = cluster["srv1"].port
    cluster["srv2"].configure(f"port = {port}", f"unix_socket_directories = '{other}'")
    cluster.move_vip("srv1")
    for node in cluster:
        node.server.start()
    wait_until((other / f".s.PGSQL.{port}").exists, "srv2 to listen")
    assert cluster["srv1"].monitor(pghost=str(other)).code == 8
    assert cluster["srv2"].monitor(pghost=str(cluster.sockets), pgport=str(port)).code == 0


# A data directory that goes away under a running server

@pytest.fixture(params=["renamed", "replaced"])
def strayed(request, primary):
    """A primary whose data directory was renamed while it runs; or a copy is in its place too."""
    old = primary.pgdata.with_name("before")
    primary.sql("CHECKPOINT")
    primary.pgdata.rename(old)
    if request.param == "replaced":
        clone(old, primary.pgdata)
    yield primary
    if request.param == "replaced":
        shutil.rmtree(primary.pgdata)
    old.rename(primary.pgdata)


def test_a_stop_ends_a_server_whose_data_directory_was_renamed(strayed):
    """It takes writes as before: another node must not be promoted beside it."""
    assert strayed.value("SELECT 1") == 1
    run = strayed.monitor()
    assert run.code == 9 and "runs on in a folder that was" in run.reason
    assert strayed.probe() == 9
    run = strayed.agent("stop")
    assert run.code == 0, run.reason
    with pytest.raises(Exception, match="No such file|refused"):
        strayed.value("SELECT 1")
