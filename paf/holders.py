"""Who may hold a commit that was acknowledged, and cannot be asked for it.

What a candidate looks at before it is promoted: the rules of synchronous standbys, its own and the
one that the last primary published; last words of nodes that do not vote; and which instances have
less now than they may have acknowledged.
"""

from paf import ocf
from paf.cluster import notes
from paf.decide import election, quorum, scores, transition
from paf.decide.knowledge import Known, Unknown, is_known


def judge(context, where, view, node, mine):
    """Return the election.Decision on what others may hold, for a candidate at `mine`.

    node: the candidate (str): this one, or one that is ahead of it; mine: its wal.Position.
    """
    rules, primary, published, doubt = _rules(context, where, view)
    if doubt:
        return election.Decision(False, doubt, None, (), (context.node,))
    voters = transition.voters(context.notification)
    words = last_words(view)
    if primary in words and is_known(words[primary]) and _ran_since(words[primary].value, mine):
        words = dict((name, Unknown("{0} has run since".format(primary))) for name in words)
    left = _left_by_primary(view, primary, mine, words, voters)
    if left:
        return left
    heard = set(voters) | set([context.node])
    words = dict((name, fact) for name, fact in words.items() if name not in voters)
    everywhere = sorted(set(view.scores) | set(view.online) | set(view.acknowledged))
    idle = set(view.online) - set(view.running) - heard - set(view.acknowledged)
    nodes = quorum.taken_in(published, everywhere, idle)
    promoted = set(view.scores) | set(view.online) - idle    # perhaps: a promotion leaves a score
    suspects = [primary] if primary else quorum.suspects(
        entries_of(view)[0], view.scores, scores.PRIMARY, promoted)
    back = _set_back(context, where, view, words) if rules else set()
    for suspect in suspects if rules else ():
        if suspect == primary or view.scores.get(suspect, 0) >= scores.PRIMARY:
            back |= _outrun(context, suspect, node, mine)
    for suspect in suspects:
        decision = election.check_absent(node, mine, rules, suspect, heard, words, nodes, back)
        if not decision.promote:
            break
    return decision


def _ran_since(words, mine):
    """Return whether the last primary has run since it left its last words, without the cluster.

    words, mine: wal.Positions. Nothing else writes WAL behind the end of its shutdown checkpoint,
    on its timeline. Standbys were run then as well, perhaps, and their last words are as old.
    """
    return mine.timeline == words.timeline and mine.lsn > words.lsn


def _set_back(context, where, view, words):
    """Return the nodes (a set) that say where they are, and may have less than they acknowledged.

    words: last words of those that do not vote, dict of node to Fact. Who was asked through its
    database port, and was not seen by a primary since its start, is among them.
    """
    if not view.acknowledged:
        return set()
    voters = transition.voters(context.notification)
    votes = dict(words, **context.cluster.positions(voters, context.deadline))
    votes[context.node] = where.position
    said = set(votes) | set(voters)
    return election.set_back(dict((node, fact) for node, fact in marks(view).items()
                                  if node in said), votes)


def _outrun(context, primary, node, mine):
    """Return a set with a last primary if it votes, and has less of its timeline than `node`.

    It was set back then, and does not have all that it acknowledged: see election.decide. mine: the
    wal.Position of the candidate `node`. One that is demoted just now has not been away.
    """
    if primary == node or primary not in transition.voters(context.notification) or (
            primary in transition.nodes(context.notification.promoted)):
        return set()
    fact = context.cluster.positions([primary], context.deadline).get(primary)
    less = fact is not None and is_known(fact) and (
        fact.value.timeline == mine.timeline and fact.value.lsn < mine.lsn)
    return set([primary]) if less else set()


def marks(view):
    """Return what instances may have acknowledged, by a cib.Scan: dict of node to Fact."""
    facts = dict((node, election.from_vote(text)) for node, text in view.acknowledged.items())
    return dict((node, Unknown("cannot be understood") if fact is None else fact)
                for node, fact in facts.items())


def _left_by_primary(view, primary, mine, words, voters):
    """Return the election.Decision on a last primary that was stopped cleanly, ahead; or None.

    Whatever Pacemaker's lists say: the change of its last words aborts the transition that moves
    it, and the next one no longer knows a primary. And scores may not name it: one that was
    stopped on a later timeline than the candidate's followed, or was, a later primary.
    """
    for node in sorted(words):
        if node not in voters and (
                node == primary or view.scores.get(node, 0) >= scores.PRIMARY
                or is_known(words[node]) and words[node].value.timeline > mine.timeline):
            reason = election.check_move(node, mine, words)
            if reason:
                return election.Decision(False, "{0}; start {1}, or accept the loss: "
                                         "paf promote".format(reason, node), None, (), (node,))
    return None


def last_words(view):
    """Return the last words in a cib.Scan: dict of node to the Fact of its wal.Position."""
    facts = dict((node, election.from_vote(text)) for node, text in view.last_words.items())
    return dict((node, Unknown("its last words cannot be understood") if fact is None else fact)
                for node, fact in facts.items())


