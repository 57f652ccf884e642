"""paf check: replication slots of the local server. Pure.

Source: PostgreSQL manual, pg_replication_slots, "Replication Row Synchronization",
max_slot_wal_keep_size.
"""

from collections import namedtuple

from paf import ocf
from paf.cli import finding
from paf.decide import slots as kept
from paf.instance import conninfo as connections

#: A replication slot. kind: physical or logical; status: its wal_status, "" before PostgreSQL 13;
#: synced: whether it is a copy of one of the primary's, which is inactive by nature (17); safe:
#: safe_wal_size, bytes that may be written until it can lose WAL, None without a limit or before
#: 13; failover: whether standbys are to have a copy (17).
Row = namedtuple("Row", "name kind active status synced safe failover")

#: A slot runs short when less than this share of max_slot_wal_keep_size is left.
_SHORT = 0.1
_MEGABYTE = 1 << 20


def member_of(slot, nodes):
    """Return the node (str) that a physical Row is for, by its name; None if it is for no node."""
    for node in nodes:
        if slot.name == kept.name_of(node):
            return node
    # of db-1 and db, "slot_db_1" is the former's
    for node in sorted(nodes, key=len, reverse=True):
        name = "".join(char if char.isalnum() else "_" for char in node.lower())
        if slot.kind == "physical" and "_{0}_".format(name) in "_{0}_".format(slot.name):
            return node
    return None


def _dropped(subject, slot):
    return finding.both(*finding.sql(subject, "SELECT pg_drop_replication_slot('{0}')".format(
        slot.name.replace("'", "''"))))


def slots(subject):
    """No replication slot keeps WAL that is not fetched, or has lost what it was to keep."""
    limit = subject.settings.get("max_slot_wal_keep_size")
    for slot in subject.slots:
        for item in _one(subject, slot, limit):
            yield item
    if limit == "-1" and any(slot.active for slot in subject.slots):
        yield finding.warning(
            "there are replication slots, and max_slot_wal_keep_size is -1",
            "while a standby is away, its slot keeps WAL until the primary's disk is full",
            finding.set_by_sql(subject, "max_slot_wal_keep_size", "10GB"))


def by_parameter(subject):
    """The parameter slots has what it needs; without it no slot of the agent's is left."""
    mine = [slot for slot in subject.slots if slot.name.startswith(kept.PREFIX)]
    limit = subject.settings.get("max_slot_wal_keep_size")
    if not subject.keeps_slots:
        for slot in mine:
            if not slot.active:
                yield finding.warning(
                    "slots is off, and the agent's replication slot {0} is still here".format(
                        slot.name),
                    "no monitor advances it, so it keeps WAL up to max_slot_wal_keep_size",
                    _dropped(subject, slot))
        return
    why = "without a limit a slot could fill the disk: the agent makes none"
    if limit is None:
        yield finding.error("slots=true, and PostgreSQL is older than 13", why)
    elif limit == "-1":
        yield finding.error("slots=true, and max_slot_wal_keep_size is -1", why,
                            finding.set_by_sql(subject, "max_slot_wal_keep_size", "10GB"))
    needed = len(subject.slots) - len(mine) + max(len(mine), len(subject.nodes) - 1)
    most = subject.settings.get("max_replication_slots", "")
    if ocf.is_number(most) and int(most) < needed:
        yield finding.error(
            "slots=true, and max_replication_slots is {0}".format(most),
            "{0} are needed: one for each other node, and those that are there".format(needed),
            finding.set_by_sql(subject, "max_replication_slots", str(max(10, needed)),
                               restart=True))


