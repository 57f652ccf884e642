"""The cells of the matrix: what runs together in each, and what is not available."""

from dataclasses import dataclass

from lab import scenarios
from lab import servers, systems

NODES = ("srv1", "srv2", "srv3")

#: Quick monitors: what is asked is what happens after detection.
OPERATIONS = {"monitor:Promoted": {"interval": "5s", "timeout": "10s"},
              "monitor:Unpromoted": {"interval": "6s", "timeout": "10s"}}


@dataclass(frozen=True)
class Cell:
    """One combination, played on a cluster of three nodes.

    release: a key of systems.RELEASES, or None for this machine's system. postgres: the major
    version. pypi: whether its programs come from PyPI. course: what is played, a key of
    play.COURSES. agents: what nodes run, where not all of them run this checkout's package.
    """

    name: str
    what: str
    postgres: str
    release: str | None = None
    pypi: bool = False
    course: str = "whole"
    agents: tuple = ()

    def programs(self):
        """Return the folder of the server's programs for a cell without a cluster."""
        return servers.from_npm(self.postgres)

    @property
    def lab(self):
        """The name of its lab."""
        return f"matrix-{self.name}"[:20]

    def settings(self):
        """Return the arguments of its Lab; makes the root and fetches the server if need be."""
        root = systems.prepare(self.release) if self.release else systems.HOST
        binds = {}
        if self.pypi:
            binds[servers.place(self.postgres)] = servers.from_pypi(self.postgres)
        return {"pg_version": self.postgres, "binds": binds, "postgres": scenarios.SYNCHRONOUS,
                "roots": {name: root for name in NODES if root != systems.HOST},
                "agents": dict(self.agents), "operations": OPERATIONS}


CELLS = (
    Cell("debian11", "Debian 11", "13", release="debian11"),
    Cell("debian12", "Debian 12", "15"),
    Cell("debian13", "Debian 13", "17", release="debian13"),
    Cell("forky", "Debian forky", "18", release="forky"),
    Cell("sid", "Debian sid, PostgreSQL of experimental", "19", release="sid"),
    *(Cell(f"pg{version}", f"PostgreSQL {version} on Debian 12", version, pypi=True)
      for version in ("14", "16", "17", "18")),
    *(Cell(f"perl-{role}", f"{node} runs PAF 2.3.0: the {role}", "15", course=role,
           agents=((node, "perl"),))
      for role, node in (("primary", "srv1"), ("candidate", "srv2"), ("third", "srv3"))),
    *(Cell(f"pg{version}", f"PostgreSQL {version}, servers without a cluster", version,
           course="alone") for version in ("10", "11", "12")),
    Cell("rolling", "Debian 12 to 13, node by node", "15", pypi=True, course="rolling"),
)

#: What no cell plays on a live cluster: (what, how it is covered and why it is not available).
ABSENT = (
    ("PostgreSQL 9.3 to 9.6", "recorded. Debian, PyPI and npm have no server of these "
     "versions. What their pg_controldata and pg_xlogdump print was recorded of 9.3.25 to "
     "9.6.22, and is what the unit tests read; process titles and the names of functions are "
     "those of their source and manuals"),
    ("PostgreSQL 10 to 12 in a cluster", "not tried; without a cluster live. npm has these "
     "servers without `pg_controldata`, `pg_waldump`, `pg_rewind`. Live are the cells above: "
     "standbys by recovery.conf and standby.signal, the queries, the recovery of a crashed "
     "primary, timelines"),
    ("PostgreSQL 19.0", "not tried. Debian's experimental suite has 19rc1: the cell sid runs that, "
     "live"),
    ("Pacemaker 1.1.10, 1.1.12 (corosync 1.4.10), 1.1.13, 1.1.16, 1.1.24",
     "recorded. No distribution that is available has them. Their programs' answers, their logs "
     "and what they call the agent with were recorded in clusters of this agent with "
     "PostgreSQL 15, and are in `tests/data/pacemaker/`: the tests of `paf status`, "
     "`timeline`, `history`, `switchover` and of the transitions' names read them. The build "
     "for Pacemaker up to 1.1.12 (`corosync1`) is played on a live cluster whose programs are "
     "cut down to what that one had: `tests/cluster/test_corosync1.py`, under Python 2.7"),
    ("Pacemaker 1.1.10", "works, but loses the recurring monitors of an instance that was "
     "notified: a failure of it is then not noticed until the cluster does something else. "
     "1.1.11 corrected it: use that or a later one"),
    ("corosync 2", "not tried; corosync 3 is live, and was recorded under Pacemaker 1.1.13 to "
     "1.1.24"),
    ("Python 2.6 to 3.8 in a cluster", "not tried. Releases with these as the system's Python "
     "are not available. The component tests run the agent under 2.7 and each 3.x that is "
     "available, `tox`; 2.6 is held to by `make lint`"),
    ("Red Hat's family", "not tried. Its packages are not available. The rpm is built for each "
     "release and installed in scratch roots: `tests/packaging/`"),
)
