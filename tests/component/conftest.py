"""Clusters for the component tests, made from two instances that are created once."""

import itertools
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from lab.tools import spread
from tests import interpreters
from tests.component.cluster import Cluster
from tests.component.server import (
    SETTINGS, Server, as_owner, bindir, clone, end_processes_in, owner, without_checksums)


def pytest_collection_modifyitems(config, items):
    """Deselect what the server that is here is too old for; tests.servers runs it with others."""
    wanted = [item for item in items if item.get_closest_marker("since")]
    if not wanted:
        return
    number = subprocess.run([os.path.join(bindir(), "postgres"), "--version"], check=True,
                            capture_output=True, text=True).stdout.split()[2]
    version = int("".join(itertools.takewhile(str.isdigit, number)))
    older = [item for item in wanted if item.get_closest_marker("since").args[0] > version]
    config.hook.pytest_deselected(items=older)
    items[:] = [item for item in items if item not in older]


_NUMBERS = itertools.count(1)
#: synchronous_standby_names of the fixture `synchronous`.
SYNCHRONOUS = "ANY 1 (srv1, srv2, srv3)"


@pytest.fixture(scope="session")
def base():
    """A short folder that the servers' user may enter; sockets' paths are at most 107 bytes.

    What a run left that was killed is removed first.
    """
    place = os.environ.get("PAF_TEST_DIR") or "/tmp"
    for left in pathlib.Path(place).glob("paf-*/tests.pid"):
        if left.stat().st_uid == os.geteuid() and not os.path.exists(f"/proc/{left.read_text()}"):
            end_processes_in(left.parent)
            shutil.rmtree(left.parent, ignore_errors=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="paf-", dir=place))
    (folder / "tests.pid").write_text(str(os.getpid()))
    compile_agent()
    folder.chmod(0o755)
    os.chown(folder, owner().pw_uid, owner().pw_gid)
    spread(folder)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def compile_agent():
    """Compile the agent's modules, as an installed agent's are: that halves the CPU of a run.

    In a checkout of another user nothing is written, and the runs take longer.
    """
    python = os.environ.get(interpreters.VARIABLE) or "/usr/bin/python3"
    subprocess.run([python, "-m", "compileall", "-q", str(interpreters.REPOSITORY / "paf")],
                   check=False, timeout=120)


@pytest.fixture(scope="session")
def templates(base):
    """An instance that was shut down as a primary, and a copy that was as a standby."""
    primary, standby = base / "templates" / "primary", base / "templates" / "standby"
    primary.parent.mkdir()
    os.chown(primary.parent, owner().pw_uid, owner().pw_gid)
    as_owner(f"{bindir()}/initdb", "-D", primary, "-N", "-A", "trust", "-U", owner().pw_name,
             "--wal-segsize=1", "--locale=C", "-E", "UTF8", *without_checksums())
    once = ["-c", f"unix_socket_directories={base}", "-c", "logging_collector=off"]
    with (primary / "postgresql.conf").open("a") as stream:
        stream.write(SETTINGS)
    run_once(primary, once)
    clone(primary, standby)
    (standby / "standby.signal").touch()
    os.chown(standby / "standby.signal", owner().pw_uid, owner().pw_gid)
    run_once(standby, once)
    return primary.parent


def run_once(pgdata, words):
    """Start an instance, give it a table if it is a primary, stop it cleanly.

    Without its template databases an instance is a third as large, and copied as fast.
    """
    server = Server(pgdata, pgdata.parent.parent, 5432)
    as_owner(f"{bindir()}/pg_ctl", "-D", pgdata, "-w", "-s", "-l", "/dev/null", "-o",
             " ".join(words), "start")
    if not server.in_recovery:
        server.sql("CREATE TABLE t (n int)")
        server.sql("UPDATE pg_database SET datistemplate = false")
        for name in ("template0", "template1"):
            server.sql(f"DROP DATABASE {name}")
    server.stop()


