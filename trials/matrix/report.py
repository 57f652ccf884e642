"""The matrix: for the terminal, and as docs/support.md."""

from lab.settings import CHECKOUT
from trials.matrix.cells import ABSENT, CELLS
from trials.matrix.play import COURSES, Outcome

PAGE = CHECKOUT / "docs" / "support.md"

_HEAD = """# Support: what runs with what

Made by `make matrix`, in 20 minutes on two cores, and some more where systems have to be fetched
first; `make matrix CELL=debian13` plays one cell again. Nothing here is a promise: each cell is a
real cluster of three nodes, on which each step was played, with the package built and installed by
apt in that very system, and the resource created by its pcs with the commands that `paf create`
prints there. A step holds only if no two nodes took writes at the same instant, no acknowledged row
was lost (one standby at least is synchronous), and exactly the nodes that had to be fenced were.

## Pacemaker, PostgreSQL, Python

| cell | Pacemaker | corosync | pcs | PostgreSQL | Python | | played |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""

_VERSIONS = ("pacemaker", "corosync", "pcs", "postgresql", "python")

_STEPS = """
## The steps

"""

_FOOT = """
From Pacemaker 3.0.1 on, `crm_resource --validate` ends with an assertion of D-Bus's library where
no D-Bus runs, as in these nodes, for each agent, IPaddr2 as well. So pcs of forky and sid warns of
"invalid validation data" when it creates the resource. With D-Bus it answers.

## Debian's own checks of the package

`tools/check-deb.sh SUITE`: the package `resource-agents-paf`, built on Debian 12, on a bare system
of the suite. piuparts installs, upgrades from 2.3.0, removes, installs again and purges it, and
looks what is left; autopkgtest runs `debian/tests`: the meta-data, and an instance of the suite's
PostgreSQL from its start to its stop.

| suite | piuparts | `--install-remove-install` | autopkgtest | seen |
| --- | --- | --- | --- | --- |
"""

_NOT_LIVE = """
## What is not played live

"""

#: What tools/check-deb.sh printed; edited by hand, when it is run.
_DEBIAN = (
    ("bullseye", "passed", "passed", "passed", "2026-11-28, b4303ff"),
    ("bookworm", "passed", "passed", "passed", "2026-11-28, b4303ff"),
    ("trixie", "passed", "passed", "passed", "2026-11-28, b4303ff"),
    ("sid", "passed", "passed", "passed", "2026-11-28, b4303ff"),
)


def mark(problem):
    """Return a word for the result of a step: None, not played in this cell."""
    if problem is None:
        return "-"
    return "FAILS" if problem and not problem.startswith("not played") else problem or "ok"


def table(outcomes):
    """Return the matrix for the terminal."""
    lines = []
    for cell in CELLS:
        outcome = outcomes.get(cell.name)
        found = outcome.versions if outcome else {}
        verdict = outcome.verdict if outcome else "not played"
        if verdict == "FAILS":
            verdict += ": " + "; ".join(f"{step}: {problem}" for step, problem
                                        in outcome.results.items() if problem)
        lines.append(f"{cell.name:16} Pacemaker {found.get('pacemaker', '?'):14} PostgreSQL "
                     f"{found.get('postgresql', '?'):8} Python {found.get('python', '?'):8} "
                     f"{verdict[:200]}")
    return "\n".join(lines)


def page(outcomes):
    """Return the text of docs/support.md."""
    return (_HEAD + "".join(_cell(cell, outcomes.get(cell.name)) for cell in CELLS)
            + _STEPS + "".join(_steps(outcomes, course) for course in dict.fromkeys(
                cell.course for cell in CELLS))
            + _FOOT + "".join(f"| {' | '.join(row)} |\n" for row in _DEBIAN)
            + _NOT_LIVE + "".join(f"* {what}: {why}\n" for what, why in ABSENT))


def read(text):
    """Return {cell's name: Outcome} of a page; for failures without the problem."""
    outcomes, shown = {}, []
    for line in text.splitlines():
        first, *columns = [word.strip() for word in line.strip("|").split("|")]
        name = first.partition(":")[0]
        if name != first and len(columns) == len(_VERSIONS) + 2 and columns[-1]:
            outcomes[name] = _outcome(name, *columns)
        elif first == "step":
            shown = columns
        elif first != "---" and len(columns) == len(shown):
            for cell, word in zip(shown, columns):
                if cell in outcomes and word != mark(None):
                    outcomes[cell].results[first] = "" if word == mark("") else word
    return outcomes


def _outcome(name, *columns):
    *found, verdict, played = columns
    date, agent = played.split(", ")
    return Outcome(name, versions={key: value for key, value in zip(_VERSIONS, found) if value},
                   date=date, agent=agent,
                   absent=verdict.partition("not available: ")[2])


def _cell(cell, outcome):
    found = outcome.versions if outcome else {}
    verdict = outcome.verdict if outcome else "not played"
    played = f"{outcome.date}, {outcome.agent}" if outcome else ""
    columns = [f"{cell.name}: {cell.what}", *(found.get(name, "") for name in _VERSIONS),
               verdict, played]
    return "| " + " | ".join(columns) + " |\n"


def _steps(outcomes, course):
    cells = [cell for cell in CELLS if cell.course == course]
    rows = [["step", *(cell.name for cell in cells)], ["---"] * (len(cells) + 1)]
    for step in COURSES[course].steps:
        results = [outcomes[cell.name].results.get(step) if cell.name in outcomes else None
                   for cell in cells]
        rows.append([step, *map(mark, results)])
    return "".join("| " + " | ".join(row) + " |\n" for row in rows) + "\n"
