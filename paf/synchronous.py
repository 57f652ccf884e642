"""What a primary publishes of its synchronous standbys, so that it outlives the primary.

A wider rule is published as soon as a monitor sees it, a narrower one only once it holds: when its
standbys have flushed all that was written before.
"""

from collections import namedtuple

from paf import acknowledged, holders
from paf.cluster import notes
from paf.decide import quorum, scores, wal
from paf.decide.knowledge import Known, is_known
from paf.ocf import is_number

_SEEN = "seen"

#: What a monitor sees: synchronous_standby_names, as text and as a quorum.Rule; the epoch (int) of
#: what this node publishes; end, flushed: as in `keep`.
_Sight = namedtuple("_Sight", "setting wanted epoch end flushed")


def steps(context, view, row, replicas, timeline, deadline):
    """Yield what a primary has to do for elections, each a function without arguments.

    view: cib.Scan; row: the first one of queries.monitor; replicas: a list of scores.Replica;
    timeline: of the primary (int). Last words of nodes that stream again are removed.
    """
    flushed = _flushed(replicas)
    for node in sorted(view.last_words):
        # a connection that asks, or copies, may have the name of a node whose server is stopped
        if flushed.get(node) is not None or node == context.node:
            yield lambda node=node: context.cluster.forget_last_words(node, deadline)
    setting, end = row[3], row[4]
    if (setting.strip() or view.rules or view.copies) and end:
        yield lambda: keep(context, view, setting, int(end), flushed, deadline)
        place = wal.Position(timeline, int(end))
        yield lambda: acknowledged.follow(context, view, place, replicas, deadline)
    elif view.acknowledged and end:    # without the end of its WAL the server has not said anything
        yield lambda: acknowledged.forget(context, view, deadline)


def _flushed(replicas):
    """Return what standbys have flushed (dict of name to int, None for one that does not say so).

    A name can occur twice: as long as the server has not noticed that a connection broke, or where
    another program uses it. The one with less counts.
    """
    found = {}
    for replica in replicas:
        flushed = found.get(replica.name, replica.flushed)
        found[replica.name] = None if None in (flushed, replica.flushed) else min(
            flushed, replica.flushed)
    return found


def keep(context, view, setting, end, flushed, deadline):
    """Bring the published rule up to date, as the primary. Raises OcfError.

    view: cib.Scan; setting: synchronous_standby_names; end: of the primary's WAL (int bytes);
    flushed: dict of standby to the LSN (int) that it has flushed, None where it did not say so.
    """
    wanted = quorum.parse(setting)
    if not is_known(wanted):    # whatever streams may acknowledge commits
        context.log.warning(wanted.reason)
        wanted = Known(quorum.ANY)
    entries, bad = holders.entries_of(view)
    _, last = quorum.last_primary(entries, view.scores, scores.PRIMARY)
    said = quorum.from_wire(view.rules.get(context.node, ""))
    mine = said.value if is_known(said) else None
    wanted = _with_seen(wanted.value, view, context.node, flushed, mine)
    if last is None or mine is None or mine.epoch < last.epoch or (
            mine.epoch == quorum.FORMER):
        rule = quorum.join(last.rule if last else None, wanted)
        if bad:    # what cannot be understood may ask for any standby
            rule = quorum.join(rule, quorum.ANY)
        epoch = last.epoch + 1 if last else 1
        _publish(context, view, rule and quorum.Entry(epoch, rule), deadline)
        return
    if mine.rule == wanted:
        context.cluster.notes.remove(notes.NARROWER)
        _copy(context, view, mine, deadline)
    elif wanted is not None and (not quorum.covers(mine.rule, wanted)
                                 or set(wanted.names) - set(mine.rule.names)):
        entry = quorum.Entry(mine.epoch, quorum.join(mine.rule, wanted))
        _publish(context, view, entry, deadline)
        return
    elif _is_confirmed(context, _Sight(setting, wanted, mine.epoch, end, flushed)):
        _publish(context, view, wanted and quorum.Entry(mine.epoch, wanted), deadline)
    else:
        _copy(context, view, mine, deadline)
        return
    _retire(context, view.rules, wanted, flushed, deadline)


