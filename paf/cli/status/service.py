"""Is it up? Rules about the primary, its address and its commits. Pure."""

import re

from paf import variant
from paf.cli import configuration, finding
from paf.cli.servers import NO_WAIT, REPLAY_PAUSED
from paf.cli.status import votequorum
from paf.cli.status.concern import UP, concern, unknown
from paf.cli.view import OFFLINE, UNCLEAN

#: A standby's sync_state, if commits wait for it or can do so.
SYNCHRONOUS = ("sync", "quorum", "potential")
STREAMING, _APPLIED = "streaming", "remote_apply"


def primaries(found, seen, configured, managed, facts):
    """There is one primary, and its server takes writes."""
    if len(found["primaries"]) > 1:
        yield concern(
            "two-primaries", UP,
            "{0} are primaries at once".format(" and ".join(found["primaries"])),
            "both take writes, and only one of them keeps what it takes")
    elif not found["primaries"]:
        yield _without(facts, seen.pending, managed.name, _reasons(found["nodes"]),
                       configuration.against_primary(configured, managed))
    else:
        node = [item for item in found["nodes"] if item["node"] == found["primary"]][0]
        if is_lost(node):
            yield concern(
                "primary-lost", UP, "the primary's node {0} is {1}: {2}".format(
                    node["node"], node["membership"],
                    "it is to be fenced" if node["heard"] else "the others do not hear it"),
                "Pacemaker promotes another node when it is sure that {0} is off, and only with "
                "quorum; if it is not, the server there may still be writing".format(node["node"]))
        elif node["role"] == "standby":
            yield concern("primary-in-recovery", UP, "the server on {0} is in recovery, though "
                          "Pacemaker has promoted it".format(node["node"]), "it takes no writes")
        elif node["in_recovery"] is None:
            why = facts.silence.get(node["node"], "")
            yield unknown(
                "primary-not-asked", UP, "the server on {0} could not be asked whether it takes "
                "writes{1}".format(node["node"], ": " * bool(why) + why),
                "its log says more" if why else
                "run paf status as root, on that node; or let the role of primary_conninfo connect "
                "to the database postgres, as a member of pg_monitor")


def is_lost(row):
    """Return whether the node of a row of the report is lost to this partition; pure.

    It is no member, or has to be fenced. Pacemaker has the instance there in its last role until
    that is done.
    """
    return row["membership"] in (OFFLINE, UNCLEAN)


def _reasons(rows):
    """Return where it is said why no node is promoted (str), by the rows of the report."""
    if any(row["not_promoted_because"] or row["failures"] for row in rows):
        return "the reasons are beside the nodes"
    return "no agent says why: see paf check, and the agents in Pacemaker's log on each node"


def _without(facts, pending, resource, reasons, constraints):
    """Return the Concern about a cluster without a primary.

    pending: what Pacemaker is doing (view.View); reasons: where they are (str); constraints: ids of
    those that may keep the primary off some node. The scheduler plans nothing that is under way
    already.
    """
    for action in ("Promoting", "Demoting"):
        if "{0} {1}".format(action, resource) in pending:
            return concern("no-primary", UP, "no node is promoted", "Pacemaker is {0} an instance "
                           "at this moment: look again".format(action.lower()))
    if facts.outcome.unknown:
        return concern("no-primary", UP, "no node is promoted", facts.outcome.unknown)
    if facts.outcome.promoted:
        return concern(
            "no-primary", UP, "no node is promoted", "Pacemaker means to promote "
            "{0}".format(facts.outcome.promoted))
    return concern(
        "no-primary", UP, "no node is promoted", "Pacemaker would promote none now: {0}{1}".format(
            reasons, "; constraints that may forbid it: {0}".format(
                ", ".join(constraints)) if constraints else ""))


def members(found, seen, configured, managed, facts):
    """This partition has quorum and a manager."""
    if not seen.dc:
        yield unknown("no-dc", UP, "the nodes have not elected a manager (DC) yet",
                      "for the moment Pacemaker does nothing")
    elif not seen.quorum:
        yield concern("no-quorum", UP, "this partition has no quorum",
                      _waited_for(found) if votequorum.is_waiting(facts.votes) else
                      _policy(configured))


#: What becomes of a partition without quorum, by no-quorum-policy.
_POLICIES = {
    "ignore": "no-quorum-policy is ignore: its primary runs on, and so may that of the others",
    "freeze": "no-quorum-policy is freeze: its primary runs on, and what it takes is lost if the "
              "others promote another one",
    "demote": "no-quorum-policy is demote: Pacemaker demotes its primary, and promotes none",
    "fence": "Pacemaker fences the nodes of a partition without quorum",
    "suicide": "Pacemaker fences the nodes of a partition without quorum"}


def _policy(configured):
    """Return what Pacemaker does with a partition without quorum (str)."""
    if "no-quorum-policy" in configured.uncertain:
        return "what Pacemaker does with it is not known: a rule decides on no-quorum-policy"
    return _POLICIES.get(configured.properties.get("no-quorum-policy", "").lower(),
                         "Pacemaker stops the resources of a partition without quorum")


