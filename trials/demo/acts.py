"""The demonstrations. Each takes the lab, and returns what went wrong as a list of sentences.

The docstrings are what the audience reads.
"""

from lab import scenarios
from trials.demo import screen
from lab.tools import wait_until


def standby_recovery(lab):
    """1. Recovery of a standby
    The postmaster of a standby is killed. Pacemaker stops what is left of it and starts it
    again; the primary goes on.
    """
    primary = lab.primary()
    with screen.progress("kill -9, then the monitor's interval"), \
            scenarios.watched(lab, primary=primary) as play:
        victim = scenarios.kill_standby(lab)
    _show(play, f"killed on {victim}")
    return _wrong(play) + _unless(
        play.actions() == [("stop", victim), ("start", victim)],
        f"expected stop and start on {victim}, saw {play.actions()}")


def primary_recovery(lab):
    """2. Recovery of the primary
    The postmaster of the primary is killed. It recovers as a standby, so that nobody writes
    before it is promoted again, where it was.
    """
    with screen.progress("kill -9, then the monitor's interval"), \
            scenarios.watched(lab, primary=lab.primary()) as play:
        victim = scenarios.kill_primary(lab)
    _show(play, f"killed on {victim}")
    expected = [(operation, victim) for operation in ("demote", "stop", "start", "promote")]
    return _wrong(play) + _unless(
        play.actions() == expected,
        f"expected demote, stop, start, promote on {victim}, saw {play.actions()}")


def failover(lab):
    """3. Failover with an election
    The standby with the best score stops hearing from the primary; then the primary's power is
    cut. Pacemaker chooses that standby; the election finds that another one has more.
    """
    with screen.progress("power cut, fencing, election"), \
            scenarios.watched(lab, settled=False) as play:
        old, stale = scenarios.power_cut_with_a_stale_favourite(lab, lab.client(play.run))
        lab.wait_settled(120, online=[name for name in lab.nodes if name != old])
        lab.client(play.run).wait_rows(100)
    new = lab.primary()
    _show(play, f"power cut on {old}; {stale} had the best score, {new} the most WAL")
    return _wrong(play) + _unless(
        new not in (old, stale), f"{new} was promoted, expected neither {old} nor {stale}"
    ) + _bring_back(lab, old)


def switchover(lab):
    """4. Switchover
    The administrator moves the primary. The old one shuts down, starts as a standby, and follows.
    """
    scenarios.wait_for_ranks(lab)
    old, target = lab.primary(), scenarios.ranked_standbys(lab)[0]
    with screen.progress("moving the primary"), scenarios.watched(lab, primary=target) as play:
        scenarios.request_switchover(lab, target)
        lab.wait_settled(120, primary=target)
        scenarios.withdraw_request(lab)
    _show(play, f"moved from {old} to {target}")
    return _wrong(play) + _unless(
        play.actions("demote", "promote") == [("demote", old), ("promote", target)],
        f"expected demote on {old} and promote on {target}, saw {play.actions()}")


def refused_switchover(lab):
    """5. A switchover that is refused
    The target hears nothing any more, so the old primary's shutdown checkpoint does not arrive
    there. It refuses, and the old primary is promoted again.
    """
    scenarios.wait_for_ranks(lab)
    old, target = lab.primary(), scenarios.ranked_standbys(lab)[-1]
    with screen.progress("moving the primary to a deaf standby"), \
            scenarios.watched(lab, primary=old) as play, scenarios.deaf(lab, target):
        reason = scenarios.be_refused(lab, target, old)
    _show(play, f"moving from {old} to {target}: {reason}")
    return _wrong(play) + _unless(
        ("promote", target) not in play.actions(), f"{target} was promoted") + _unless(
        "shutdown checkpoint" in reason, f"the reason shown was \"{reason}\"")


ALL = (standby_recovery, primary_recovery, failover, switchover, refused_switchover)


def _bring_back(lab, old):
    """Wait for the node that lost its power; clone its instance anew if it has diverged."""
    with screen.progress(f"{old} boots again"):
        lab.nodes[old].fence_policy("reboot")
        lab.power_on(old)
        wait_until(lambda: lab.nodes[old].in_recovery() or _failed_start(lab, old), 60,
                   f"{old} to come back, or to say why not", step=0.5)
    if scenarios.is_stopped(lab, old):
        screen.text(f"    {old} stays stopped, as it should: {_failed_start(lab, old)}")
        with screen.progress("the administrator clones it anew"):
            scenarios.rebuild(lab, old)
            lab.wait_settled(120)
    screen.picture(lab.crm_mon())
    return []


def _failed_start(lab, node):
    """Return the line of crm_mon on the failed start of `node`, "" without one."""
    lines = [line for line in lab.crm_mon().splitlines() if f"start on {node} returned" in line]
    return lines[0].strip(" *") if lines else ""


def _show(play, what):
    screen.text("  before:")
    screen.picture(play.before)
    screen.text(f"  what happened: {what}", "  what Pacemaker did:")
    screen.transitions(play.transitions)
    screen.text("  after:")
    screen.picture(play.after)
    screen.outcome(play)


def _wrong(play):
    """Return what must never be, whatever is played."""
    return _unless(not play.client.lost, f"{len(play.client.lost or [])} rows were lost") + _unless(
        not play.two_primaries, f"two primaries: {play.two_primaries}")


def _unless(good, sentence):
    return [] if good else [sentence]
