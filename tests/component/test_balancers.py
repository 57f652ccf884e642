"""The real HAProxy, configured as docs/load-balancers.md says, and whoever floods the port."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import textwrap

import psycopg2
import pytest

from tests.component.listener import Listener
from tests.component.server import owner, wait_until
from tests.component.store import Store
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "load-balancers.md").read_text(encoding="utf-8")
PRIMITIVE = """<resources><clone id="pgsqld-clone"><primitive id="pgsqld" class="ocf"
 provider="heartbeat" type="pgsqlms"><instance_attributes id="a">{0}</instance_attributes>
 </primitive></clone></resources>"""


class Watched:
    """A node, what its Pacemaker knows of all, and the port on which `paf health` answers."""

    def __init__(self, node, names, library):
        self.node = node
        self.store = Store(node.cluster.folder / f"store-{node.name}")
        for name in names:
            self.store.add_member(name)
        # no PostgreSQL program is needed to ask the server
        parameters = {**node.parameters, "bindir": "/nowhere"}
        self.store.configure(PRIMITIVE.format("".join(
            f'<nvpair id="a-{name}" name="{name}" value="{value}"/>'
            for name, value in parameters.items())))
        # as RuntimeDirectory= makes it
        self.kept = node.cluster.folder / f"run-{node.name}"
        self.kept.mkdir(mode=0o700)
        os.chown(self.kept, owner().pw_uid, owner().pw_gid)
        self.listener = Listener(
            [str(library / "bin" / "paf-health"), "/usr/bin/python3", "-ISB",
             str(library / "bin" / "paf"), "health"], owner(),
            {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "HA_SBIN_DIR": str(self.store.programs),
             "PAF_TEST_STORE": str(self.store.folder), "PAF_TEST_NODE": node.name,
             "RUNTIME_DIRECTORY": str(self.kept)})
        (self.store.folder / "calls").touch(mode=0o666)
        (self.store.folder / "calls").chmod(0o666)

    def ask(self, path="/primary", data=None, source="127.0.0.1"):
        """Return what the port answers (bytes), b"" where the connection was refused."""
        sent = f"GET {path} HTTP/1.1\r\n\r\n".encode() if data is None else data
        with socket.create_connection(("127.0.0.1", self.listener.port), 30, (source, 0)) as one:
            found, part = b"", b"?"
            with contextlib.suppress(OSError):
                one.sendall(sent)
            with contextlib.suppress(OSError):
                while part:
                    part = one.recv(4096)
                    found += part
            return found


@pytest.fixture
def watched(make_cluster):
    """A primary (srv1) and a standby (srv2), and their ports, by name."""
    cluster = make_cluster("srv1", "srv2")
    for node in cluster:
        node.server.configure("listen_addresses = '127.0.0.1'", f"port = {free_port()}")
        node.server.port = int((node.pgdata / "postgresql.conf").read_text().rpartition(" = ")[2])
        node.parameters["pgport"] = str(node.server.port)
    cluster.start()
    library = cluster.folder / "library"
    shutil.copytree(REPOSITORY / "paf", library / "paf")
    shutil.copytree(REPOSITORY / "bin", library / "bin")
    nodes = {node.name: Watched(node, ("srv1", "srv2"), library) for node in cluster}
    promoted(nodes, "srv1")
    with contextlib.ExitStack() as stack:
        for one in nodes.values():
            stack.enter_context(one.listener)
        yield nodes


def promoted(nodes, name):
    """Record on all nodes that Pacemaker has promoted that one alone."""
    for one in nodes.values():
        shutil.rmtree(one.store.folder / "promoted", ignore_errors=True)
        one.store.promotes(name)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def block(begin):
    """Return the indented lines of the page that begin with a word."""
    found = re.search(rf"^    {begin}.*\n(?:    .*\n)*", PAGE, re.MULTILINE)
    return textwrap.dedent(found.group())


def configuration(nodes, ports):
    """Return the page's HAProxy configuration for these servers and ports of its own.

    The page's third node is one that does not answer.
    """
    line = block("server srv1").strip()
    text = (block("defaults") + f"listen agents\n    bind :5002\n    {line}\n    "
            + line.replace("srv1", "srv2").replace("192.168.1.1", "192.168.1.2") + "\n")
    for number, name in enumerate(("srv1", "srv2", "srv3"), 1):
        one = nodes.get(name)
        server, health = (one.node.server.port, one.listener.port) if one else (
            free_port(), free_port())
        text = re.sub(rf"192\.168\.1\.{number}:5432(.*)port 8009",
                      rf"127.0.0.1:{server}\1port {health}", text)
    assert "192.168" not in text and "8009" not in text and "timeout check 3s" in text
    text = text.replace("timeout check 3s", "timeout check 30s")    # for a busy machine
    for number, port in ports.items():
        assert f"bind :{number}" in text
        text = text.replace(f"bind :{number}", f"bind 127.0.0.1:{port}")
    return text


@pytest.fixture
def balancer(watched):
    """A running HAProxy; its ports: {the page's: the real one}."""
    if not shutil.which("haproxy", path="/usr/sbin:/usr/bin"):
        pytest.fail("this test needs HAProxy: apt-get install haproxy "
                    "(tests/install-tools.sh docs)", pytrace=False)
    ports = {number: free_port() for number in (5000, 5001, 5002)}
    path = watched["srv1"].node.cluster.folder / "haproxy.cfg"
    path.write_text(configuration(watched, ports))
    with open(path.with_suffix(".log"), "wb") as log:
        process = subprocess.Popen(["/usr/sbin/haproxy", "-db", "-f", str(path)],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    yield ports
    process.kill()
    process.wait()


def connect(port):
    return psycopg2.connect(host="127.0.0.1", port=port, dbname="postgres",
                            user=owner().pw_name, connect_timeout=10)


def reached(port):
    """Return the port of the server that a client reaches through HAProxy, None for none."""
    try:
        with contextlib.closing(connect(port)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT inet_server_port()")
            return cursor.fetchone()[0]
    except psycopg2.OperationalError:
        return None


def leads_to(port, server):
    """Wait until all connections, which take turns, reach that server, None for no server.

    HAProxy takes all servers to be there when it starts, until it has asked them.
    """
    wait_until(lambda: [reached(port) for _ in range(4)] == [server and server.port] * 4,
               f"{port} to lead to {server}")


def test_writes_follow_the_primary_through_haproxy(watched, balancer):
    old, new = (watched[name].node.server for name in ("srv1", "srv2"))
    leads_to(balancer[5000], old)
    leads_to(balancer[5001], new)
    leads_to(balancer[5002], old)
    with contextlib.closing(connect(balancer[5000])) as client, client.cursor() as cursor:
        old.stop("immediate")
        promoted(watched, "srv2")
        new.sql("SELECT pg_promote()")
        leads_to(balancer[5000], new)
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("INSERT INTO t VALUES (1)")
    leads_to(balancer[5001], None)
    leads_to(balancer[5002], new)
    with contextlib.closing(connect(balancer[5000])) as client, client.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (2)")
        client.commit()
    assert new.sql("SELECT n FROM t") == [(2,)]
    watched["srv2"].store.has_quorum(False)
    leads_to(balancer[5000], None)
    leads_to(balancer[5002], None)


NONSENSE = (b"GET /primary HTTP/1.1\r\nX: " + b"x" * 1000000 + b"\r\n\r\n",
            os.urandom(100000) + b"\n", b"\0" * 5000 + b"\n",
            b"POST /primary HTTP/1.1\r\n\r\n" + b"\xff" * 100000)


def test_what_was_kept_of_a_server_ends_with_its_role(watched):
    old, new = watched["srv1"], watched["srv2"]
    answers_again(old)
    wait_until(lambda: new.ask("/replica").startswith(b"HTTP/1.0 200"), "a standby")
    assert all([path.name for path in one.kept.iterdir()] == ["answers-"] for one in (old, new))
    asked = old.ask(), new.ask("/replica"), new.ask("/primary")
    assert [answer[9:12] for answer in asked] == [b"200", b"200", b"503"]
    old.node.server.stop("immediate")
    assert old.ask().startswith(b"HTTP/1.0 503")
    new.node.server.sql("SELECT pg_promote()")
    assert new.ask("/replica").startswith(b"HTTP/1.0 503")
    promoted(watched, "srv2")
    answers_again(new)


def answers_again(one):
    wait_until(lambda: one.ask().startswith(b"HTTP/1.0 200 OK"), "an answer")


@pytest.mark.long
def test_a_flood_leaves_the_node_and_its_monitors_alone(watched):
    one = watched["srv1"]
    listener = one.listener
    answers_again(one)
    with contextlib.ExitStack() as stack:
        def slow(source):
            client = stack.enter_context(socket.create_connection(
                ("127.0.0.1", listener.port), 30, (source, 0)))
            client.sendall(b"GET /pri")
        for number in range(2, 12):
            for _ in range(6):
                slow(f"127.0.0.{number}")
        wait_until(lambda: listener.started + listener.refused > 60, "all to be accepted")
        for _ in range(2000):
            with socket.create_connection(("127.0.0.1", listener.port), 30, ("127.0.0.2", 0)):
                pass
        wait_until(lambda: listener.started + listener.refused > 2060, "all to be accepted")
        run = one.node.monitor()
        assert (run.code, run.reason) == (8, "")
    assert listener.most_at_once <= listener.most == 16
    wait_until(lambda: listener.idle, "the slow ones to end by themselves")
    for data in NONSENSE:
        assert one.ask(data=data)[:12] in (b"HTTP/1.0 400", b"HTTP/1.0 405", b"HTTP/1.0 200", b"")
    wait_until(lambda: listener.idle, "the requests to end")
    answers_again(one)
