"""Applies what `paf check` prints to a copy of a CIB, and looks at the result."""

import os
import re
import shlex
import subprocess
from xml.etree import ElementTree

from paf.cli import check, configuration
from tests.unit.scheduler import Simulation

NOW = 1795653840    # 2026-11-26 00:44:00 UTC
_NOT_FOR_A_FILE = re.compile(r"systemctl|AGENT|HOST|^paf ")


def found(text, resource):
    """Return what is wrong with a CIB: a list of (check, Finding)."""
    return [pair for pair in check.of_cib(text, resource) if pair[1]]


class Copy:
    """A CIB in a file of its own."""

    def __init__(self, folder, text):
        self._file, self._folder = folder / "copy.xml", folder
        self._file.write_text(text)

    @property
    def text(self):
        """The CIB as it is now."""
        return self._file.read_text()

    def run(self, command):
        """Run a command as an administrator does; return its output, None if it succeeded."""
        words = shlex.split(command)
        if words[0] == "pcs":
            words[1:1] = ["-f", str(self._file)]
        elif words[0] == "crm":
            # without it, crmsh changes nothing in a cluster that has any other mistake, or where
            # the agent is not installed, as it is not where tests run
            words[1:1] = ["--force"]
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
            env={**os.environ, "CIB_file": str(self._file), "HOME": str(self._folder)})
        return None if done.returncode == 0 else f"{command}: {done.stdout}{done.stderr}"

    def verify(self):
        """Return whether crm_verify accepts it."""
        return subprocess.run(["crm_verify", "--xml-file", str(self._file)], capture_output=True,
                              check=False).returncode == 0

    def blocked(self):
        """Return what the scheduler holds back, without the nodes' roles in it."""
        plan = Simulation(ElementTree.fromstring(self.text), self._folder).plan()
        return {line.split("(")[0] for line in plan.blocked}


def is_for_a_file(finding):
    """Return whether its cure changes a CIB, and only that."""
    return bool(finding.pcs) and not any(_NOT_FOR_A_FILE.search(command)
                                         for command in finding.pcs + finding.crm)


def faults(folder, text, resource, name, finding, spelling):
    """Apply a cure to a CIB; return what is wrong with it, a list of str."""
    before = found(text, resource)
    copy = Copy(folder, text)
    valid, blocked = copy.verify(), copy.blocked()
    commands = finding.pcs if spelling == "pcs" else finding.crm
    wrong = [output for output in map(copy.run, commands) if output]
    after = found(copy.text, resource)
    others = {item.what for _, item in before}
    wrong += [f"still there: {item.what}" for _, item in after if item.what == finding.what]
    wrong += [f"new: {item.what}" for _, item in after if item.what not in others]
    if valid and not copy.verify():
        wrong.append("crm_verify does not accept it any longer")
    wrong += [f"blocked: {line}" for line in copy.blocked() - blocked]
    return wrong


def resources(text):
    """Return the names of PAF's resources that can be checked."""
    return [item.name for item in configuration.parse(text, NOW).resources
            if item.kind != "bundle"]
