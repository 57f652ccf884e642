"""Which replication slots a server keeps for the other members of the clone. Pure.

Source: PostgreSQL manual, "Replication Slots", pg_replication_slots (wal_status),
pg_replication_slot_advance.
"""

import binascii
from collections import namedtuple

MYPY = False    # mypy reads the block below, Python never does
if MYPY:
    from typing import Collection, Iterable  # novm # noqa: F401

#: In front of the name of each slot that the agent makes. It drops no other.
PREFIX = "pgsqlms_"

_LEGAL = "abcdefghijklmnopqrstuvwxyz0123456789"
_LONGEST = 63 - len(PREFIX) - 9    # bytes of a node's name in a slot's; 9: "_" and the checksum

#: A slot of the agent's. name: str; lost: whether it has lost WAL; lsn: restart_lsn (int bytes),
#: None where it keeps no WAL; active: whether a standby reads from it; holds: whether it holds
#: vacuum back (xmin). On a standby that is left of its time as a primary, and hot_standby_feedback
#: has the primary keep dead rows for it.
Slot = namedtuple("Slot", "name lost lsn active holds")

#: What a server knows of another member. node: str; wanted: whether it needs a slot here; bound:
#: how far that may be advanced (int bytes), None where that is not known.
Peer = namedtuple("Peer", "node wanted bound")

#: A server's own WAL. redo: where its last checkpoint or restartpoint begins, what a new slot keeps
#: at most; end: what it has replayed or written (int bytes); segment: bytes of a WAL segment.
Here = namedtuple("Here", "redo end segment")

#: What is to be done with a slot: one of the words below, its name, and for ADVANCE an LSN (int).
Change = namedtuple("Change", "what name lsn")
MAKE = "make"              # it keeps WAL from the last checkpoint on
MAKE_EMPTY = "make empty"  # it keeps no WAL until a standby reads from it
DROP = "drop"
ADVANCE = "advance"


def name_of(node):
    # type: (str) -> str
    """Return the name of the slot for a node (str): its legal characters, and a checksum.

    Two nodes have two names, also where they differ only in what a slot's name cannot have.
    """
    data = node if isinstance(node, bytes) else node.encode("utf-8", "replace")
    legal = "".join(sign if sign in _LEGAL else "_" for sign in node.lower())
    return "{0}{1}_{2:08x}".format(PREFIX, legal[:_LONGEST], binascii.crc32(data) & 0xffffffff)


def changes(slots, members, here):
    # type: (Iterable[Slot], Iterable[Peer], Here) -> list[Change]
    """Return the Changes (a list) for the members. slots: of Slot; members: of Peer; here: Here.

    A slot is advanced by a segment at least: less would free nothing.
    """
    have = dict((slot.name, slot) for slot in slots)
    found = []  # type: list[Change]
    for member in members:
        name = name_of(member.node)
        found += [Change(what, name, member.bound) for what in _wanted(
            have.get(name), member, here)]
    return [change._replace(lsn=min(change.lsn, here.end)) if change.what == ADVANCE
            else change._replace(lsn=None) for change in found]


def _wanted(slot, member, here):
    # type: (Slot | None, Peer, Here) -> list[str]
    """Return what is to be done (a list of words) with a member's Slot, None without one."""
    if slot is None:
        return [MAKE] if member.wanted else []
    if slot.active:
        return []    # the server advances it
    if slot.lost:
        return [DROP, MAKE_EMPTY if member.bound is None else MAKE]
    if member.bound is None:
        return []
    if slot.lsn is None:
        return [DROP, MAKE]
    # a new one starts at the redo of a restartpoint that may still run: behind here.redo, and never
    # behind what was replayed. The primary itself needs no more than this server's own last one.
    if slot.holds and (here.end <= member.bound or here.redo == member.bound):
        return [DROP, MAKE]
    if slot.lsn > member.bound:    # of another time: it needs more than the slot keeps
        return [DROP, MAKE] if here.redo < slot.lsn else []
    return [ADVANCE] if min(member.bound, here.end) - slot.lsn >= here.segment else []


def strangers(slots, me, nodes):
    # type: (Iterable[Slot], str, Collection[str]) -> list[Change]
    """Return the DROPs (a list of Change) of slots whose node has left the cluster.

    slots: of Slot; me: this node; nodes: all of the cluster, also those that are away. Without this
    node among them they are not known.
    """
    if me not in nodes:
        return []
    names = set(name_of(node) for node in nodes)
    return [Change(DROP, slot.name, None) for slot in slots
            if slot.name.startswith(PREFIX) and slot.name not in names and not slot.active]


def empty(slots, members):
    # type: (Iterable[Slot], Iterable[Peer]) -> list[str]
    """Return the nodes (a list) whose slot has lost its WAL, and that do not stream.

    slots: of Slot; members: of Peer, as a primary sees them.
    """
    keeps = dict((slot.name, slot.lsn is not None and not slot.lost) for slot in slots)
    return [member.node for member in members
            if not member.wanted and keeps.get(name_of(member.node)) is False]
