"""What must hold after any fault, as Pacemaker's own lab has its audits."""

import contextlib
import os
import re
from pathlib import Path
from xml.etree import ElementTree

from lab import network
from lab.cib import RESOURCE
from lab.node import WATCHER
from lab.tools import LabError, wait_until

PRIVATE = ("lsn_location", "recover_master", "recover_primary", "nodes", "cancel_switchover")
_PROGRAMS = re.compile(
    r"pgsqlms|psql|pg_ctl|pg_rewind|pg_waldump|pg_controldata|pg_basebackup|pg_isready")
_OURS = re.compile(r"pgsqlms")


def two_primaries(play):
    """Two nodes that took writes at the same instant."""
    return [f"{one.node} and {other.node} both took writes" for one, other in play.two_primaries]


def rows(play):
    """Rows that were acknowledged and are gone; a synchronous standby allows for none."""
    if play.client.lost is None:
        return ["no primary is left to look for the rows"]
    return [f"{len(play.client.lost)} rows lost"] if play.client.lost else []


def history(play):
    """What the history client's lists should have shown and did not; see lab.checker."""
    if play.history is None:
        return ["no primary is left to read the lists"]
    return list(play.history.problems)


def copies(lab, run):
    """Standbys whose lists differ from the primary's, once they have replayed what that has."""
    primary = lab.primary()
    end = lab.nodes[primary].value("select pg_current_wal_lsn()")
    replayed = f"select pg_last_wal_replay_lsn() >= '{end}'"
    digest = ("select md5(string_agg(t::text, ' ' order by list)) from paf_lab_lists t "
              f"where run = '{run}'")
    expected, found = lab.nodes[primary].value(digest, timeout=60), []
    for name in lab.standbys():
        node = lab.nodes[name]
        try:
            wait_until(lambda node=node: node.value(replayed) == "t", 60,
                       f"{name} to replay what {primary} has", step=0.2)
            if node.value(digest, timeout=60) != expected:
                found.append(f"{name} has other lists than {primary}")
        except LabError as error:
            found.append(str(error))
    return found


def fencings(play, expected):
    """Fencings other than those that the fault calls for."""
    seen = sorted(fencing["node"] for fencing in play.fencings)
    if seen == sorted(expected or ()):
        return []
    return [f"fenced: {', '.join(seen) or 'none'}; "
            f"expected: {', '.join(sorted(expected or ())) or 'none'}"]


def processes(lab):
    """Processes of the agent that outlive their action, zombies, backends without postmaster.

    Each running instance has one watcher, and no stopped one has any.
    """
    return _lasting(lambda: [stray for node in lab.nodes.values()
                             for stray in _strays(node, watches(node))], 90)


def _lasting(look, seconds, step=0.3):
    """Return what each of several looks has found, for so many seconds; at best none.

    The next monitor may begin before the last one has ended: one look alone would find one each
    time.
    """
    found = look()

    def none_left():
        again = look()
        found[:] = [item for item in found if item in again]
        return not found
    if found:
        with contextlib.suppress(LabError):
            wait_until(none_left, seconds, "what is left of an action to go", step=step)
    return found


def watches(node):
    """Return whether a node's agent, which may have been replaced, is to have a watcher."""
    settings = node.settings
    ours = any(name.endswith("paf/crash/watcher.py") for name in node.disk.agent_files())
    return (ours and settings.variant == "corosync2" and bool(node.pids("postmaster"))
            and settings.parameters.get("crash_watch", "true") == "true")


def _strays(node, watched):
    pids = network.pids(node.settings.netns(node.name))
    postmasters = node.pids("postmaster")
    watchers = len(node.pids("watcher"))
    if watchers != int(watched):
        yield f"{watchers} watchers on {node.name}, expected {int(watched)}"
    for pid in pids:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(
                errors="replace")
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        except OSError:
            continue
        if state[0] == "Z":
            yield f"a zombie on {node.name}: {pid}"
        elif program == "postgres" and not postmasters:
            yield f"a backend without postmaster on {node.name}: {pid} {command}"
        elif (_PROGRAMS.search(command) and program != "postgres"
              and not WATCHER.search(command)):
            yield f"a process on {node.name}: {pid} {command}"


def files(lab):
    """Temporary files of the agent; what a monitor has remarked goes with a later monitor."""
    return _lasting(lambda: _files(lab), 90)


#: The last good parameters; a primary's note that it has published its timelines, which the next
#: start of the instance removes; in which attribute manager this node's attributes are; how far a
#: primary's synchronous standbys had flushed; the timeline from which a promotion failed; up to
#: where a primary had flushed when a monitor saw processes wait for more: the next one removes it,
#: after an hour where monitors run that seldom.
_KEPT = (".parameters", ".entered", ".line", ".manager", ".acknowledged", ".followed",
         ".unflushed")
#: What is there while the instance runs: its watcher's, and since when something worries a monitor.
_RUNNING = (".watcher", ".worries")


def _files(lab):
    found = []
    for node in lab.nodes.values():
        if node.is_on:
            names = node.run(["find", "/tmp", "/run/resource-agents", node.settings.pgdata,
                              "-maxdepth", "1", "-name", "*pgsqlms*"], check=False).output
            found += [f"a file on {node.name}: {name}" for name in names.splitlines()
                      if not name.endswith(_KEPT)
                      and not (name.endswith(_RUNNING) and watches(node))]
    return found


def attributes(lab):
    """Attributes of an election that is over, and reasons that hold no longer."""
    return _lasting(lambda: [*_private(lab), *_reasons(lab)], 90, step=0.5)


def _private(lab):
    for name in PRIVATE:
        output = lab.any_node().run(
            ["attrd_updater", "--name", f"{name}-{RESOURCE}", "--query", "--all"],
            check=False).output
        for node, value in re.findall(r'host="([^"]*)"\s+value="([^"]*)"', output):
            if value:
                yield f"the attribute {name} of {node} is {value}"


def _reasons(lab):
    for node, values in lab.status().attributes.items():
        for name, value in values.items():
            if name == f"not_promoted_because-{RESOURCE}":
                yield f"the reason of a refusal is left on {node}: {value}"


#: Permanent attributes of nodes that the agent keeps up to date itself.
_OF_THE_AGENT = [f"{name}-{RESOURCE}" for name in ("master", "synchronous", "last_words",
                                                   "acknowledged", "primary_rule")]


def configuration(lab):
    """Return the CIB's configuration in a form to compare: what may differ is left out."""
    text = lab.any_node().run(["cibadmin", "--query", "--scope", "configuration"]).output
    root = ElementTree.fromstring(text)
    for node in root.findall("nodes/node"):
        for group in list(node):
            for pair in list(group):
                if pair.get("name") in _OF_THE_AGENT:
                    group.remove(pair)
            if not list(group):
                node.remove(group)
    for group in root.findall("crm_config/cluster_property_set"):
        for pair in list(group):
            if pair.get("name") in ("dc-version", "have-watchdog", "last-lrm-refresh"):
                group.remove(pair)
    return sorted(_lines(root))


def _lines(element, path=""):
    if element.tag.endswith("_attributes") and not list(element):
        return    # what crm_resource leaves when it takes the last value away
    here = f"{path}/{element.tag}[{element.get('id', '')}]"
    yield f"{here} {sorted(element.items())}"
    for child in element:
        yield from _lines(child, here)


def leftovers(lab, before):
    """What is in the CIB's configuration and did not before, and the reverse."""
    after = configuration(lab)
    return ([f"left in the CIB: {line}" for line in after if line not in before]
            + [f"gone from the CIB: {line}" for line in before if line not in after])
