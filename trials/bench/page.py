"""The tables and the pages docs/performance*.md that are made of a benchmark's results."""

import statistics

from trials.bench import picture, scenes, targets
from trials.bench.modes import KINDS
from trials.bench.targets import IDLE, growth, ratio, samples, switchovers
from lab.settings import CHECKOUT

DOCS = CHECKOUT / "docs"
#: The page of each other agent.
PAGES = {"perl": "performance", "pgsql": "performance-pgsql"}
_NAMES = {name: kind.title for name, kind in KINDS.items()}
_INTRODUCTIONS = {
    "perl": """# Performance

Made by `make bench`: this agent and Debian's package of the Perl agent in the same lab,
each with a cluster of its own, in turn. `make bench PEER=pgsql` does the same with the agent of
resource-agents.""",
    "pgsql": """# Performance beside the pgsql agent

Made by `make bench PEER=pgsql`: this agent and `ocf:heartbeat:pgsql` of resource-agents 4.12 in the
same lab, each with a cluster of its own, in turn. It runs with `rep_mode=sync` and
`migration-threshold=1`: with `async` and three nodes or more it gives no standby a score while
there is a primary, so that a switchover is not possible. One of its standbys is synchronous, ours
are not. What it leaves stopped after a fault, and after each switchover, is started again before
the next. Debian 12's package has it set no promotion score with Pacemaker 2.1.5; the lab runs it
with the line that later releases have.""",
}
_LAB = """Three nodes in namespaces on one machine, token 1 s, monitors every 15 and 16 s, a client
that writes a row every 5 ms through the virtual IP, and tries another connection where the
network does not answer within 30 ms, or the server after an error within 100 ms."""
EACH = f"""The slowest of the nodes. "{scenes.TOGETHER}": for how long at least one of them ran on
some node while clients waited. What is left of an outage is Pacemaker's own, the address's and the
client's: no agent can make that shorter."""
#: What is measured while nothing happens, its name in the results, and how it is printed.
_REST = (("CIB writes a minute", "cib writes", ".0f"),
         ("CPU of a node, seconds an hour", "cpu", ".1f"))


def spread(values):
    """Return the median of seconds, their range and number, in words."""
    if not values:
        return "-"
    return (f"{statistics.median(values):.2f} s"
            + (f" ({min(values):.2f} to {max(values):.2f}; {len(values)} runs)"
               if len(values) > 1 else " (1 run)"))


def _ratio(ours, theirs):
    found = ratio(ours, theirs)
    return "-" if found is None else f"{found:.2f}"


def _both(results, values):
    """Return two columns and their ratio of what `values` gives for an agent."""
    ours, theirs = values("ours"), values(results["peer"])
    return [spread(ours), spread(theirs), _ratio(ours, theirs)]


def _header(results, *first):
    return [*first, _NAMES["ours"], _NAMES[results["peer"]], "ratio"]


def circumstances(results):
    """Return in words when and of which commit the results are, and how busy the machine was."""
    return ("The times are those of one shared machine, whose load average was "
            f"{results['load before']:.1f} before, and {results['load']:.0f} at the end: look at "
            f"the ratios. {results['date']}, commit {results['agent']}; medians, the shortest and "
            "the longest, and how many runs there were.")


def phases_of(results, scene, agents=None):
    """Return the phases of a scene, as any run of any agent (of these alone) has them."""
    runs = [run for agent in agents or results["results"]
            for run in results["results"][agent]["outages"].get(scene, [])]
    return list(runs[0]) if runs else []


def scenes_of(results):
    """Return the scenes that were played, in their order."""
    return dict.fromkeys(scene for found in results["results"].values()
                         for scene in found["outages"])


def _outages(results):
    rows = [_header(results, "fault", "phase")]
    for scene in scenes_of(results):
        phases = phases_of(results, scene)
        for phase in phases + (["total"] if len(phases) > 1 else []):
            rows.append([scene, phase, *_both(results, lambda agent, scene=scene, phase=phase: (
                samples(results, agent, scene, phase)))])
    return rows


def _scale(results):
    rows = [_header(results, "nodes", "of a switchover")]
    for nodes in (3, 9):
        for what in ("without writes", "notify pre-promote", "promote", IDLE):
            row = _both(results, lambda agent, nodes=nodes, what=what: (
                switchovers(results, agent, nodes, what)))
            if row != ["-"] * 3:
                rows.append([str(nodes), what, *row])
    return rows


