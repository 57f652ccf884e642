"""What a monitor and an idle notification cost: CPU, time, programs, connections; and an hour."""

import contextlib
import json
import re
import statistics
import time

from lab.cib import RESOURCE, parameters
from lab.tools import LabError

AGENTS = "/usr/lib/ocf/resource.d/heartbeat"
_TRACE = "/tmp/bench.strace"
#: Runs an action and prints its exit status, CPU and wall time (seconds), as JSON lines.
_TIMER = """
import json, os, resource, sys, time
for _ in range(int(sys.argv[1])):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        os.execv(sys.argv[2], sys.argv[2:])
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps([status, cpu, wall]))
"""
#: Prints the seconds of what pacemaker-execd has waited for, and of the agent's watcher. Source:
#: proc(5), stat: utime, stime, cutime, cstime.
_CPU = """
import os, pathlib
total = 0
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        words = (folder / "stat").read_text().rpartition(")")[2].split()
        name = (folder / "comm").read_text().strip()
        line = (folder / "cmdline").read_text().replace(chr(0), " ")
    except OSError:
        continue
    if name == "pacemaker-execd":
        total += int(words[13]) + int(words[14])
    elif line.endswith("/pgsqlms watch "):
        total += sum(map(int, words[11:15]))
print(total / os.sysconf("SC_CLK_TCK"))
"""


def environment(lab, name, **meta):
    """Return the environment that Pacemaker gives an action of the resource on a node."""
    given = {"crm_feature_set": "3.16.1", **parameters(lab.settings),
             "CRM_meta_timeout": "10000", "CRM_meta_interval": "15000", "CRM_meta_notify": "true",
             "CRM_meta_on_node": name, "CRM_meta_master_max": "1", "CRM_meta_promoted_max": "1",
             "CRM_meta_clone_max": str(len(lab.nodes)), "CRM_meta_clone": "0",
             **{f"CRM_meta_{key}": value for key, value in meta.items()}}
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "OCF_ROOT": "/usr/lib/ocf",
            "OCF_RESOURCE_INSTANCE": RESOURCE, "OCF_RESOURCE_TYPE": lab.settings.kind,
            "OCF_RESOURCE_PROVIDER": "heartbeat", "OCF_RA_VERSION_MAJOR": "1",
            "OCF_RA_VERSION_MINOR": "1", "HA_RSCTMP": "/run/resource-agents",
            **{f"OCF_RESKEY_{key}": value for key, value in given.items()}}


def of_action(lab, name, action, expected, runs, **meta):
    """Return what an action costs on a node: medians of CPU and wall time in ms, programs.

    The agent itself counts as a program.
    """
    node, variables = lab.nodes[name], environment(lab, name, **meta)
    agent = f"{AGENTS}/{lab.settings.kind}"
    lines = node.run(["python3", "-c", _TIMER, str(runs), agent, action],
                     env=variables, timeout=120).output.splitlines()
    results = [json.loads(line) for line in lines]
    if {status for status, _, _ in results} != {expected}:
        raise LabError(f"{action} on {name} did not always return {expected}: {results}")
    node.run(["strace", "-f", "-qq", "-e", "trace=execve", "-o", _TRACE, agent, action],
             env=variables, check=False)
    trace = node.run(["cat", _TRACE]).output
    return {"cpu ms": 1000 * statistics.median(cpu for _, cpu, _ in results),
            "wall ms": 1000 * statistics.median(wall for _, _, wall in results),
            "programs": len(re.findall(r"execve\(.* = 0$", trace, re.M))}


def _sessions(node):
    return int(node.value("select sum(sessions) from pg_stat_database"))


def connections(lab, name):
    """Return how many connections to the server one monitor makes."""
    node = lab.nodes[name]
    before, own = _sessions(node), _sessions(node)
    node.run([f"{AGENTS}/{lab.settings.kind}", "monitor"], env=environment(lab, name), check=False)
    return _sessions(node) - own - (own - before)


def monitors(lab, runs):
    """Return what monitors cost on primary and standby, and a notification with no work."""
    primary = lab.primary()
    standby = lab.standbys()[0]
    found = {}
    for role, name, code in (("primary", primary, 8), ("standby", standby, 0)):
        found[f"monitor, {role}"] = of_action(
            lab, name, "monitor", code, runs, role="Promoted" if name == primary else "Unpromoted")
        found[f"monitor, {role}"]["connections"] = connections(lab, name)
    notified = notify(lab, primary, standby)
    found["notify, nothing to do"] = of_action(
        lab, standby, "notify", 0, runs, notify_type="post", notify_operation="stop", **notified)
    return found


def notify(lab, primary, stopped):
    """Return the lists that come with the notification of a stop on a standby."""
    others = [name for name in lab.nodes if name != primary]
    lists = {"active": lab.nodes, "promoted": [primary], "master": [primary],
             "unpromoted": others, "slave": others, "stop": [stopped], "start": [],
             "demote": [], "promote": [], "inactive": []}
    notified = {}
    for name, members in lists.items():
        nodes = list(members)
        notified[f"notify_{name}_resource"] = " ".join([RESOURCE] * len(nodes)) or " "
        notified[f"notify_{name}_uname"] = " ".join(nodes) or " "
    return notified


def at_rest(labs, seconds):
    """Return what each lab does while clients write and nothing happens, a list of dicts.

    "cib writes": changes of the CIB a minute; "cpu": seconds of CPU an hour, the median of its
    nodes, of all that Pacemaker's executor has started, and of the agent's watcher.
    """
    with contextlib.ExitStack() as stack:
        for lab in labs:
            stack.enter_context(lab.client("steady")).wait_rows(200)
        before = [(_version(lab), _cpu(lab)) for lab in labs]
        time.sleep(seconds)
        after = [(_version(lab), _cpu(lab)) for lab in labs]
    return [{"cib writes": changes(old[0], new[0]) * 60 / seconds,
             "cpu": statistics.median(new[1][name] - old[1][name] for name in lab.nodes)
             * 3600 / seconds} for lab, old, new in zip(labs, before, after)]


def changes(before, after):
    """Return how many changes of the CIB are between two versions (epoch, num_updates): int.

    A change of the configuration raises epoch, and sets num_updates to 0.
    """
    if before[0] == after[0]:
        return after[1] - before[1]
    return after[0] - before[0] + after[1]


def _version(lab):
    """Return epoch and num_updates of the CIB."""
    text = lab.any_node().run(["cibadmin", "--query", "--local"]).output[:1000]
    numbers = dict(re.findall(r'\b(epoch|num_updates)="(\d+)"', text))
    return int(numbers["epoch"]), int(numbers["num_updates"])


def _cpu(lab):
    """Return the seconds of CPU that the agent has taken since each node's boot, by node."""
    return {name: float(node.run(["python3", "-c", _CPU]).output)
            for name, node in lab.nodes.items()}
