"""From other setups to PAF, by the commands of docs/coming-from-*.md; a client writes all the time.

Each begins with a pair of servers as Debian's packages and an administrator have made it, without
PAF's package.
"""

import json

import pytest

from lab import agents, scenarios
from lab.cib import RESOURCE
from lab.tools import run, wait_until
from tests import quickstart
from tests.cluster.pages import AS_APT_LEAVES_IT, play
from tests.conftest import REPOSITORY
from trials.bench import pgsql


def LAB(_):    # pylint: disable=invalid-name
    """Two nodes without PAF; what Debian's pgsql agent needs to set a score is laid over them."""
    return {"nodes": 2, "resource": False, "agent": str(pgsql.repaired()), "wait_for_all": True}


#: Longest wait for a row while nothing moves, in seconds: the machine is busy.
UNDISTURBED = 3.0

#: What both pairs have: the settings of any streaming replication.
SETTINGS = """cat > /etc/postgresql/15/main/conf.d/own.conf <<END
listen_addresses = '*'
wal_keep_size = 256MB
wal_sender_timeout = 30s
END
cat > /etc/postgresql/15/main/pg_hba.conf <<END
local all         all                       trust
host  replication replicator 10.77.0.0/24   trust
host  all         all        10.77.0.0/24   trust
END
"""
PRIMARY = "pg_ctlcluster 15 main restart && createuser -U postgres --replication replicator"
COPY = ("pg_ctlcluster 15 main stop && rm -r /var/lib/postgresql/15/main && runuser -u postgres -- "
        "pg_basebackup -h srv1 -U replicator -D /var/lib/postgresql/15/main -c fast ")


#: The command of the page at which servers are restarted for the first time.
MOVE = "paf switchover srv2 --yes"

TEMPORARY = """sed -i s/^auto/manual/ /etc/postgresql/15/main/start.conf
mkdir -p /var/lib/pgsql/tmp
chown postgres: /var/lib/pgsql/tmp"""
#: A cluster as the authors of the pgsql agent advise, but with short monitor intervals.
PGSQL = """pcs cluster cib /root/old.xml
pcs -f /root/old.xml resource create pgsql ocf:heartbeat:pgsql \\
    pgctl=/usr/lib/postgresql/15/bin/pg_ctl psql=/usr/bin/psql \\
    pgdata=/var/lib/postgresql/15/main config=/etc/postgresql/15/main/postgresql.conf \\
    socketdir=/var/run/postgresql rep_mode=sync node_list='srv1 srv2' \\
    master_ip=10.77.0.100 repuser=replicator \\
    op start timeout=60s op stop timeout=60s op promote timeout=60s op demote timeout=60s \\
    op monitor interval=4s timeout=30s op monitor interval=3s timeout=30s role=Promoted \\
    op notify timeout=60s promotable ms-pgsql notify=true
pcs -f /root/old.xml resource create master-ip ocf:heartbeat:IPaddr2 ip=10.77.0.100 \\
    cidr_netmask=24 nic=eth0 op monitor interval=10s
pcs -f /root/old.xml constraint colocation add master-ip with Promoted ms-pgsql score=INFINITY
pcs -f /root/old.xml constraint order promote ms-pgsql then start master-ip symmetrical=false
pcs -f /root/old.xml constraint order demote ms-pgsql then stop master-ip symmetrical=false
pcs cluster cib-push /root/old.xml
"""

#: Patroni with a store of its own, beside a server that runs already; in systemd's place a script.
PACKAGES = ("patroni", "python3-pysyncobj", "python3-cdiff", "python3-click", "python3-colorama",
            "python3-prettytable", "python3-psutil", "python3-wcwidth")
