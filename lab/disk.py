"""A node's disk: what is written to it while the node is off."""

import json
import os
import shutil
from pathlib import Path

from . import agents, cib, configuration, slow
from .tools import LabError, run, write_file

FENCE_AGENT = Path(__file__).with_name("fence_paf_lab")
# What a node has of its own, in plain folders that can be read from outside
BINDS = (
    "/etc/corosync",
    "/var/lib/corosync",
    "/var/lib/pacemaker",
    "/var/log",
    "/var/lib/postgresql",
)
STAND_INS = "/opt/paf-lab/bin"
PATH = f"{STAND_INS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def account(system, name):
    """Return (uid, gid) of an account of the system that a node runs: each has its own numbers."""
    for line in Path(system, "etc/passwd").read_text(encoding="utf-8").splitlines():
        fields = line.split(":")
        if fields[0] == name:
            return int(fields[2]), int(fields[3])
    raise LabError(
        f"{system} has no account {name!r}: are pacemaker and postgresql installed there?"
    )


def _hand_over(folder, users, groups):
    """Give all that is owned by one of `users` or `groups` (old number to new) to the new one."""
    for path in folder.rglob("*"):
        status = path.lstat()
        os.chown(path, users.get(status.st_uid, status.st_uid),
                 groups.get(status.st_gid, status.st_gid), follow_symlinks=False)


class Disk:
    """The disk of one node that is off."""

    def __init__(self, settings, node):
        self.settings = settings
        self.node = node
        self.folder = settings.node_folder(node)
        self.upper = self.folder / "disk"
        self.system = settings.system(node)

    def path(self, path):
        """Return where a path of the node is found from outside."""
        for bind in BINDS:
            if path == bind or path.startswith(bind + "/"):
                return (
                    self.folder
                    / "var"
                    / bind.strip("/").replace("/", "-")
                    / path[len(bind):].lstrip("/")
                )
        return self.upper / path.lstrip("/")

    def create(self, template, primary):
        """Create the disk: configuration of the cluster, data directory, agent, fence agent."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("disk", "work", "root"):
            (self.folder / name).mkdir(parents=True)
        for bind in BINDS:
            self.path(bind).mkdir(parents=True)
        self._names()
        self._cluster()
        self._postgres(template / ("primary" if primary else "standby"))
        if self.settings.slow > 1:
            slow.install(self, self.settings.slow)
        self._describe()

    def change_system(self, system):
        """Give the node, which is off, another system; it keeps the folders in BINDS, no agent."""
        owners = {name: account(self.system, name) + account(system, name)
                  for name in ("hacluster", "postgres")}
        _hand_over(self.folder / "var", {old: new for old, _, new, _ in owners.values()},
                   {old: new for _, old, _, new in owners.values()})
        self.settings.roots[self.node] = self.system = system
        self.settings.save()
        for name in ("disk", "work"):
            shutil.rmtree(self.folder / name)
            (self.folder / name).mkdir()
        (self.folder / "agent.json").unlink(missing_ok=True)
        self._names()
        self._describe()

    def _names(self):
        write_file(self.path("/etc/hosts"), configuration.hosts(self.settings))
        write_file(self.path("/etc/hostname"), self.node + "\n")
        self.path(STAND_INS).mkdir(parents=True)
        # what an administrator does: only Pacemaker starts servers
        for start in Path(self.system).glob("etc/postgresql/*/*/start.conf"):
            write_file(self.path(f"/{start.relative_to(self.system)}"), "manual\n")
        write_file(
            self.path("/usr/sbin/fence_paf_lab"), FENCE_AGENT.read_text(encoding="utf-8"), 0o755
        )

    def _cluster(self):
        hacluster, haclient = account(self.system, "hacluster")
        write_file(self.path("/etc/corosync/corosync.conf"), configuration.corosync(self.settings))
        for folder in (
            "/var/lib/pacemaker",
            "/var/lib/pacemaker/cib",
            "/var/lib/pacemaker/pengine",
            "/var/lib/pacemaker/blackbox",
            "/var/lib/pacemaker/cores",
            "/var/log/pacemaker",
        ):
            self._folder(folder, 0o750, hacluster, haclient)
        for folder in ("/var/log/corosync", "/var/log/crmsh", "/var/log/pcsd", "/var/log/cluster"):
            self._folder(folder, 0o755, 0, 0)
        write_file(
            self.path("/var/lib/pacemaker/cib/cib.xml"),
            cib.build(self.settings),
            0o600,
            (hacluster, haclient),
        )

    def _folder(self, path, mode, uid, gid):
        folder = self.path(path)
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, uid, gid)
        os.chmod(folder, mode)

    def _postgres(self, source):
        owner = account(self.system, "postgres")
        for folder in (
            "/var/lib/postgresql",
            "/var/log/postgresql",
            os.path.dirname(self.settings.pgdata),
        ):
            self._folder(folder, 0o755, *owner)
        for name, text in (
            ("node.conf", configuration.postgres(self.settings, self.node)),
            ("pg_hba.conf", configuration.pg_hba(self.settings, self.node)),
        ):
            write_file(self.path(f"/var/lib/postgresql/{name}"), text, 0o644, owner)
        data = self.path(self.settings.pgdata)
        run(["cp", "-a", "--reflink=auto", source, data], timeout=300)
        run(["chown", "-R", "{}:{}".format(*owner), data], timeout=300)

    def _describe(self):
        uid, gid = account(self.system, "postgres")
        binds = [[str(self.path(bind)), bind] for bind in BINDS] + [
            [str(self.settings.shared), "/run/paf-lab"]
        ] + [[source, place] for place, source in self.settings.binds.items()]
        description = {
            "hostname": self.node,
            "system": self.system,
            "disk": str(self.upper),
            "work": str(self.folder / "work"),
            "root": str(self.folder / "root"),
            "binds": binds,
            "postgres_uid": uid,
            "postgres_gid": gid,
            "members": 1,
            "services": self.settings.services,
            "environment": {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": "/root"},
        }
        write_file(self.folder / "node.json", json.dumps(description, indent=1) + "\n")

    def install_agent(self, tree):
        """Lay a staged agent over the disk, in place of the one that was there."""
        for name in self.agent_files():
            (self.upper / name).unlink(missing_ok=True)
        run(["cp", "-a", f"{tree}/.", self.upper])
        self.record_agent(tree)

    def record_agent(self, tree):
        """Remember what agent is on the disk."""
        write_file(
            self.folder / "agent.json", json.dumps({"tree": str(tree), "files": agents.files(tree)})
        )

    def agent_files(self):
        """Return the files of the agent that is on the disk."""
        record = self.folder / "agent.json"
        return json.loads(record.read_text(encoding="utf-8"))["files"] if record.exists() else []
