"""Play cells: bring the cluster up, do the steps in order, report the result of each."""

import contextlib
import datetime
import time
import traceback
from dataclasses import dataclass, field

from paf.ocf import OcfError
from lab.settings import CHECKOUT
from trials.faults.store import agent
from lab import servers
from lab.lab import Lab
from lab.owner import free_name
from lab.tools import LabError
from trials.matrix import alone, mixed, steps

LOGS = CHECKOUT / "build" / "matrix"

#: Without these there is nothing to go on with.
_NEEDED = ("first start", "removal")


@dataclass(frozen=True)
class Course:
    """Steps by name, in order.

    bare: whether the cluster begins without package and resource; cluster: whether there is one.
    """

    steps: dict
    bare: bool = True
    cluster: bool = True


COURSES = {
    "whole": Course(steps.STEPS),
    "short": Course({name: steps.STEPS[name] for name in (
        "first start", "recovery of the primary", "failover", "switchover", "command paf",
        "no deprecated word", "removal")}),
    "primary": Course(mixed.steps("primary"), bare=False),
    "candidate": Course(mixed.steps("candidate"), bare=False),
    "third": Course(mixed.steps("third"), bare=False),
    "alone": Course(alone.STEPS, cluster=False),
    "rolling": Course({**mixed.ROLLING, **{name: steps.STEPS[name] for name in (
        "failover", "switchover", "no deprecated word")}}, bare=False),
}


@dataclass
class Outcome:
    """The result of a cell: {step: problem, "" for none}, versions, day and commit."""

    cell: str
    results: dict = field(default_factory=dict)
    versions: dict = field(default_factory=dict)
    seconds: float = 0.0
    date: str = ""
    agent: str = ""
    absent: str = ""    # why it is not available on this machine

    @property
    def good(self):
        """True if each step was taken and nothing was wrong."""
        return bool(self.results) and not any(self.results.values())

    @property
    def verdict(self):
        """The result, in words."""
        return "good" if self.good else f"not available: {self.absent}" if self.absent else "FAILS"


def play(cell, announce=lambda *_: None, course=None, lab=None):
    """Play a cell; return its Outcome. announce(cell, step, problem, seconds) after each step.

    course: a key of COURSES, where it is not the cell's own; lab: its lab's name, also.
    """
    course = COURSES[course or cell.course]
    outcome = Outcome(cell.name, date=datetime.date.today().isoformat(), agent=agent())
    begin = time.monotonic()
    try:
        with lab_of(cell, course, lab) if course.cluster else alone.pair(cell) as lab:
            outcome.versions = versions(lab) if course.cluster else lab.versions()
            announce(cell, "cluster", "", time.monotonic() - begin)
            for name, step in course.steps.items():
                take(cell, lab, name, step, outcome, announce)
            if course.cluster:
                outcome.versions = first_and_last(outcome.versions, versions(lab))
    except servers.Absent as error:
        outcome.absent = words(error)
        announce(cell, "not available", outcome.absent, 0)
    except LabError as error:
        outcome.results["cluster"] = words(error)
        announce(cell, "cluster", words(error), time.monotonic() - begin)
    outcome.seconds = time.monotonic() - begin
    return outcome


def lab_of(cell, course, name=None):
    """Return the Lab of a cell, to be entered."""
    settings = cell.settings()
    if course.bare:
        settings.update(agent="none", resource=False)
    return Lab(free_name(name or cell.lab), logs=LOGS / cell.name / "cluster", **settings)


def take(cell, lab, name, step, outcome, announce):
    """Take a step; note in the outcome what was wrong with it. Afterwards the lab is whole."""
    begin, problem = time.monotonic(), ""
    missing = [needed for needed in _NEEDED if outcome.results.get(needed)]
    if missing:
        problem = f"not played: {missing[0]} failed"
    else:
        try:
            step(lab)
        except (AssertionError, LabError, OcfError) as error:
            problem = words(error)
            lab.gather(LOGS / cell.name / name.replace(" ", "-"))
            with contextlib.suppress(LabError):
                lab.heal()
    outcome.results[name] = problem
    announce(cell, name, problem, time.monotonic() - begin)


def words(error):
    """Return what an error says; for an assertion without words, the line that asserts."""
    text = str(error) or traceback.extract_tb(error.__traceback__)[-1].line
    return " ".join(text.split())[:600]


def versions(lab):
    """Return what runs in the nodes of a lab: {program: version}; all of them if they differ."""
    found = {}
    for node in (one for one in lab.nodes.values() if one.is_on):
        for name, version in _versions(node, lab.settings).items():
            if version not in found.setdefault(name, []):
                found[name].append(version)
    return {name: ", ".join(values) for name, values in found.items()}


def first_and_last(first, last):
    """Return versions as `versions` does, of a cluster that was upgraded on the way."""
    return {name: ", ".join(dict.fromkeys([*first.get(name, version).split(", "),
                                           *version.split(", ")]))
            for name, version in last.items()}


def _versions(node, settings):
    def said(*argv):
        result = node.run(argv, check=False)
        return (result.output or result.error).strip()
    packages = said("dpkg-query", "-W", "-f", "${Package} ${source:Upstream-Version}\n",
                    "pacemaker", "corosync", "pcs")
    return {**dict(line.split() for line in packages.splitlines()),
            "postgresql": said(f"{settings.bindir}/postgres", "--version").split()[2],
            "python": said("/usr/bin/python3", "--version").split()[-1]}