def _publish(context, view, entry, deadline):
    """Publish an Entry, None for no rule, and copies of it. Raises OcfError.

    The note goes first: one that is left would have the same narrower rule hold at once, next time.
    A copy that is left would ask for what no primary says.
    """
    context.cluster.notes.remove(notes.NARROWER)
    if entry is None:
        _copy(context, view, None, deadline)
    context.cluster.publish_rule(context.node, entry, deadline)
    if entry is not None:
        _copy(context, view, entry, deadline)


def _copy(context, view, entry, deadline):
    """Keep a copy of this primary's Entry at all other nodes, None for none. Raises OcfError."""
    text = quorum.copy_to_wire(context.node, entry) if entry else ""
    for node in sorted(set(view.scores) | set(view.online) | set(view.copies)):
        wanted = "" if node == context.node else text
        if view.copies.get(node, "") != wanted:
            context.cluster.publish_copy(node, wanted, deadline)


def _with_seen(rule, view, me, flushed, mine):
    """Return the Rule; with "*", the standbys that it has taken in are among its names.

    me: this primary; flushed: as in `keep`; mine: its quorum.Entry. Nodes stay once they were seen,
    what is no node of the cluster (a backup) as long as it streams. An instance that runs can
    stream, and acknowledge commits, before the next monitor.
    """
    if rule is None or quorum.ALL not in rule.names:
        return rule
    names = set(rule.names) | set(name.lower() for name, lsn in flushed.items() if lsn is not None)
    names |= set(node.lower() for node in view.running if node != me)
    if mine and quorum.ALL in mine.rule.names:
        nodes = set(node.lower() for node in set(view.scores) | set(view.online))
        names |= nodes & set(mine.rule.names)
    return quorum.Rule(rule.number, tuple(sorted(names)))


def _is_confirmed(context, sight):
    """Return True once the narrower Rule holds.

    A monitor sees it, then WAL senders have the time to the next monitor to load the setting; what
    was written until that one has to be on the new standbys when a third one looks. What was seen
    under another epoch does not count: another node was the primary since.
    """
    since, _, text = context.cluster.notes.read(notes.NARROWER).partition(" ")
    current = "{0} {1}".format(sight.epoch, sight.setting)
    if not since or text != current:
        context.cluster.notes.write(notes.NARROWER, "{0} {1}".format(_SEEN, current))
        return False
    if since == _SEEN:
        context.cluster.notes.write(notes.NARROWER, "{0} {1}".format(sight.end, current))
        return False
    return is_number(since) and quorum.is_confirmed(sight.wanted, int(since), sight.flushed)


def _retire(context, rules, wanted, flushed, deadline):
    """Take back what former primaries have published, with this primary's own rule. OcfError.

    Arguments as of `_over`. What stays would be the last primary's, were this one removed.
    """
    over = _over(rules, wanted, flushed)
    _remove(context, over - set([context.node]), deadline)
    former = quorum.Entry(quorum.FORMER, wanted)
    for node in sorted(set(rules) - over - set([context.node])):
        if rules[node] != quorum.to_wire(former):
            context.cluster.publish_rule(node, former, deadline)


def _over(rules, wanted, flushed):
    """Return the nodes (a set) whose rules are no longer needed, with this primary's own.

    rules: dict of node to what it published (str); wanted: the Rule of this primary; flushed: as in
    `keep`. A node that does not follow keeps one, as a former primary. No other fact shows, after a
    cold start, that its newest timeline may be one of its own: see timelines.ownership.
    """
    return set(node for node, text in rules.items() if wanted is None
               or not is_known(quorum.from_wire(text)) or flushed.get(node) is not None)


def _remove(context, nodes, deadline):
    """Remove what these nodes published. Raises OcfError."""
    for node in sorted(nodes):
        context.cluster.publish_rule(node, None, deadline)
