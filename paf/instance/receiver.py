"""The instance's WAL receiver, known by the title of its process.

Source: PostgreSQL's walreceiver.c and ps_status.c (set_ps_display, init_ps_display).
"""

from paf import signals
from paf.instance import postmaster

#: The words that a title begins with behind the name of the cluster; the former up to 9.6.
_NAMES = (["wal", "receiver", "process"], ["walreceiver"])
_AT_REST = ("idle", "restarting", "waiting")


def is_receiving(instance, surely=False):
    """Return whether a WAL receiver streams: for PostgreSQL up to 9.5, where SQL does not say it.

    With update_process_title=off titles do not say what a process does, nor while it connects: then
    it counts unless it has to be sure. Raises postmaster.Unseen.
    """
    found = activities(instance)
    return are_streaming(found) if surely else any(
        words[:1] not in [[word] for word in _AT_REST] for words in found.values())


def are_streaming(found):
    """Return whether the title of one of the `activities` says that it streams."""
    return any(words[:1] == ["streaming"] for words in found.values())


def disconnect(instance):
    """End a WAL receiver that streams; return the pids (a list) of those that were ended.

    It flushes what it has received. Unless replay is paused, the server starts another one at once,
    and then every wal_retrieve_retry_interval, which connects to what primary_conninfo leads to by
    then. One that still connects is left: paf.notifications.reconnect helps it. Raises Unseen,
    OSError.
    """
    found = activities(instance)
    # "restarting at 0/3000000" stays until the next WAL has come; a client has no LSN there
    pids = sorted(pid for pid in found if found[pid][:1] in (["streaming"], ["restarting"])
                  and "/" in found[pid][-1])
    for pid in pids:
        postmaster.send(pid, signals.SIGTERM)
    return pids


def activities(instance):
    """Return what each WAL receiver does: dict of pid (int) to the words of its title (a list).

    Raises Unseen.
    """
    found = {}
    for pid in postmaster.processes(instance):
        # a client's backend has its user, its database and its host there
        words = postmaster.title(pid).rpartition(": ")[2].split()
        for name in _NAMES:
            if words[:len(name)] == name:
                found[pid] = words[len(name):]
    return found