def _growth(results):
    """Return in a sentence how much longer a switchover takes with nine nodes, and why."""
    gap, election, idle = (growth(results, "ours", what)
                           for what in ("without writes", "notify pre-promote", IDLE))
    if None in (gap, election, idle):
        return ""
    return (f"With nine nodes instead of three a switchover is {gap:.1f} times as long, and its "
            f"election {election:.1f} times. A `{IDLE}`, in which the agent has nothing to do, "
            f"takes {idle:.1f} times as long: the target is relative to that.")


def goals(results):
    """Return the rows of the table of targets."""
    rows = [["target", "at most", "measured", ""]]
    for target in targets.of(results):
        number, verdict = target.verdict(results)
        rows.append([target.what, f"{target.limit:g} {target.unit}".strip(),
                     "-" if number is None else f"{number:.2f}",
                     verdict if verdict == "kept" else f"**{verdict}**"])
    return rows


def _costs(results):
    peer = results["peer"]
    rows = [_header(results, "nodes", "action", "measure")]
    for nodes, found in results["results"]["ours"]["costs"].items():
        others = results["results"][peer]["costs"].get(nodes, {})
        for action, values in found.items():
            for measure, value in values.items():
                other = others.get(action, {}).get(measure)
                counted = measure in ("programs", "connections")
                rows.append([nodes, action, measure, f"{value:.0f}",
                             "-" if other is None else f"{other:.0f}",
                             "-" if counted or other is None else _ratio([value], [other])])
    for nodes in results["results"]["ours"]["rest"]:
        both = [results["results"][agent]["rest"].get(nodes) for agent in ("ours", peer)]
        for what, key, form in _REST:
            values = [None if found is None else found[key] for found in both]
            compared = key == "cpu" and None not in values
            rows.append([nodes, "at rest", what,
                         *("-" if value is None else f"{value:{form}}" for value in values),
                         _ratio(*([value] for value in values)) if compared else "-"])
    return rows


def _actions(results):
    rows = [_header(results, "fault", "action")]
    for scene, labels in results["results"]["ours"]["actions"].items():
        for label in labels:
            rows.append([scene, label, *_both(results, lambda agent, scene=scene, label=label: (
                results["results"][agent]["actions"].get(scene, {}).get(label, [])))])
    return rows


def table(rows):
    """Return a table (str) of rows, the first of which is its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def failures(results):
    """Return the lines on what is not counted, [] where all is."""
    lines = [f"{_NAMES[agent]}: {', '.join(found['failed'])}"
             for agent, found in results["results"].items() if found["failed"]]
    return ["", "Not counted, because the cluster did not do it or did not settle: "
            + "; ".join(lines) + "."] if lines else []


def tables(results):
    """Return the tables of the results as text."""
    return "\n\n".join([table(_outages(results)), table(_costs(results)),
                        table(_scale(results)), table(goals(results)),
                        *failures(results)[1:]])


def write(results):
    """Write the page and its picture; return the page's path."""
    name = PAGES[results["peer"]]
    (DOCS / "pictures" / f"{name}.svg").write_text(picture.bars(_bars(results)), encoding="utf-8")
    page = DOCS / f"{name}.md"
    page.write_text("\n".join([
        _INTRODUCTIONS[results["peer"]], _LAB,
        circumstances(results), "",
        *_others(name), "",
        f"![outages by phase](pictures/{name}.svg)", "",
        "## Outages", "", "From the fault to the end of the last gap in acknowledged rows.", "",
        table(_outages(results)), *failures(results), "",
        "## Targets", "",
        "`make bench` fails if one of these is missed. Seconds are those of this lab on an idle",
        "machine with two processors.", "", table(goals(results)), "",
        "## Costs of each action", "",
        "Medians. The agent itself counts as a program. CPU is that of it and all it starts.",
        "", table(_costs(results)), "",
        "## With more nodes", "",
        "The slowest of the nodes, which share the machine's processors. " + _growth(results), "",
        table(_scale(results)), "",
        "## Each action", "", EACH, "", table(_actions(results)), "",
    ]), encoding="utf-8")
    return page


def _others(name):
    """Return the links to the pages of the other agents that have been measured."""
    links = [f"[Beside {_NAMES[peer]}]({other}.md)." for peer, other in PAGES.items()
             if other != name and (DOCS / f"{other}.md").exists()]
    return ["", *links] if links else []


def _bars(results):
    """Return (scene, [(agent, [(phase, seconds)])]) for the picture."""
    return [(scene, [
        (_NAMES[agent], [(phase, statistics.median(values))
                         for phase in phases_of(results, scene)
                         for values in [samples(results, agent, scene, phase)] if values])
        for agent in ("ours", results["peer"])]) for scene in scenes_of(results)]
