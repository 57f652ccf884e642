"""The demonstrations. Each takes the lab, plays, and returns an Account of what was seen.

The docstrings are what the audience reads. What is wrong is what a correct cluster never does. It
may do one thing or another (an old primary that comes back has diverged, or not): the account says
what it did, and the cluster is whole again before the next act.
"""

from dataclasses import dataclass, field

from lab import outcome, scenarios
from trials.demo import screen


@dataclass
class Account:
    """What was seen of an act; `wrong`: sentences on what should never be."""

    what: str
    play: scenarios.Play
    before: list
    after: list
    wrong: list = field(default_factory=list)
    remarks: list = field(default_factory=list)

    def __post_init__(self):
        lost = self.play.client.lost
        if lost is None:
            self.wrong.append("no primary is left to look for the rows")
        elif lost:
            self.wrong.append(f"{len(lost)} acknowledged rows were lost")
        self.wrong += [f"{one.node} and {other.node} both took writes"
                       for one, other in self.play.two_primaries]

    def need(self, good, sentence):
        """Note what is wrong unless all is good; return the account."""
        if not good:
            self.wrong.append(sentence)
        return self


def standby_recovery(lab):
    """1. Recovery of a standby
    The postmaster of a standby is killed. Pacemaker stops what is left of it and starts it
    again; the primary goes on.
    """
    before, primary = screen.nodes(lab), lab.primary()
    with screen.progress("kill -9, and what follows"), \
            scenarios.watched(lab, primary=primary) as play:
        victim = scenarios.kill_standby(lab)
    account = Account(f"kill -9 of the postmaster on {victim}", play, before, screen.nodes(lab))
    return account.need(not play.actions("demote", "promote"), "the primary was touched").need(
        ("start", victim) in play.actions(), f"{victim} was not started again")


def primary_recovery(lab):
    """2. Recovery of the primary
    The postmaster of the primary is killed. It recovers as a standby, so that no row is written
    before a promotion: here, where it was.
    """
    before = screen.nodes(lab)
    with screen.progress("kill -9, and what follows"), scenarios.watched(lab) as play:
        victim = scenarios.kill_primary(lab)
    account, new = Account(f"kill -9 of the postmaster on {victim}", play, before,
                           screen.nodes(lab)), lab.primary()
    if new != victim:
        account.remarks.append(f"{victim} was not recovered in place: {new} was elected")
    return account.need(("promote", new) in play.actions(), f"{new} writes without a promotion")


def failover(lab):
    """3. Failover with an election
    The standby with the best score stops hearing from the primary; then the primary's power is
    cut. Pacemaker chooses that standby; the election finds that another one has more.
    """
    before = screen.nodes(lab)
    with screen.progress("power cut, fencing, election"), \
            scenarios.watched(lab, settled=False) as play:
        old, stale = scenarios.power_cut_with_a_stale_favourite(lab, lab.client(play.run))
        lab.wait_settled(180, online=[name for name in lab.nodes if name != old])
        lab.client(play.run).wait_rows(100)
    new = lab.primary()
    account = Account(f"power cut on {old}; {stale} had the best score, and lacks rows", play,
                      before, screen.nodes(lab))
    account.need(new not in (old, stale), f"{new} was promoted, expected neither {old} nor {stale}")
    with screen.progress(f"{old} boots again, and takes part again"):
        account.remarks.append(_returned(scenarios.bring_back(lab, old)))
    return account


def _returned(found):
    """Return what happened to the old primary, for the audience."""
    if found.what == outcome.STREAMS:
        return f"{found.node} boots again: it is started as a standby, and streams"
    if found.what == outcome.DIVERGED:
        return (f"{found.node} boots again, and stays stopped ({found.reason}); the administrator "
                "clones it from the primary, and it streams")
    return f"{found.node} boots again: {found}; now it takes part"


def switchover(lab):
    """4. Switchover
    The administrator moves the primary. The old one shuts down, starts as a standby, and follows.
    """
    scenarios.wait_for_ranks(lab)
    before, old, target = screen.nodes(lab), lab.primary(), scenarios.ranked_standbys(lab)[0]
    with screen.progress("moving the primary"), scenarios.watched(lab, primary=target) as play:
        scenarios.request_switchover(lab, target)
        lab.wait_settled(180, primary=target)
        scenarios.withdraw_request(lab)
    account = Account(f"the primary is moved from {old} to {target}", play, before,
                      screen.nodes(lab))
    return account.need(
        play.actions("demote", "promote") == [("demote", old), ("promote", target)],
        f"expected demote on {old} and promote on {target}, saw {play.actions()}")


def refused_switchover(lab):
    """5. A switchover that is refused
    The target receives nothing, so the old primary's last WAL does not arrive there. It is
    refused, and the old primary goes on.
    """
    scenarios.wait_for_ranks(lab)
    before, old, target = screen.nodes(lab), lab.primary(), scenarios.ranked_standbys(lab)[-1]
    with screen.progress("moving the primary to a deaf standby"), \
            scenarios.watched(lab, primary=old) as play, scenarios.deaf(lab, target):
        reason = scenarios.be_refused(lab, target, old)
    account = Account(f"the primary is to move from {old} to {target}, which is deaf", play, before,
                      screen.nodes(lab), remarks=[f"refused: {reason}"])
    return account.need(("promote", target) not in play.actions(), f"{target} was promoted").need(
        reason, "no reason was given")


ALL = (standby_recovery, primary_recovery, failover, switchover, refused_switchover)
