"""Faults of a cluster of two nodes, alone and with a quorum device.

The cluster is made smaller: `srv3` is removed as docs/administration.md has it, and is the quorum
device's host afterwards. So these come last.
"""

import time

from lab.machines import bridges, layout
from lab.network import ip_batch
from lab.tools import wait_until
from trials.machines.model import Table

TABLE = Table(only=layout.CONTAINERS)
MEMBERS, HOST = layout.NAMES[:2], layout.NAMES[2]
LONG = 900
MINUTE = 60
#: As docs/fencing.md has it: who has the primary wins when both want to fence.
_SMALLER = (
    f"pcs cluster node remove {HOST}", f"pcs stonith delete fence-{HOST}",
    "pcs property set priority-fencing-delay=10s", "pcs resource meta pgsqld-clone priority=1")

#: Who is not named there cannot be missed: an absent srv3 may hold what was acknowledged.
_NAMES = f"""set -e
echo "synchronous_standby_names = 'ANY 1 ({', '.join(MEMBERS)})'" \
    > /etc/postgresql/15/main/conf.d/trial.conf
pg_ctlcluster 15 main reload
"""


def shell(guest, command, **options):
    """Run a line of shell in a node; return what it prints."""
    return guest.run(["sh", "-c", command], timeout=LONG, **options).output.strip()


def two_nodes(lab):
    """Make a cluster of two of that of three, once."""
    lab.members = MEMBERS
    first = lab.nodes[MEMBERS[0]]
    if HOST not in shell(first, "corosync-cmapctl nodelist"):
        return
    if lab.primary() == HOST:
        shell(first, f"paf switchover {MEMBERS[0]} --yes")
    for name in MEMBERS:
        shell(lab.nodes[name], _NAMES)
    for command in _SMALLER:
        shell(first, command)
    wait_until(lambda: is_forgotten(lab), LONG, f"Pacemaker to forget {HOST}", 2)


def is_forgotten(lab):
    """Return whether no controller remembers the removed node; ask for it again if one does.

    What crm_node asks of a controller may be lost: README.md.
    """
    if not any(HOST in shell(lab.nodes[name], "crm_node --list") for name in MEMBERS):
        return True
    shell(lab.nodes[MEMBERS[0]], f"crm_node --force --remove {HOST}")
    return False


def quorum_device(lab):
    """Give the two a quorum device on the third machine, once."""
    two_nodes(lab)
    first = lab.nodes[MEMBERS[0]]
    if "model: net" in shell(first, "pcs quorum config").lower():
        return
    # Debian's package has made its certificates, as `pcs qdevice setup` does elsewhere
    shell(lab.nodes[HOST], "pcs qdevice enable net && pcs qdevice start net")
    shell(first, f"pcs quorum device add model net host={HOST} algorithm=ffsplit")


def apart(lab):
    """Cut the two from each other; clients, the device's host and fencing reach both.

    A node that is fenced has a new cable, and reaches the other again.
    """
    ip_batch(lab.hub, [f"link set {bridges.tap(name, 0)} type bridge_slave isolated on"
                       for name in MEMBERS])


def together(lab):
    """Take that back."""
    ip_batch(lab.hub, [f"link set {bridges.tap(name, 0)} type bridge_slave isolated off"
                       for name in MEMBERS])


def _power(scene):
    """Cut the power of the primary."""
    scene.victim.dark()
    scene.successor()
    return [scene.old]


def _cut(scene):
    """Cut them from each other; the one with the primary wins."""
    apart(scene.lab)
    other = scene.others[0]
    guest = scene.lab.nodes[other]
    before = guest.boot_id()
    guest.wait_up(LONG, before)
    together(scene.lab)
    scene.lab.wait_whole(LONG)
    assert scene.lab.primary() == scene.old, "another primary"
    return [other]


TABLE.row("two-power", "two nodes (`two_node: 1`): power cut of the primary",
          "fenced; the standby is promoted; commits wait until there is a standby again",
          prepare=two_nodes)(_power)
TABLE.row("two-cut", "two nodes (`two_node: 1`, `priority-fencing-delay`), cut from each other",
          "the standby is fenced; the primary goes on; commits wait for the standby",
          prepare=two_nodes)(_cut)
TABLE.row("qdevice-power", "two nodes and a quorum device: power cut of the primary",
          "fenced; the standby is promoted; commits wait until there is a standby again",
          prepare=quorum_device)(_power)


@TABLE.row("qdevice-cut", "two nodes and a quorum device (`ffsplit`), cut from each other; the "
           "device sees both", "one is fenced, the other is the primary",
           prepare=quorum_device)
def qdevice_cut(scene):
    """The device decides for one of them: the lower number, where nothing else counts."""
    boots = {name: scene.lab.nodes[name].boot_id() for name in MEMBERS}
    apart(scene.lab)
    loser = MEMBERS[1]
    scene.lab.nodes[loser].wait_up(LONG, boots[loser])
    together(scene.lab)
    scene.lab.wait_whole(LONG)
    return [loser]


@TABLE.row("qdevice-lost", "two nodes and a quorum device: power cut of the device's host, for a "
           "minute and longer", "nothing happens to the primary; `paf status` says that no "
           "failover is possible meanwhile, and names the device", prepare=quorum_device)
def qdevice_lost(scene):
    """Cut its power; the nodes have two of three votes."""
    host = scene.lab.nodes[HOST]
    host.dark()
    wait_until(lambda: "quorum device" in said(scene.lab), LONG, "paf status to name it", 1)
    time.sleep(MINUTE)
    scene.client.wait_rows(50, LONG)
    assert "quorum device" in said(scene.lab), "paf status does not name it any more"
    host.reset()
    host.wait_up(LONG)
    scene.lab.wait_whole(LONG)
    assert scene.lab.primary() == scene.old, "another primary"
    return []


def said(lab):
    """Return why a failover is not possible, in the words of paf status."""
    return " ".join(item["why"] for item in lab.status()[1]["todo"] if item["code"] == "votes")
