"""The settings of one lab, the folders and addresses that follow from them."""

import dataclasses
import hashlib
import json
import os
import re
from pathlib import Path

from .tools import LabError, write_file

NETWORK = "10.77.0"
VIP = f"{NETWORK}.100"
HUB_ADDRESS = f"{NETWORK}.254"
PGDATA = "/var/lib/postgresql/{version}/main"
CHECKOUT = Path(__file__).resolve().parents[1]
LONGEST_NAME = 20
#: A socket's path has 107 bytes: /NAME/shared/power.sock and .new are 45 of them.
LONGEST_FOLDER = 60


def labs_folder():
    """Return the folder that holds all labs and their cache."""
    return Path(os.environ.get("PAF_LAB_DIR") or "/var/tmp/paf-lab").absolute()


def check_folder():
    """Raise LabError if labs can't live in their folder."""
    folder = labs_folder()
    if len(str(folder)) > LONGEST_FOLDER:
        raise LabError(f"{folder} is too long for a folder of labs, which hold sockets: set "
                       f"PAF_LAB_DIR to a path of at most {LONGEST_FOLDER} characters")
    for place in (folder, *folder.parents):
        if place.exists() and not place.stat().st_mode & 0o001:
            raise LabError(f"{place} is closed to other users, and the servers of labs run as "
                           "postgres: set PAF_LAB_DIR to a folder that all may enter")


def tag():
    """Return what sets the network namespaces of this folder of labs apart from those of others."""
    return hashlib.sha256(os.path.realpath(labs_folder()).encode()).hexdigest()[:6]


def cache_folder():
    """Return the folder of what is made once for all labs: data directories, agents, roots."""
    return labs_folder() / ".cache"


@dataclasses.dataclass
class Settings:
    """All that `up` needs to know, kept as lab.json so that other commands find it.

    `postgres`, `parameters`, `operations`, `properties` and `meta` are added to (and win over) the
    lab's defaults: server settings, parameters of pgsqld, its operations ('monitor:Promoted' ->
    {'interval': '15s'}), cluster properties, and meta attributes of the clone. `roots` names the
    nodes that run another system than this machine's (node -> its root), `binds` folders that all
    nodes see at another place (place -> folder of this machine). `kind` is the agent's file name:
    an agent that is not PAF has `parameters` of its own, and gets no others. `slow`: how many times
    as long the programs of Pacemaker and PostgreSQL take, see slow.py. `fence_delay`: seconds from
    the request of a fencing to the cut of the power, as a management board needs some; of two nodes
    the first one is fenced a second later than the other. `services`: shell commands that start,
    when a node boots, what it runs in place of corosync and Pacemaker; the lab is then the network,
    the power and the servers' data.
    """

    name: str = "lab"
    count: int = 3
    agent: str = "ours"
    kind: str = "pgsqlms"
    variant: str = "corosync2"
    agents: dict = dataclasses.field(default_factory=dict)
    roots: dict = dataclasses.field(default_factory=dict)
    binds: dict = dataclasses.field(default_factory=dict)
    pg_version: str = "15"
    postgres: dict = dataclasses.field(default_factory=dict)
    # An old primary may be about to connect, to itself, when the VIP leaves its node: without
    # keepalives its WAL receiver then waits for an answer forever
    conninfo: str = "connect_timeout=2 keepalives_idle=2 keepalives_interval=1 keepalives_count=3"
    parameters: dict = dataclasses.field(default_factory=dict)
    operations: dict = dataclasses.field(default_factory=dict)
    properties: dict = dataclasses.field(default_factory=dict)
    meta: dict = dataclasses.field(default_factory=dict)
    resource: bool = True
    services: str = ""
    fencing: bool = True
    fence_delay: int = 0
    token: int = 1000
    wait_for_all: bool = False
    slow: float = 1

    def __post_init__(self):
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", self.name) or (
                len(self.name) > LONGEST_NAME):
            raise LabError(f"{self.name!r} can't be a lab's name: 1 to 20 of a-z, 0-9, - and _")
        if not 2 <= self.count <= 9:
            raise LabError(f"{self.count} nodes: a lab has 2 to 9")

    @property
    def folder(self):
        """The lab's folder."""
        return labs_folder() / self.name

    @property
    def disks(self):
        """The folder of the nodes' folders."""
        return self.folder / "nodes"

    @property
    def shared(self):
        """The folder that the nodes see as /run/paf-lab."""
        return self.folder / "shared"

    @property
    def socket(self):
        """The power daemon's socket."""
        return self.shared / "power.sock"

    @property
    def names(self):
        """The nodes' names, in order."""
        return [f"srv{number}" for number in range(1, self.count + 1)]

    @property
    def bindir(self):
        """The folder of the server's programs."""
        return f"/usr/lib/postgresql/{self.pg_version}/bin"

    @property
    def pgdata(self):
        """The data directory, the same in all nodes."""
        return PGDATA.format(version=self.pg_version)

    def system(self, node):
        """Return the root of the system that a node runs."""
        return self.roots.get(node, "/")

    def number(self, node):
        """Return the number of a node, from 1."""
        if node not in self.names:
            raise LabError(f"no node {node!r} in lab {self.name!r}: {', '.join(self.names)}")
        return self.names.index(node) + 1

    def address(self, node):
        """Return the address of a node."""
        return f"{NETWORK}.{self.number(node)}"

    def mac(self, node):
        """Return the hardware address of a node."""
        return f"02:00:00:00:00:{self.number(node):02x}"

    def node_folder(self, node):
        """Return the folder of a node: its disk, its configuration, its logs."""
        return self.disks / node

    def netns(self, node="hub"):
        """Return the network namespace's name of a node, or of the hub."""
        return f"paf.{tag()}.{self.name}.{node}"

    def save(self):
        """Write lab.json."""
        write_file(self.folder / "lab.json", json.dumps(dataclasses.asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, name):
        """Read the settings of a lab that is up."""
        path = labs_folder() / name / "lab.json"
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError as missing:
            raise LabError(
                f"no lab {name!r} here ({path} is missing): start one with `up`"
            ) from missing