def _one(subject, slot, limit):
    """Yield the findings on a Row; limit: max_slot_wal_keep_size, in MB, from the server."""
    if slot.status == "lost":
        yield finding.error(
            "the replication slot {0} has lost WAL (wal_status is lost)".format(slot.name),
            "what reads from it cannot go on: rebuild it, and make the slot again",
            _dropped(subject, slot))
    elif slot.status == "unreserved":
        yield finding.warning(
            "the replication slot {0} is about to lose WAL (wal_status is unreserved)".format(
                slot.name),
            "it has fallen behind by more than max_slot_wal_keep_size; the next checkpoint "
            "removes what it still needs")
    elif not slot.active and not slot.synced and limit in (None, "-1"):
        yield _unlimited(subject, slot, limit)
    elif slot.safe is not None and ocf.is_number(limit or "") and (
            slot.safe < int(limit) * _MEGABYTE * _SHORT):
        yield finding.warning(
            "the replication slot {0} loses WAL in {1} MB (safe_wal_size)".format(
                slot.name, slot.safe // _MEGABYTE),
            "what reads from it is away, or too slow: it will have to be rebuilt")


def _unlimited(subject, slot, limit):
    """Return the finding on a slot that is inactive and not limited."""
    node = member_of(slot, subject.nodes)
    if node is None:
        return finding.warning(
            "the replication slot {0} is inactive, and nothing limits it".format(slot.name),
            "it keeps WAL until the disk of {0} is full; its name is no node's of this "
            "cluster".format(subject.node), _dropped(subject, slot))
    what = "the replication slot {0} is inactive, and nothing limits it".format(slot.name)
    why = "it keeps WAL until the disk of {0} is full; by its name it is {1}'s".format(
        subject.node, "its own" if node == subject.node else node)
    if limit is None:    # before PostgreSQL 13 there is no limit
        return finding.warning(what, why, _dropped(subject, slot))
    return finding.warning(what, why, finding.set_by_sql(
        subject, "max_slot_wal_keep_size", "10GB"))


def logical(subject):
    """Logical slots that are to survive a failover are copied to the standbys (17)."""
    have = subject.settings
    if "sync_replication_slots" not in have:
        return
    wanted = [slot.name for slot in subject.slots if slot.failover and not slot.synced]
    syncs = have["sync_replication_slots"] == "on"
    if wanted and not subject.in_recovery and not syncs:
        yield finding.warning(
            "sync_replication_slots is off, and there are failover slots: {0}".format(
                ", ".join(wanted)),
            "a standby with this setting copies none of them: after a failover subscribers have "
            "no slot", finding.set_by_sql(subject, "sync_replication_slots", "on"))
    if wanted and not subject.in_recovery and not have.get("synchronized_standby_slots"):
        yield finding.warning(
            "synchronized_standby_slots is empty, and there are failover slots: {0}".format(
                ", ".join(wanted)),
            "a subscriber may get changes that no standby has: after a failover it is ahead of "
            "the new primary")
    for slot in subject.slots if subject.in_recovery else []:
        if slot.name in wanted:
            yield finding.warning(
                "the failover slot {0} is of this server's own time as a primary".format(slot.name),
                "nothing moves it: it keeps WAL here, and old rows on the primary, whose slot of "
                "that name is not copied. Drop it once the primary has one of that name",
                _dropped(subject, slot))
    if syncs:
        for item in _missing(subject):
            yield item


def _missing(subject):
    """Yield what a standby lacks to copy slots."""
    have = subject.settings
    why = "as a standby this server copies no slot without it"
    if have.get("hot_standby_feedback") != "on":
        yield finding.warning("sync_replication_slots is on, and hot_standby_feedback is off", why,
                              finding.set_by_sql(subject, "hot_standby_feedback", "on"))
    if not have.get("primary_slot_name"):
        yield finding.warning("sync_replication_slots is on, and primary_slot_name is empty", why)
    try:
        named = connections.values(subject.conninfo).get("dbname")
    except connections.Malformed:
        return    # which is said elsewhere
    if not named:
        yield finding.warning(
            "sync_replication_slots is on, and primary_conninfo has no dbname", why)


RULES = (("slots", slots), ("parameter slots", by_parameter), ("logical slots", logical))
