"""Work on the data directory that was not finished: is its journal understood, and what if not.

A journal that cannot be used may be that of a directory whose files are a mixture of two servers'.
So no server is started, until a copy of the primary has taken the directory's place.
"""

from paf.instance import journal, replacement, rewind

_PHASES = {rewind.WHAT: rewind.PHASES, replacement.WHAT: replacement.PHASES}
_TEXTS, _LISTS, _NUMBERS = (
    ("what", "phase", "conninfo", "restore_command", "system", "set", "started", "node", "archive"),
    ("deep", "swaps", "top", "moves", "switches", "parts", "links", "mounted"),
    ("timeline", "segment_size"))
#: What has to be there to go on from a phase.
_NEEDED = {rewind.KEPT: ("deep", "top"), rewind.REWINDING: ("deep",), rewind.REWOUND: ("deep",),
           rewind.RETURNING: ("deep",), replacement.SWAPPING: ("swaps",)}
_TO_REPEAT = ("conninfo", "system", "timeline", "switches", "restore_command")


def read(instance):
    """Return the facts (dict) of the journal, as `journal.read` does. Raises OcfError.

    InUse while another process works on the instance; NotUsable where the facts are damaged, or
    those of another version of PAF.
    """
    facts = journal.read(instance)
    journal.check_free(instance)
    phases = _PHASES.get(facts.get("what", rewind.WHAT), ())
    if facts.get("phase", rewind.KEEPING) not in phases:
        raise journal.foreign(instance, facts)
    if not _is_complete(facts):
        raise journal.damaged(instance)
    return facts


def _is_complete(facts):
    """Return whether the facts have what a step needs that goes on from their phase; pure."""
    needed = () if facts.get("what") == replacement.WHAT and facts.get(
        "phase") != replacement.SWAPPING else _NEEDED.get(facts.get("phase"), ())
    if facts.get("phase") == rewind.REWINDING and facts.get("again"):
        needed += _TO_REPEAT
    given = [(name, str) for name in _TEXTS] + [(name, list) for name in _LISTS] + [
        (name, int) for name in _NUMBERS]
    return all(facts.get(name) is not None for name in needed) and all(
        isinstance(facts.get(name), (kind, type(None))) for name, kind in given) and all(
            isinstance(one, list) and len(one) == size for name, size in (
                ("swaps", 3), ("links", 2)) for one in facts.get(name) or [])