def clusters(base, templates):
    """Yield a function that makes a cluster of nodes with these names; end them all."""
    made = []

    def make(*names, **more):
        folder = base / f"c{next(_NUMBERS)}"
        folder.mkdir()
        os.chown(folder, owner().pw_uid, owner().pw_gid)
        cluster = Cluster(folder, names, **more)
        made.append(cluster)
        cluster.create(templates)
        return cluster

    yield make
    for cluster in made:
        cluster.destroy()
        shutil.rmtree(cluster.folder, ignore_errors=True)


@pytest.fixture
def make_cluster(base, templates):
    """Return a function that makes a cluster of nodes with these names."""
    yield from clusters(base, templates)


@pytest.fixture
def hinted(make_cluster):
    """A running primary (srv1) and a standby (srv2), both of which pg_rewind works on."""
    cluster = make_cluster("srv1", "srv2")
    for node in cluster:
        node.server.configure("wal_log_hints = on")
    cluster.start()
    return cluster


@pytest.fixture(scope="session")
def lasting(base, templates):
    """The same for nodes that several tests use, one after the other."""
    yield from clusters(base, templates)


@pytest.fixture(scope="session")
def idle_for_all(lasting):
    """See `idle`."""
    return lasting("srv1")["srv1"]


@pytest.fixture
def idle(idle_for_all):
    """A stopped instance that the test leaves stopped; its configuration is put back."""
    conf = idle_for_all.pgdata / "postgresql.conf"
    before = conf.read_text()
    yield idle_for_all
    conf.write_text(before)
    assert idle_for_all.processes() == []


@pytest.fixture(scope="session")
def running_for_all(lasting):
    """See `running_standby`, `running_primary` and `steady`."""
    cluster = lasting("srv1", "srv2", "srv3")
    cluster.move_vip("srv1")
    return cluster


@pytest.fixture
def steady(running_for_all):
    """A running primary (srv1) and two standbys that the test leaves as they are; no scores."""
    for node in running_for_all:
        running(node)
    running_for_all.note_starts()
    running_for_all.wait_for_streams("srv1", 2)
    running_for_all.store.forget_permanent()
    return running_for_all


@pytest.fixture
def running_standby(running_for_all):
    """A running standby that the test may stop, but leaves as it is."""
    return running(running_for_all["srv2"])


@pytest.fixture
def running_primary(running_for_all):
    """A running primary that the test may stop, but leaves as it is."""
    return running(running_for_all["srv1"])


def running(node):
    """Start the node's instance unless it runs, and return the node."""
    if not node.processes():
        node.server.start()
    return node


@pytest.fixture
def node(make_cluster):
    """One node, whose instance was shut down as a primary."""
    return make_cluster("srv1")["srv1"]


@pytest.fixture
def primary(node):
    """One node whose instance runs as a primary."""
    node.cluster.move_vip("srv1")
    node.server.start()
    return node


@pytest.fixture
def standby(make_cluster):
    """One node whose instance runs as a standby, without any primary."""
    cluster = make_cluster("srv1", "srv2")
    cluster["srv2"].server.start()
    return cluster["srv2"]


@pytest.fixture
def pair(make_cluster):
    """A running primary (srv1) and a standby (srv2) that streams from it."""
    cluster = make_cluster("srv1", "srv2")
    cluster.start()
    return cluster


@pytest.fixture
def synchronous(make_cluster):
    """Commits wait for one of two standbys; the primary has published that.

    They wait from the start: after a reload only once the checkpointer has read the setting, too.
    """
    cluster = make_cluster("srv1", "srv2", "srv3")
    for node in cluster:
        node.server.configure(f"synchronous_standby_names = '{SYNCHRONOUS}'",
                              "wal_sender_timeout = '60s'")
    cluster.start()
    assert cluster["srv1"].monitor().code == 8
    return cluster


@pytest.fixture
def trio(make_cluster):
    """A running primary (srv1) and two standbys (srv2, srv3) that stream from it."""
    cluster = make_cluster("srv1", "srv2", "srv3")
    cluster.start()
    return cluster