PATRONI = """mkdir -p /var/lib/patroni
chown postgres: /var/lib/patroni
cat > /etc/patroni/config.yml <<END
scope: 15-main
name: {name}
restapi: {{listen: "{own}:8008", connect_address: "{own}:8008"}}
raft: {{data_dir: /var/lib/patroni, self_addr: "{own}:2222", partner_addrs: ["{other}:2222"]}}
bootstrap:
  dcs: {{ttl: 60, loop_wait: 5, retry_timeout: 20, postgresql: {{use_pg_rewind: true}}}}
postgresql:
  listen: "*:5432"
  connect_address: "{own}:5432"
  data_dir: /var/lib/postgresql/15/main
  config_dir: /etc/postgresql/15/main
  bin_dir: /usr/lib/postgresql/15/bin
  pgpass: /var/lib/patroni/pgpass
  use_unix_socket: true
  authentication: {{superuser: {{username: postgres}}, replication: {{username: replicator}}}}
  parameters: {{unix_socket_directories: /var/run/postgresql, wal_keep_size: 256MB}}
END
setsid setpriv --reuid=postgres --regid=postgres --init-groups \\
    patroni /etc/patroni/config.yml > /var/log/patroni.log 2>&1 < /dev/null &
echo $! > /run/patroni.pid"""
STREAMING = "select slot_name from pg_replication_slots where active"
SYSTEMCTL = """#!/bin/sh -e
[ "$*" = "disable --now patroni" ]
kill $(cat /run/patroni.pid)
timeout 60 tail --pid=$(cat /run/patroni.pid) -f /dev/null
"""


@pytest.fixture
def pair(lab):
    """The module's lab: srv1 a primary and srv2 as Debian has made it; the package to be had."""
    lab.settings.resource = False
    lab.reset()
    for node in lab.nodes.values():
        node.run(["sh", "-ec", AS_APT_LEAVES_IT + "\n" + SETTINGS], timeout=120)
    lab.nodes["srv1"].run(["sh", "-ec", PRIMARY], timeout=120)
    run(["cp", agents.package("ours"), lab.settings.shared / "resource-agents-paf.deb"])
    return lab


def played(lab, page, since=None, until=None):
    """Play a page's blocks; yield (node's name, command, Result).

    since: a command of the block to begin with; until: one of the block to stop before.
    """
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    found = quickstart.blocks(text)
    places = [index for index, block in enumerate(found) if (since or until) in block.commands]
    begin, end = (places[0] if since else 0), (places[0] if until else len(found))
    for block in found[begin:end]:
        yield from play(lab, block)


def servers(lab):
    """Return the pid of each node's server."""
    return {name: node.pids("postmaster")[0] for name, node in lab.nodes.items()}


def changes(lab, since):
    """Return (operation, node) of what Pacemaker did to the servers."""
    return [(action.operation, action.node) for transition in lab.transitions(since)
            for action in transition.actions if action.resource == RESOURCE
            and action.operation in ("start", "stop", "promote", "demote")]


@pytest.mark.long
def test_a_pair_made_by_hand_becomes_a_cluster_while_it_runs(pair):
    pair.nodes["srv2"].run(["sh", "-ec", COPY + "-R -C -S srv2 && pg_ctlcluster 15 main start"],
                           timeout=120)
    since, first = pair.now(), servers(pair)
    # a session of the time before the virtual address: it is never ended
    with pair.client("before").start(host="10.77.0.1", primary="srv1") as client:
        assert list(played(pair, "coming-from-streaming.md", until=MOVE))
        client.wait_rows(100)
    assert client.report().lost == []
    assert [gap for gap in client.report().gaps if gap.seconds > UNDISTURBED] == []
    assert changes(pair, since) == []
    assert servers(pair) == first
    with pair.client("after").start(primary="srv1") as client:
        last = list(played(pair, "coming-from-streaming.md", since=MOVE))
        client.wait_rows(100)
    assert client.report().lost == []
    assert_works(pair, last)
    assert set(servers(pair).values()).isdisjoint(first.values())


