"""What each instance may have acknowledged: one that starts with less was set back.

A data directory can be restored from an older backup, or with its disk to a snapshot. Then it no
longer has commits that it has acknowledged, and does not know it: its vote is no proof that they
are nowhere. The permanent attribute acknowledged-<resource> of its node has the WAL position that
it needs to count; the primary removes it once the instance streams again and has that much.

It comes from its last words; or, of one that crashed, from the primary, which remembers how far
each standby had flushed, and publishes that once it no longer streams. Without synchronous standbys
there is none of this.
"""

from paf.cluster import notes
from paf.decide import election, quorum, state, wal
from paf.decide.knowledge import Known, Unknown, is_known
from paf.holders import entries_of, marks

#: An instance that may hold commits from now on: no vote has less.
_ANY_VOTE = Known(wal.NOWHERE)
_RESTORED = Unknown("a base backup")


def enter(context, view, was):
    """Publish what this instance needs to count, before it is started. Raises OcfError.

    view: cib.Scan; was: the state it is started from. A base backup of which nothing is known may
    be of any time. With "*" an instance that no primary has seen may hold commits as well.
    """
    if not (view.rules or view.copies):
        return
    before = marks(view).get(context.node)
    words = view.last_words.get(context.node)
    mark = election.from_vote(words) if words else None
    if mark is None or not is_known(mark):
        mark = before
    if was in (state.RESTORED, state.IN_BACKUP) and mark in (None, _ANY_VOTE):
        mark = _RESTORED
    if mark is None and _is_new(context.node, view):
        mark = _ANY_VOTE
    if mark is not None and (before is None or _is_more(mark, before)):
        context.cluster.publish_acknowledged(context.node, election.to_vote(mark),
                                             context.deadline)


def _is_new(node, view):
    """Return whether any standby may acknowledge commits, and no primary has seen this node's."""
    rules = [entry.rule for entry in entries_of(view)[0].values()]
    return any(quorum.ALL in rule.names and node.lower() not in rule.names for rule in rules)


def _is_more(mark, before):
    """Return whether a Fact of what an instance needs asks for more than another one does."""
    return is_known(before) and (not is_known(mark) or mark.value > before.value)


def follow(context, view, end, replicas, deadline):
    """Remember how far standbys are, and publish it of those that do not stream. Raises OcfError.

    For the primary. view: cib.Scan; end: the wal.Position of its own; replicas: a list of
    scores.Replica. Only one that has caught up acknowledges commits, so only that counts.
    """
    if not end.timeline:    # a position without one would be less than any other
        return
    known, needed = _remembered(context), marks(view)
    nodes = (set(view.scores) | set(view.online)) - set([context.node])
    here = _streaming(replicas, end.timeline)
    for node in sorted(nodes):
        mark, last = needed.get(node), known.get(node)
        if node in here and not _lacks(here[node], last, end):
            known[node] = here[node]
            if mark is not None and not (
                    is_known(mark) and _lacks(here[node], mark.value, end)):
                context.cluster.publish_acknowledged(node, "", deadline)
        elif last is not None and (mark is None or _is_more(Known(last), mark)):
            context.cluster.publish_acknowledged(node, election.to_vote(Known(last)), deadline)
    if context.node in needed:    # a primary has all there is
        context.cluster.publish_acknowledged(context.node, "", deadline)
    _remember(context, known)    # a node that was removed may be added again


def _lacks(here, needed, end):
    """Return whether a standby that has caught up lacks what it had: wal.Positions, None for none.

    here: on this primary's timeline; end: of this primary's WAL. What is behind that, or on a later
    timeline, was of other data: after pg_upgrade or initdb timelines count from 1 again. What this
    primary's history does not have, none of its standbys can have again.
    """
    return needed is not None and here < needed <= end


def forget(context, view, deadline):
    """Remove what was published, as the primary of an asynchronous cluster. Raises OcfError."""
    context.cluster.notes.remove(notes.ACKNOWLEDGED)
    for node in sorted(view.acknowledged):
        context.cluster.publish_acknowledged(node, "", deadline)


def _streaming(replicas, timeline):
    """Return the wal.Position (dict of name to it) that standbys have flushed which caught up.

    Of two connections of one name, one is broken, and the server has not noticed: the one with less
    counts.
    """
    found, others = {}, set()
    for replica in replicas:
        if replica.state != "streaming" or replica.flushed is None:
            others.add(replica.name)
            continue
        here = wal.Position(timeline, replica.flushed)
        found[replica.name] = min(here, found.get(replica.name, here))
    return dict((name, here) for name, here in found.items() if name not in others)


def _remembered(context):
    """Return what this primary has noted: dict of node to wal.Position. Raises OcfError."""
    found = {}
    for line in context.cluster.notes.read(notes.ACKNOWLEDGED).splitlines():
        text, _, node = line.partition(" ")
        position = wal.from_wire(text)
        if position is not None:
            found[node] = position
    return found


def _remember(context, known):
    text = "\n".join("{0} {1}".format(wal.to_wire(known[node]), node) for node in sorted(known))
    if text != context.cluster.notes.read(notes.ACKNOWLEDGED):
        context.cluster.notes.write(notes.ACKNOWLEDGED, text)
