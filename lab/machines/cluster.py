"""A lab of machines: three nodes and their network, as Debian's packages leave them."""

import json
import shutil
from pathlib import Path

from lab import agents, network
from lab.settings import check_folder, labs_folder
from lab.tools import LabError, write_file

from . import bridges, image, layout
from .container import Container
from .guest import Guest
from .guest_questions import GuestQuestions

PACKAGE = "/root/resource-agents-paf_3.0.0-1_all.deb"


class Machines(GuestQuestions):
    """`with Machines("smoke") as lab:` starts the nodes and takes them down.

    kind: layout.GUESTS or layout.CONTAINERS. watchdog: guests have one.
    """

    def __init__(self, name="machines", watchdog=True, kind=layout.GUESTS):
        self.name, self.watchdog, self.kind = name, watchdog, kind
        self.folder = labs_folder() / f"m-{name}"
        self.hub = bridges.namespace(name)
        files, node_type = image.prepare(kind), NODES[kind]
        self.nodes = {node: node_type(node, self.hub, self.folder / node, files, watchdog)
                      for node in layout.NAMES}

    @classmethod
    def attach(cls, name):
        """Return the lab of that name that is up. Raises LabError if there is none."""
        path = labs_folder() / f"m-{name}" / "machines.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as missing:
            raise LabError(f"no lab of machines {name!r}: begin with up") from missing
        return cls(name, **found)

    def __enter__(self):
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_):
        self.down()

    def up(self):
        """Start the nodes, and put the agent's package of this checkout into them."""
        check_folder()
        self.down()
        package = Path(agents.package("ours")).read_bytes()
        bridges.create(self.hub, self.kind)
        for guest in self.nodes.values():
            guest.create()
            guest.on()
        write_file(self.folder / "machines.json", json.dumps(
            {"watchdog": self.watchdog, "kind": self.kind}))
        for guest in self.nodes.values():
            guest.wait_up()
            guest.put(PACKAGE, package)

    def down(self):
        """End the nodes and the network, and remove the disks."""
        if network.exists(self.hub):
            for node in self.nodes.values():
                node.off()
            network.kill_all([self.hub])
            network.delete(self.hub)
        shutil.rmtree(self.folder, ignore_errors=True)

    def gather(self, folder):
        """Copy the consoles and the logs of the nodes that answer into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, guest in self.nodes.items():
            shutil.copy(guest.folder / "console.log", folder / f"{name}.console.log")
            for what, argv in QUESTIONS.items():
                try:
                    text = guest.run(argv, check=False, timeout=120).output
                except LabError as error:
                    text = f"{error}\n"
                (folder / f"{name}.{what}").write_text(text, encoding="utf-8")
        return folder


NODES = {layout.GUESTS: Guest, layout.CONTAINERS: Container}
QUESTIONS = {
    "journal.log": ["journalctl", "-b", "all", "--no-pager", "-o", "short-precise"],
    "postgresql.log": ["sh", "-c", "cat /var/log/postgresql/*.log"],
    "crm_mon.txt": ["crm_mon", "-1", "-r", "-A", "-f"],
    "cib.xml": ["cibadmin", "--query", "--local"],
    "fencings.txt": ["stonith_admin", "--history", "*", "--verbose"],
}
