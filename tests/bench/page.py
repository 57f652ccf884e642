"""The tables and the page docs/performance.md that are made of a benchmark's results."""

import statistics

from tests.bench import picture
from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "performance.md"
PICTURE = REPOSITORY / "docs" / "pictures" / "performance.svg"
_NAMES = {"ours": "this agent", "perl": "Perl PAF 2.3.0"}
#: What is asked of a ratio, by scene and phase.
TARGETS = {("switchover", "without writes"): 0.45, ("crash of the primary", "total"): 0.12,
           ("crash of the primary", "recovery"): 0.40,
           ("power cut of the primary", "recovery"): 0.45}
COST_TARGETS = {("monitor, primary", "cpu ms"): 0.25, ("monitor, standby", "cpu ms"): 0.30,
                ("notify, nothing to do", "wall ms"): 0.20}


def samples(results, agent, scene, phase):
    """Return the seconds (a list) that a phase of a scene took; "total" is all of them."""
    runs = results["results"][agent]["outages"].get(scene, [])
    return [sum(run.values()) if phase == "total" else run[phase] for run in runs]


def _spread(values):
    if not values:
        return "-"
    return (f"{statistics.median(values):.2f} s"
            + (f" ({min(values):.2f} to {max(values):.2f}; {len(values)} runs)"
               if len(values) > 1 else " (1 run)"))


def _ratio(ours, theirs, target=None):
    if not ours or not theirs or not statistics.median(theirs):
        return "-"
    ratio = statistics.median(ours) / statistics.median(theirs)
    goal = f" (meant: at most {target:.2f})" if target else ""
    return f"{ratio:.2f}{goal}"


def _outages(results):
    peer = results["peer"]
    rows = [["fault", "phase", _NAMES["ours"], _NAMES[peer], "ratio"]]
    for scene, runs in results["results"]["ours"]["outages"].items():
        phases = list(runs[0]) if runs else []
        for phase in phases + (["total"] if len(phases) > 1 else []):
            ours, theirs = (samples(results, agent, scene, phase) for agent in ("ours", peer))
            rows.append([scene, phase, _spread(ours), _spread(theirs),
                         _ratio(ours, theirs, TARGETS.get((scene, phase)))])
    return rows


def _costs(results):
    peer = results["peer"]
    rows = [["nodes", "action", "measure", _NAMES["ours"], _NAMES[peer], "ratio"]]
    for nodes, found in results["results"]["ours"]["costs"].items():
        others = results["results"][peer]["costs"].get(nodes, {})
        for action, values in found.items():
            for measure, value in values.items():
                other = others.get(action, {}).get(measure)
                counted = measure in ("programs", "connections")
                rows.append([nodes, action, measure, f"{value:.0f}",
                             "-" if other is None else f"{other:.0f}",
                             "-" if counted or other is None else _ratio(
                                 [value], [other], COST_TARGETS.get((action, measure)))])
    for agent in ("ours", peer):
        writes = results["results"][agent].get("cib writes")
        if writes is not None:
            rows.append(["3", "at rest, clients write", f"CIB writes a minute, {_NAMES[agent]}",
                         f"{writes:.0f}" if agent == "ours" else "",
                         f"{writes:.0f}" if agent != "ours" else "", "-"])
    return rows


def _actions(results):
    peer = results["peer"]
    rows = [["fault", "action", _NAMES["ours"], _NAMES[peer], "ratio"]]
    for scene, labels in results["results"]["ours"]["actions"].items():
        others = results["results"][peer]["actions"].get(scene, {})
        for label, ours in labels.items():
            theirs = others.get(label, [])
            rows.append([scene, label, _spread(ours), _spread(theirs), _ratio(ours, theirs)])
    return rows


def _table(rows):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def _failures(results):
    lines = [f"{_NAMES[agent]}: {', '.join(found['failed'])}"
             for agent, found in results["results"].items() if found["failed"]]
    return ["", "Not counted, because the cluster did not come to rest: " + "; ".join(lines) + "."
            ] if lines else []


def tables(results):
    """Return the tables of the results as text."""
    return "\n\n".join([_table(_outages(results)), _table(_costs(results)),
                        *_failures(results)[1:]])


def write(results):
    """Write the page and its picture."""
    PICTURE.write_text(picture.bars(_bars(results)), encoding="utf-8")
    PAGE.write_text("\n".join([
        "# Performance", "",
        "Made by `make bench`: this agent and Debian's package of the Perl agent in the same lab,",
        "each with a cluster of its own, in turn. Three nodes in namespaces on one machine, token",
        "1 s, monitors every 15 and 16 s, a client that writes a row every 5 ms through the",
        "virtual IP. The times are those of one shared machine, whose load average was "
        f"{results['load']:.0f}: look at the ratios.", "",
        f"{results['date']}; medians, the shortest and the longest, and how many runs there were.",
        "", "![outages by phase](pictures/performance.svg)", "",
        "## Outages", "", "From the fault until rows are acknowledged again for good.", "",
        _table(_outages(results)), *_failures(results), "",
        "## What it costs for ever", "",
        "Medians. The agent itself counts as a program. CPU is that of it and all it starts.",
        "", _table(_costs(results)), "",
        "## Each action", "", "The slowest of the nodes.", "", _table(_actions(results)), "",
    ]), encoding="utf-8")


def _bars(results):
    """Return (scene, [(agent, [(phase, seconds)])]) for the picture."""
    found = []
    for scene, runs in results["results"]["ours"]["outages"].items():
        phases = list(runs[0]) if runs else []
        found.append((scene, [
            (_NAMES[agent], [(phase, statistics.median(values)) for phase in phases
                             for values in [samples(results, agent, scene, phase)] if values])
            for agent in ("ours", results["peer"])]))
    return found
