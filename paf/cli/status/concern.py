"""One thing that paf status has to say, beside its table. Pure."""

import re
from collections import namedtuple

UP, FAILOVER, OTHER = "up", "failover", "other"

#: Codes of the Concerns that say why Pacemaker does nothing, or does not run the resource: no verb
#: can move or promote anything meanwhile.
NO_ACTION = ("maintenance-mode", "resource-maintenance", "paused", "unmanaged", "disabled",
             "target-role", "stop-all")

#: Codes of those that say the same of one node's instance.
NODE_NO_ACTION = ("node-maintenance", "blocked")

#: code: a name that survives rewording; about: the question that it answers with no, or OTHER;
#: node: the one concerned (str), None for the cluster; known: False where a fact is missing: the
#: answer is "not known"; what, why (str); pcs, crm: commands (lists of str), equal where no cluster
#: shell is needed.
Concern = namedtuple("Concern", "code about node known what why pcs crm")


def concern(code, about, what, why="", cure=((), ()), node=None):
    """Return a Concern about what is so; cure: (pcs, crm), as in paf.cli.finding."""
    return Concern(code, about, node, True, what, why, list(cure[0]), list(cure[1]))


def unknown(code, about, what, why="", cure=((), ()), node=None):
    """Return a Concern about what could not be found out."""
    return concern(code, about, what, why, cure, node)._replace(known=False)


def refusal_in_words(reason, primaries):
    """Return why an agent refused a promotion (str), as it holds now.

    While there is a primary, neither the start of another node nor `paf promote` is a way out.
    primaries: nodes (list of str).
    """
    way_out = r"; (start [^;]*, or )?accept the loss: paf promote.*"
    return re.sub(way_out, "", reason or "") if primaries else reason or ""


def answer(about, concerns):
    """Return what the Concerns make of a question: True, False, or None for not known."""
    found = [item.known for item in concerns if item.about == about]
    return False if True in found else None if found else True
