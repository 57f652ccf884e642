"""What `paf forecast` said before a node was lost, beside what then happened."""

from dataclasses import dataclass

from lab import scenarios
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
    """Return the Foreseen of the loss of a node, asked of one that survives it.

    On a busy machine a question to a server may come too late, and the answer is not known: then it
    is asked again for a while.
    """
    asked, found = next(name for name in lab.nodes if name != lost), []

    def known(_, value):
        found[:] = [one for one in value["losses"] if one["lost"] == [lost]]
        return found and found[0]["answer"] is not None and (
            not found[0]["answer"] or found[0]["loses_acknowledged"] is not None)
    try:
        scenarios.paf(lab.nodes[asked], ["forecast"], known, 30)
    except LabError:
        if not found:
            raise
    return Foreseen(lost, asked, found[0], now)


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