def _rules(context, where, view):
    """Return ([(Rule, source)], last primary, its Rule, doubt) that decide who may hold a commit.

    doubt: why the rules are not known (str), None where they are. The primary and what it published
    are None where they are not known.
    """
    entries, bad = entries_of(view)
    if bad:
        return [], None, None, bad
    own = _own_rule(context, where)
    if not is_known(own):
        return [], None, None, "cannot find out which standbys acknowledge commits: {0}".format(
            own.reason)
    primary, entry = last_primary(context, view, entries)
    rules = [(entry.rule, "synchronous_standby_names of the last primary")] if entry else []
    if own.value:
        rules.append((own.value, "synchronous_standby_names"))
    return rules, primary, entry.rule if entry and primary else None, None


def last_primary(context, view, entries):
    """Return (node, quorum.Entry) of the last primary, None for what is not known."""
    primary, entry = quorum.last_primary(entries, view.scores, scores.PRIMARY)
    # the very first start, of what was shut down as a primary: the CIB has no other node's traces,
    # but it has none of nodes that were removed either
    if (primary is None and set(view.scores) | set(entries) <= set([context.node])
            and view.scores.get(context.node, scores.FIRST) > 0
            and context.cluster.notes.read(notes.ORIGIN)):
        primary = context.node
    return primary, entry


def entries_of(view):
    """Return ({node: quorum.Entry}, why one of them cannot be understood or None).

    Also those of nodes that were removed from the cluster, of which others keep a copy.
    """
    facts = dict((node, quorum.from_wire(text)) for node, text in view.rules.items())
    copies = [quorum.copy_from_wire(text) for _, text in sorted(view.copies.items())]
    bad = [fact.reason for fact in list(facts.values()) + copies if not is_known(fact)]
    entries = dict((node, fact.value) for node, fact in facts.items() if is_known(fact))
    return quorum.with_copies(entries, [fact.value for fact in copies if is_known(fact)]), (
        bad[0] if bad else None)


def _own_rule(context, where):
    """Return the Fact of the quorum.Rule in this node's own configuration."""
    if is_known(where.synchronous):
        return quorum.parse(where.synchronous.value)
    from paf.instance import settings
    try:
        return quorum.parse(settings.read(context.instance, "synchronous_standby_names",
                                          context.deadline))
    except ocf.OcfError as error:
        return Unknown(str(error))


def prepare_rule(context, where, view):
    """Note the rule that this candidate has to publish before it takes writes. Raises OcfError.

    It covers the last primary's as well: what was acknowledged then may be on this node and on
    those that are away. The primary's monitor narrows it once that is over. Where a rule is not
    known, which only an accepted loss gets past, any standby may acknowledge commits.
    """
    entries, bad = entries_of(view)
    own = _own_rule(context, where)
    if bad or not is_known(own):
        own = Known(quorum.ANY)
    highest = max([entry.epoch for entry in entries.values()] or [0])
    _, last = quorum.last_primary(entries, view.scores, scores.PRIMARY)
    rule = quorum.join(last.rule if last else None, own.value)
    mine = entries.get(context.node)
    alone = [entry.epoch for entry in entries.values()].count(highest) == 1
    if rule is None or (mine and mine.rule == rule and mine.epoch == highest and alone
                        and highest != quorum.FORMER):
        context.cluster.notes.remove(notes.RULE)
        return
    if mine is None and not bad and is_known(where.position):
        context.cluster.notes.write(notes.FOLLOWED, str(where.position.value.timeline))
    context.cluster.notes.write(notes.RULE, quorum.to_wire(quorum.Entry(highest + 1, rule)))


def publish_rule(context):
    """Publish what `prepare_rule` noted, before the first write. Raises OcfError."""
    text = context.cluster.notes.read(notes.RULE)
    if not text:
        return
    fact = quorum.from_wire(text)
    if not is_known(fact):
        raise ocf.OcfError("cannot publish which standbys acknowledge commits: {0}".format(
            fact.reason))
    context.cluster.publish_rule(context.node, fact.value, context.deadline)
    context.cluster.notes.remove(notes.RULE)


def confirm(context):
    """Note that the rule which this node has published is that of a primary."""
    try:
        context.cluster.notes.remove(notes.FOLLOWED)
    except ocf.OcfError as error:    # its timeline shows the same
        context.log.warning(str(error))


def has_own_rule(context, view, timeline):
    """Return whether this node has published a rule as a primary of its newest timeline (int).

    Not where it did so to be promoted, as a standby that had none, and its timeline shows that it
    was not: a promotion begins another one. view: cib.Scan.
    """
    if context.node not in view.rules:
        return False
    followed = context.cluster.notes.read(notes.FOLLOWED)
    return not (followed.isdigit() and 0 < timeline <= int(followed))