@pytest.mark.long
def test_a_cluster_of_the_pgsql_agent(pair):
    pair.nodes["srv2"].run(["sh", "-ec", COPY], timeout=120)
    pair.nodes["srv1"].run(["pg_ctlcluster", "15", "main", "stop"])
    for node in pair.nodes.values():
        node.run(["sh", "-ec", TEMPORARY])
    pair.nodes["srv1"].run(["sh", "-ec", PGSQL], timeout=400)
    # which of them is the primary, the old agent finds by itself only after some monitors
    wait_until(lambda: set(roles(pair).values()) == {"HS:alone"}, 240, "both servers to be started",
               seen=lambda: f"{roles(pair)} {pair.crm_mon()}")
    pair.nodes["srv1"].run(["crm_attribute", "--lifetime", "reboot", "--node", "srv1", "--name",
                            "master-pgsql", "--update", pgsql.PRIMARY])
    wait_until(lambda: roles(pair) == {"srv1": "PRI", "srv2": "HS:sync"}, 240,
               "the pgsql agent's pair", seen=lambda: f"{roles(pair)} {pair.crm_mon()}")
    with pair.client("moved").start(primary="srv1") as client:
        client.wait_rows(100)
        commands = list(played(pair, "coming-from-pgsql.md"))
        client.wait_rows(100)
    assert client.report().lost == []
    assert_works(pair, commands)
    print("outages:", [round(gap.seconds, 1) for gap in client.report().gaps if gap.seconds > 1])


def roles(lab):
    """Return what the pgsql agent says of its servers: {node's name: pgsql-status}."""
    said = lab.status()
    return {name: said.attributes.get(name, {}).get("pgsql-status") for name in lab.nodes}


def assert_works(lab, commands):
    """See that paf check had nothing to say at the end, and a cluster that is whole."""
    lab.settings.resource = True
    lab.wait_settled(180, primary="srv1")
    for node in lab.nodes.values():
        scenarios.paf(node, ["check"], lambda _, rows: {row["level"] for row in rows} == {"OK"})
    said = [result.output for _, command, result in commands if command == "paf status"]
    assert "primary srv1" in said[-1]


@pytest.mark.long
def test_patroni_leaves_a_pair_that_becomes_a_cluster(pair, tmp_path):
    pair.nodes["srv2"].run(["sh", "-ec", COPY], timeout=120)
    install_patroni(pair, tmp_path)
    for name, node in pair.nodes.items():
        other, = (each for each in pair.nodes.values() if each is not node)
        node.run(["sh", "-ec", PATRONI.format(name=name, own=node.address, other=other.address)])
        node.install("/usr/local/sbin/systemctl", SYSTEMCTL)
    wait_until(lambda: members(pair) == [("Leader", "running"), ("Replica", "running")], 240,
               "Patroni's pair", step=1.0, seen=lambda: str(members(pair)))
    wait_until(lambda: pair.nodes["srv1"].value(STREAMING) == "srv2", 240, "srv2 to stream")
    since, first = pair.now(), servers(pair)
    with pair.client("patroni").start(host="10.77.0.1", primary="srv1") as client:
        assert list(played(pair, "coming-from-patroni.md"))
        assert list(played(pair, "coming-from-streaming.md", until=MOVE))
        client.wait_rows(100)
    assert client.report().lost == []
    assert [gap for gap in client.report().gaps if gap.seconds > UNDISTURBED] == []
    assert (changes(pair, since), servers(pair)) == ([], first)
    assert_works(pair, list(played(pair, "coming-from-streaming.md", since=MOVE)))


def install_patroni(lab, folder):
    """Install Debian's Patroni, and what it needs beside what the nodes have."""
    run(["apt-get", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3", "download",
         *PACKAGES], cwd=folder, timeout=300)
    for package in folder.glob("*.deb"):
        run(["cp", package, lab.settings.shared])
    for node in lab.nodes.values():
        node.run(["sh", "-ec", "dpkg --install $(ls /run/paf-lab/*.deb | grep -v resource-agents)"],
                 timeout=240)


def members(lab):
    """Return role and state of Patroni's members, the leader first."""
    said = lab.nodes["srv1"].run(
        ["patronictl", "-c", "/etc/patroni/config.yml", "list", "--format", "json"], check=False)
    return sorted((each["Role"], each["State"]) for each in json.loads(said.output or "[]"))
