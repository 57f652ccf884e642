"""What a node answers to a load balancer: yes, or no with the reason. Pure.

Each question takes looks.Looked and returns (whether it is so, one line of reason). What is not
known is a no: a load balancer that leaves out a good node costs less than one that sends writes to
a wrong one. No reason has a password, an address or a text that a program printed.
"""

from paf.cli.health.answers import Answers
from paf.decide import quorum
from paf.decide.knowledge import is_known

#: Seconds without a message of the primary after which the lag behind it is not known. A standby
#: asks for one after half of wal_receiver_timeout, which is 60 s by default.
SILENCE = 60.0


def _doubt(facts):
    """Return why nothing can be said of this node; "" if that is not so."""
    if facts.unknown:
        return facts.unknown
    if facts.quorum is None:
        return "not known whether this node has quorum"
    if not facts.quorum:
        return "no quorum"
    if facts.node not in facts.view.online:
        return "Pacemaker does not have {0} as a member".format(facts.node)
    if facts.server is None:
        return "the server {0}".format(facts.silence)
    return ""


def primary(facts):
    """Is this the primary, by its own word and by Pacemaker's?"""
    doubt = _doubt(facts)
    if doubt:
        return False, doubt
    if facts.server.in_recovery:
        return False, "{0} is a standby".format(facts.node)
    others = [node for node in facts.promoted if node != facts.node]
    if others:
        return False, "Pacemaker has promoted {0}".format(" and ".join(others))
    if facts.node not in facts.promoted:
        return False, "{0} takes writes, but Pacemaker has not promoted it".format(facts.node)
    return True, "{0} is the primary of {1}, timeline {2}".format(
        facts.node, facts.resource, _shown(facts.server.timeline))


def replica(facts):
    """Is this a standby that streams?"""
    doubt = _doubt(facts) or _not_replica(facts)
    if doubt:
        return False, doubt
    return True, "{0} is a standby of {1}, timeline {2}, lag {3} bytes".format(
        facts.node, facts.resource, _shown(facts.server.timeline), _shown(lag(facts.server)))


def _not_replica(facts):
    if not facts.server.in_recovery:
        return "{0} is not a standby".format(facts.node)
    if facts.node in facts.promoted:
        return "{0} is in recovery, though Pacemaker has promoted it".format(facts.node)
    if facts.node not in facts.view.running:
        return "Pacemaker does not run {0} on {1}".format(facts.resource, facts.node)
    if not facts.server.streaming:
        return "{0} {1}".format(
            facts.node, "does not stream" if facts.server.streaming is False else
            "does not say whether it streams")
    return ""


def lag(server):
    """Return how far a standby is behind its primary (int, bytes); None where it is not known.

    server: looks.Local. Counted to the end of the primary's WAL as the standby heard of it last.
    """
    if not server.streaming or server.replayed is None or server.seen is None:
        return None
    if server.heard is None or server.heard > SILENCE:
        return None
    return max(0, server.seen - server.replayed)


def sync(facts):
    """Is this a standby that every commit waits for?"""
    good, text = replica(facts)
    if not good:
        return good, text
    if len(facts.promoted) != 1:
        return False, "not known which node is the primary"
    rule = quorum.from_wire(facts.view.rules.get(facts.promoted[0], ""))
    if not is_known(rule):
        return False, "commits wait for no standby, or the primary has not published for which"
    number, names = rule.value.rule
    # a primary that is named, as all nodes should be, is no standby of its own
    able = quorum.holders(rule.value.rule, facts.promoted[0], ())
    if quorum.ALL not in names and facts.node.lower() not in able:
        return False, "commits do not wait for {0}".format(facts.node)
    if quorum.ALL in names or number < len(able):
        return False, "commits wait for {0} of several standbys, {1} among them".format(
            number, facts.node)
    return True, "commits wait for {0}".format(facts.node)


def health(facts):
    """Does the server run, in the role that Pacemaker knows?"""
    doubt = _doubt(facts)
    if doubt:
        return False, doubt
    if facts.server.in_recovery:
        doubt = _not_replica(facts)
        return not doubt, doubt or "{0} is a standby of {1}".format(facts.node, facts.resource)
    return primary(facts)


def _shown(value):
    return "not known" if value is None else value


_QUESTIONS = {"/primary": primary, "/replica": replica, "/sync": sync, "/health": health}


def answers(facts):
    """Return the Answers to all questions."""
    return Answers(facts.node, lag(facts.server) if facts.server else None,
                   dict((question, judge(facts)) for question, judge in _QUESTIONS.items()))
