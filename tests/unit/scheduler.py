"""Pacemaker's own scheduler on a recorded CIB: what it would do next, step by step.

`crm_simulate` reads a file and needs no cluster. A transition is played up to any of its actions,
by writing their results into the CIB, and computed again from there: as the next DC does it.
"""

import re
import subprocess
from dataclasses import dataclass
from xml.etree import ElementTree

_ACTION = re.compile(r"^  \* Resource action: (\S+?)(?::\d+)?\s+(\w+)(?:=\d+)? on (\w+)$|"
                     r"^  \* Fencing (\w+)", re.MULTILINE)
_SUMMARY = re.compile(r"^  \* (.*blocked.*)$", re.MULTILINE)
_RESULTS = {"promote": 0, "demote": 0, "start": 0, "stop": 0}


@dataclass(frozen=True)
class Plan:
    """A transition. actions: tuples (resource, action, node) in order, without monitors and
    notifications, ("", "fence", node) for a fencing; blocked: the scheduler's lines about actions
    that it holds back; output: all that it printed.
    """

    actions: tuple
    blocked: tuple
    output: str

    def position(self, resource, action, node):
        """Return the place of an action in the order, None if it is not part of the plan."""
        wanted = (resource, action, node)
        return self.actions.index(wanted) if wanted in self.actions else None


class Simulation:
    """A CIB (an Element) to be changed, and the scheduler's look at it; folder: for its files."""

    def __init__(self, root, folder):
        self.root, self._folder = root, folder

    def plan(self, *options):
        """Return the Plan for the CIB as it is; options: of crm_simulate, such as --node-fail."""
        output = self._simulate("--simulate", *options)
        summary, _, executed = output.partition("Executing Cluster Transition")
        actions = tuple(
            ("", "fence", fenced) if fenced else (resource, action, node)
            for resource, action, node, fenced in _ACTION.findall(executed)
            if fenced or action in _RESULTS)
        return Plan(actions, tuple(_SUMMARY.findall(
            summary.partition("Transition Summary")[2])), output)

    def after(self, actions, *options):
        """Return a Simulation of the same cluster once these actions have succeeded."""
        results = [f"--op-inject={resource}_{action}_0@{node}={_RESULTS[action]}"
                   for resource, action, node in actions if action in _RESULTS]
        saved = self._folder / "after.xml"
        self._simulate("--run", *options, *results, "--save-input", str(saved))
        return Simulation(ElementTree.parse(saved).getroot(), self._folder)

    def done(self, *options):
        """Return a Simulation of the cluster at the end of the transition, or where it failed."""
        saved = self._folder / "done.xml"
        self._simulate("--simulate", *options, "--save-output", str(saved))
        return Simulation(ElementTree.parse(saved).getroot(), self._folder)

    def _simulate(self, *options):
        file = self._folder / "cib.xml"
        file.write_text(ElementTree.tostring(self.root, encoding="unicode"))
        done = subprocess.run(["crm_simulate", "--xml-file", str(file), *options],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def add(parent, tag, **attributes):
    """Add an element and return it; `with_rsc` becomes `with-rsc`."""
    names = {name.replace("_", "-"): value for name, value in attributes.items()}
    return ElementTree.SubElement(parent, tag, names)


def set_property(root, name, value):
    """Set a cluster property."""
    add(root.find(".//cluster_property_set"), "nvpair", id=f"set-{name}", name=name, value=value)


def set_meta(root, resource, name, value):
    """Set a meta attribute of a resource."""
    found = next(item for item in root.find(".//resources").iter() if item.get("id") == resource)
    group = ElementTree.Element("meta_attributes", {"id": f"{resource}-set-{name}"})
    add(group, "nvpair", id=f"{resource}-set-{name}-1", name=name, value=value)
    found.insert(0, group)


def set_node(root, node, name, value):
    """Set a permanent attribute of a node, such as standby."""
    found = next(item for item in root.findall(".//nodes/node") if item.get("uname") == node)
    add(found.find("instance_attributes"), "nvpair", id=f"{node}-{name}", name=name, value=value)


def shut_down(root, node):
    """Make a node ask for its shutdown."""
    state = node_state(root, node)
    group = state.find("transient_attributes/instance_attributes")
    if group is None:
        group = add(add(state, "transient_attributes", id=state.get("id")),
                    "instance_attributes", id=f"status-{node}")
    add(group, "nvpair", id=f"{node}-shutdown", name="shutdown", value="1795653824")


def node_state(root, node):
    """Return the node_state of a node."""
    return next(item for item in root.iter("node_state") if item.get("uname") == node)


def leave_alone(root, node):
    """Take all nodes but one out of the controllers' group: a DC that is alone."""
    for state in root.iter("node_state"):
        if state.get("uname") != node:
            state.attrib.update({"crmd": "offline", "join": "down", "expected": "down"})
