"""What `paf forecast` said before a node was lost, beside what then happened."""

import json
from dataclasses import dataclass

from lab.tools import LabError


@dataclass
class Foreseen:
    """A forecast of the loss of one node. at: when it was made, in the lab's time."""

    node: str
    asked: str
    loss: dict
    at: float
    promoted: list | None = None    # nodes, in order; None: not looked at yet

    def __str__(self):
        loss = self.loss
        words = {True: "stays" if loss["stays"] else f"{loss['to']} is promoted",
                 False: "no primary", None: "not known"}[loss["answer"]]
        return f"{words}{'; ' * bool(loss['reasons'])}{'; '.join(loss['reasons'])}"


def ask(lab, lost, now):
    """Return the Foreseen of the loss of a node, asked of one that survives it."""
    asked = next(name for name in lab.nodes if name != lost)
    result = lab.nodes[asked].run(["paf", "forecast", "--output", "json"], check=False)
    try:
        losses = json.loads(result.output)["losses"]
    except ValueError as error:
        raise LabError(f"paf forecast on {asked} gave no answer: {result}") from error
    return Foreseen(lost, asked, next(one for one in losses if one["lost"] == [lost]), now)


def wrong(foreseen, old, rows_lost):
    """Return in what a Foreseen was wrong (list of sentences); pure.

    old: the primary before; rows_lost: number of acknowledged rows that are gone.
    """
    loss, promoted = foreseen.loss, foreseen.promoted or []
    if loss["answer"] is None:
        return ["the forecast knew no answer: " + "; ".join(loss["reasons"])]
    expected = [] if not loss["answer"] else [old] if loss["stays"] else (
        [loss["to"], *loss["instead"]])
    last = promoted[-1:] if loss["answer"] and not loss["stays"] else promoted
    found = [f"the forecast on {foreseen.asked} was \"{foreseen}\", and {name} was promoted"
             for name in dict.fromkeys(last) if name not in expected]
    if loss["answer"] and not loss["stays"] and not promoted:
        found.append(f"the forecast on {foreseen.asked} was \"{foreseen}\", and no node was "
                     "promoted")
    if loss["answer"] and loss["loses_acknowledged"] is not bool(rows_lost):
        words = {True: "would be lost", False: "would not be lost", None: "may be lost"}
        found.append(f"by the forecast acknowledged rows {words[loss['loses_acknowledged']]}, and "
                     f"{rows_lost} were")
    return found
