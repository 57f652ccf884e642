"""What is laid over the image's root: names, addresses and the fence agent; the same on each guest.

A node knows who it is from the kernel's command line, or in a container that of process 1
(systemd.hostname=), and from the addresses of its network cards.
"""

from pathlib import Path

#: The kinds of nodes: QEMU's guests, and containers under this machine's kernel.
GUESTS, CONTAINERS = "guests", "containers"
NAMES = ("srv1", "srv2", "srv3")
#: The addresses of the quick start. Fencing has a network of its own, as it should.
NETWORK = "192.168.1"
MANAGEMENT = "192.168.2"
VIP = f"{NETWORK}.50"
HUB = 254
FENCE_AGENT = "fence_paf_qmp"
#: What a guest's data disk is known by (/dev/disk/by-id/virtio-...), the unit that mounts it, and
#: its program, which is DATA_SCRIPT here.
DATA, DATA_UNIT, DATA_SCRIPT = "data", "data-disk.service", "data-disk.sh"
_DATA_PROGRAM = "usr/local/sbin/data-disk"
#: The port on the hub's management address on which a guest's QMP listens: this and its number.
FIRST_PORT = 7000

_NETWORK = """[Match]
MACAddress={mac}

[Network]
Address={address}/24
LinkLocalAddressing=no
IPv6AcceptRA=no
"""


def number(name):
    """Return the number of a node, from 1."""
    return NAMES.index(name) + 1


def address(name, network=NETWORK):
    """Return a node's address in a network."""
    return f"{network}.{number(name)}"


def mac(name, card):
    """Return the hardware address of a node's network card 0 (cluster) or 1 (management)."""
    return f"52:54:00:77:0{card}:0{number(name)}"


def files(kind=GUESTS):
    """Return {path without the leading slash: (text, mode)} of a kind of nodes."""
    found = {f"etc/systemd/network/10-{name}-{card}.network": (
        _NETWORK.format(mac=mac(name, card), address=address(name, network)), 0o644)
        for name in NAMES for card, network in enumerate((NETWORK, MANAGEMENT))}
    found[f"usr/sbin/{FENCE_AGENT}"] = (_text(FENCE_AGENT), 0o755)
    # what a node has logged before it is lost is read after its next boot
    found["etc/systemd/journald.conf.d/console.conf"] = (
        "[Journal]\nStorage=persistent\nSyncIntervalSec=5s\n", 0o644)
    # when each monitor ended is in Pacemaker's log
    found["etc/systemd/system/pacemaker.service.d/trial.conf"] = (
        "[Service]\nEnvironment=PCMK_debug=pacemaker-execd\n", 0o644)
    if kind == GUESTS:
        found[_DATA_PROGRAM] = (_text(DATA_SCRIPT), 0o755)
        found.update(_OF_GUESTS)
    return found


def _text(name):
    """Return the text of a file beside this one."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


_DATA_UNIT = rf"""[Unit]
Description=PostgreSQL's folder on the data disk
Requires=dev-disk-by\x2did-virtio\x2d{DATA}.device
After=dev-disk-by\x2did-virtio\x2d{DATA}.device
Before=postgresql.service postgresql@15-main.service corosync.service pacemaker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/{_DATA_PROGRAM}

[Install]
WantedBy=multi-user.target
# without it none of these starts: what is below is a server that was never used
RequiredBy=postgresql.service corosync.service pacemaker.service
"""

_OF_GUESTS = {
    "etc/fstab": ("/dev/vda / ext4 errors=remount-ro 0 1\n", 0o644),
    # without KVM and beside other work, the start of pcsd has taken more than 15 minutes
    "etc/systemd/system.conf.d/slow.conf": (
        "[Manager]\nDefaultTimeoutStartSec=3600\nDefaultDeviceTimeoutSec=900\n", 0o644),
    f"etc/systemd/system/{DATA_UNIT}": (_DATA_UNIT, 0o644),
    "etc/modules-load.d/paf-lab.conf": ("i6300esb\n", 0o644)}
