"""The agent's packages in the nodes: apt puts them in and takes them out."""

from concurrent.futures import ThreadPoolExecutor

from lab import agents
from lab.tools import run

AGENT = "/usr/lib/ocf/resource.d/heartbeat/pgsqlms"
PACKAGE = "resource-agents-paf"
LEFTOVERS = (AGENT, "/usr/share/resource-agents-paf", "/usr/sbin/paf")


def install(lab, agent, *names):
    """Install an agent's package ('ours' or 'perl') in nodes (all without a name).

    There is no archive to be reached: all that the package depends on is there, or apt refuses.
    """
    def put(name):
        node = lab.nodes[name]
        deb = agents.package(agent, lab.settings.variant, lab.settings.system(name))
        run(["cp", deb, lab.settings.shared / f"{name}.deb"])
        apt(node, "install", "--allow-downgrades", f"/run/paf-lab/{name}.deb")
    _everywhere(lab, put, names)


def remove(lab, *names):
    """Remove the package from nodes."""
    _everywhere(lab, lambda name: apt(lab.nodes[name], "remove", PACKAGE), names)


def apt(node, *words):
    """Run apt-get in a node; return its Result."""
    return node.run(["apt-get", "--yes", "--quiet", *words],
                    env={"DEBIAN_FRONTEND": "noninteractive"}, timeout=180)


def left(node):
    """Return what of the package is found in a node."""
    return [path for path in LEFTOVERS if node.run(["test", "-e", path], check=False).ok]


def is_ours(node):
    """Return whether the node's agent is in Python."""
    return "python" in node.run(["head", "-n", "1", AGENT]).output


def _everywhere(lab, put, names):
    with ThreadPoolExecutor() as pool:
        list(pool.map(put, names or tuple(lab.nodes)))
