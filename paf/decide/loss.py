"""What is lost with a part of the WAL: is there a record that a client can rely on? Pure.

Source: PostgreSQL's rmgr descriptions ("Manager/RECORD" as pg_waldump --stats=record prints them),
9.5 to 18. A change of data counts from its transaction's commit on: without the record of a commit
no client was notified that it is done. What counts without a commit is listed here by name.
"""

from collections import namedtuple

#: A client may rely on it; nothing is promised by it.
LOST, NOTHING = "lost", "nothing"

#: record: its name, or "Manager/*" for all others of that manager; verdict; one, several: what it
#: is for people, where a client relies on it; why.
Kind = namedtuple("Kind", "record verdict one several why")

RULES = (
    Kind("Transaction/COMMIT", LOST, "1 commit", "{0} commits",
         "the client gets its answer once this record is on disk"),
    Kind("Transaction/COMMIT_PREPARED", LOST, "1 commit", "{0} commits",
         "the second phase of a commit: a transaction manager was answered"),
    Kind("Transaction/PREPARE", LOST, "1 prepared transaction", "{0} prepared transactions",
         "a transaction manager may commit it on the ground of this answer"),
    Kind("Transaction/ABORT_PREPARED", LOST, "1 prepared transaction rolled back",
         "{0} prepared transactions rolled back",
         "the transaction would be there again, with its locks, and its manager has forgotten it"),
    Kind("Transaction/*", NOTHING, "", "", "an abort leaves nothing; the others go with a commit"),
    Kind("LogicalMessage/*", LOST, "1 logical message", "{0} logical messages",
         "one that is not transactional counts without a commit"),
    Kind("ReplicationOrigin/*", LOST, "1 position of a subscription",
         "{0} positions of subscriptions", "progress that is set by hand counts without a commit"),
    Kind("XLOG/RESTORE_POINT", LOST, "1 restore point", "{0} restore points",
         "a client may have its name, for a later recovery"),
    Kind("XLOG/BACKUP_END", LOST, "the end of 1 base backup", "the ends of {0} base backups",
         "the backup was called complete, and needs the WAL up to here"),
    Kind("XLOG/CHECKPOINT_SHUTDOWN", NOTHING, "", "", "bookkeeping"),
    Kind("XLOG/CHECKPOINT_ONLINE", NOTHING, "", "", "bookkeeping"),
    Kind("XLOG/CHECKPOINT_REDO", NOTHING, "", "", "bookkeeping, since 17"),
    Kind("XLOG/NOOP", NOTHING, "", "", "bookkeeping"),
    Kind("XLOG/NEXTOID", NOTHING, "", "", "numbers set apart; used ones go with a commit"),
    Kind("XLOG/SWITCH", NOTHING, "", "", "the rest of a segment is empty"),
    Kind("XLOG/PARAMETER_CHANGE", NOTHING, "", "", "settings, for standbys"),
    Kind("XLOG/FPW_CHANGE", NOTHING, "", "", "settings, for standbys"),
    Kind("XLOG/FPI", NOTHING, "", "", "an image of a page"),
    Kind("XLOG/FPI_FOR_HINT", NOTHING, "", "", "an image of a page"),
    Kind("XLOG/OVERWRITE_CONTRECORD", NOTHING, "", "", "marks a record that was cut off"),
    Kind("Standby/*", NOTHING, "", "", "locks and running transactions, for standbys"),
    Kind("Sequence/*", NOTHING, "", "", "nextval and setval are on disk with the commit of their "
         "transaction only, by PostgreSQL's own rule"),
    Kind("Database/*", NOTHING, "", "", "goes with a commit"),
    Kind("Tablespace/*", NOTHING, "", "", "goes with a commit"),
    Kind("RelMap/*", NOTHING, "", "", "goes with a commit"),
    Kind("Storage/*", NOTHING, "", "", "goes with a commit, or with a vacuum"),
) + tuple(Kind(manager + "/*", NOTHING, "", "", "pages and status of transactions: a change "
               "counts with its commit, and a vacuum changes nothing that is seen")
          for manager in ("CLOG", "MultiXact", "CommitTs", "Heap", "Heap2", "Btree", "Hash", "Gin",
                          "Gist", "SPGist", "BRIN", "Generic"))

#: What a part of the WAL holds. relied_on: what a client may rely on, for people ("" nothing);
#: unknown: records that no rule knows (a sorted list).
Loss = namedtuple("Loss", "relied_on unknown")


def rule(record):
    # type: (str) -> Kind | None
    """Return the Kind of a record ("Manager/RECORD", str), None without one.

    "+INIT" says that the page was new. The most exact name counts.
    """
    name = record.partition("+")[0]
    for wanted in (name, name.partition("/")[0] + "/*"):
        for one in RULES:
            if one.record == wanted:
                return one
    return None


def judge(counts):
    # type: (dict[str, int]) -> Loss
    """Return the Loss of WAL that holds these records (dict of "Manager/RECORD" to int)."""
    numbers, unknown = {}, []  # type: dict[str, int], list[str]
    for record in sorted(counts):
        found = rule(record)
        if found is None:
            unknown.append(record)
        elif found.verdict == LOST:
            numbers[found.one] = numbers.get(found.one, 0) + counts[record]
    relied_on = []
    for found in RULES:
        number = numbers.pop(found.one, 0)
        if number:
            relied_on.append(found.one if number == 1 else found.several.format(number))
    return Loss(" and ".join(relied_on), unknown)


def ended(transactions, ends):
    # type: (list[tuple[int, str]], list[int]) -> set[int]
    """Return the LSNs (a set) of those records that end at one of `ends`.

    transactions: (LSN, description) pairs of Transaction records, in order, as pg_waldump prints
    them; ends: LSNs (int). A record ends after its own LSN and not after the next record's.
    """
    found = set()  # type: set[int]
    for end in ends:
        before = [record for record in transactions if record[0] < end]
        if before:
            found.add(before[-1][0])
    return found


def counted(transactions, lsns):
    # type: (list[tuple[int, str]], set[int]) -> dict[str, int]
    """Return the counts (dict of "Manager/RECORD" to int) of the records at these LSNs (set)."""
    found = {}  # type: dict[str, int]
    for lsn, text in transactions:
        if lsn in lsns:
            name = "Transaction/" + text.partition(" ")[0]
            found[name] = found.get(name, 0) + 1
    return found


def without(counts, others):
    # type: (dict[str, int], dict[str, int]) -> dict[str, int]
    """Return the counts (dict) less others (dict), of records that a client may rely on."""
    left = dict(counts)
    for record, number in others.items():
        found = rule(record)
        if found is not None and found.verdict == LOST:
            left[record] = max(0, left.get(record, 0) - number)
    return dict((record, number) for record, number in left.items() if number)