def _waited_for(found):
    return "corosync has not seen all nodes since its start (wait_for_all): start {0}. The data " \
           "here may be older than those there: {1}/fencing.md, Quorum, has what to do if that " \
           "cannot be".format(", ".join(row["node"] for row in found["nodes"] if is_lost(row)),
                              variant.PAGES)


def addresses(found, seen, configured, managed, facts):
    """The address is where the primary is."""
    for vip in found["vips"]:
        if len(vip["nodes"]) > 1:
            yield concern("address-twice", UP, "the address {0} {1} is on {2} at once".format(
                vip["name"], vip["address"], " and ".join(vip["nodes"])),
                "clients that use it reach one node or another")
        elif vip["node"] is None:
            disabled = _disabled(configured, vip["name"])
            yield concern("address-down", UP, "the address {0} {1} is on no node{2}".format(
                vip["name"], vip["address"], ": {0} is disabled (target-role=Stopped)".format(
                    disabled) if disabled else ""), "clients that use it reach no server",
                finding.enabled(disabled, "resource") if disabled else ((), ()))
        elif found["primary"] and vip["node"] != found["primary"]:
            yield concern(
                "address-elsewhere", UP, "the address {0} {1} is on {2}, the primary on {3}".format(
                    vip["name"], vip["address"], vip["node"], found["primary"]),
                "clients that use it reach a standby")


def _disabled(configured, name):
    """Return which of an address (its id) and what is around it is disabled; "" for none."""
    address, = [vip for vip in configured.vips if vip.name == name]
    for ident in reversed(configuration.place_of(address)):
        for element in configured.root.findall("configuration/resources//*"):
            if element.get("id") == ident and any(
                    pair.get("name") == "target-role" and pair.get("value", "").lower() == "stopped"
                    for pair in element.findall("meta_attributes/nvpair")):
                return ident
    return ""


def commits(found, seen, configured, managed, facts):
    """Commits do not wait for a synchronous standby that is not there."""
    known = facts.commits
    if known is None and any(row["node"] == found["primary"] and row["in_recovery"] is False
                             for row in found["nodes"]):
        yield unknown("commits-unknown", UP, "whether commits wait for a synchronous standby is "
                      "not known", "the role of primary_conninfo has to be a member of pg_monitor; "
                      "or run paf status as root, on the primary's node")
    if known is None or not known.names.strip():
        return
    number = needs(known)
    rows = dict((node["node"], node["state"]) for node in found["nodes"])
    # a standby need not be a node; what the primary still lists of a node that is off is old
    answers = [is_connected(rows.get(name, STREAMING), known.level)
               for name, server in facts.known.items() if is_streaming(server)]
    streaming = [answer for answer in answers if answer]
    if len(streaming) < number <= len(streaming) + answers.count(None):
        yield unknown("commits-unknown", UP, "whether commits wait for a standby whose replay is "
                      "paused is not known", "this session has a synchronous_commit of its own; "
                      "with remote_apply they do")
    elif len(streaming) < number:
        yield concern(
            "commits-wait", UP,
            "commits wait: synchronous_standby_names asks for {0} standby{1}, {2} of its standbys "
            "stream{3}".format(number, "" if number == 1 else "s", len(streaming) or "none",
                               _waiters(known)),
            "each commit waits until a synchronous standby has it: start one, or name in "
            "synchronous_standby_names only standbys that are there")
    elif known.waiting and known.longest and known.longest > 5:
        yield concern(
            "commits-wait", UP,
            "commits wait for a synchronous standby{0}".format(_waiters(known)),
            "a synchronous standby streams, and does not acknowledge: look at its log")


def is_connected(state, level):
    """Return whether a standby in a state (str) acknowledges commits; level: synchronous_commit.

    Its own answer may be that replay is paused: it receives WAL then, and applies none. None where
    the level is not known.
    """
    if state != REPLAY_PAUSED:
        return state == STREAMING
    return None if level is None else level != _APPLIED


def is_streaming(server):
    """Return whether a synchronous standby (servers.Server) streams, by what its primary says."""
    return server.state == STREAMING and server.sync in SYNCHRONOUS


def _waiters(known):
    if not known.waiting:
        return ""
    return "; {0} session{1} waiting, the longest for {2:.0f} s".format(
        known.waiting, "" if known.waiting == 1 else "s", known.longest or 0)


def needs(commits):
    """Return how many standbys each commit waits for by default (int), by servers.Commits.

    Where synchronous_commit is not known, as many as synchronous_standby_names asks for.
    """
    return needed(commits.names, commits.level)


def needed(names, level):
    """Return the same by synchronous_standby_names and synchronous_commit (str, None unknown)."""
    return 0 if level in NO_WAIT else wanted(names)


def wanted(names):
    """Return how many standbys synchronous_standby_names (str) asks for, for each commit."""
    found = re.match(r"\s*(?:(?:first|any)\s+)?(\d+)\s*\(", names, re.IGNORECASE)
    return int(found.group(1)) if found else 1 if names.strip() else 0
