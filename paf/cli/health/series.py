"""The metrics of a node: names, what they mean, values; and their text. Pure.

All are gauges, so that the text is right for OpenMetrics and for the older format that
node_exporter's textfile collector reads. Source: OpenMetrics 1.0; Prometheus, "Exposition formats".
"""

from collections import namedtuple

from paf import VERSION
from paf.cli import configuration
from paf.cli.health import judge, looks
from paf.cli.servers import PASSING
from paf.cli.status import service

#: One value. labels: (name, value) pairs of str; value: int or float.
Value = namedtuple("Value", "name labels value")

#: Each metric: its name, and what it means.
SUCCESS, LOOKED = "paf_look_success", "paf_look_timestamp_seconds"
LOOKED_FOR = "paf_last_failover_looked_for_timestamp_seconds"
OUTAGE, FAILOVER = "paf_last_failover_outage_seconds", "paf_last_failover_timestamp_seconds"
HELP = (
    (SUCCESS, "Whether the last look at the cluster succeeded."),
    (LOOKED, "When the cluster was last looked at with success."),
    ("paf_build_info", "The version of PAF on this node."),
    ("paf_quorum", "Whether this node is in a partition with quorum."),
    ("paf_node_online", "Whether Pacemaker has a node as a member."),
    ("paf_managed", "Whether Pacemaker may act on the resource: no maintenance, no unmanaged."),
    ("paf_promoted", "Whether Pacemaker has the resource promoted on a node."),
    ("paf_promotion_score", "Promotion score of a node."),
    ("paf_failures", "Failures of the resource on a node that Pacemaker counts."),
    ("paf_promoted_timestamp_seconds", "When the resource was promoted on its present node."),
    ("paf_server_expected", "Whether an instance may run on this node."),
    ("paf_server_up", "Whether the server on this node answers."),
    ("paf_server_version", "Version of the primary on this node, as server_version_num."),
    ("paf_in_recovery", "Whether the server on this node is a standby."),
    ("paf_timeline", "Timeline of the server on this node."),
    ("paf_wal_position_bytes", "End of the WAL that this server has written or received."),
    ("paf_replayed_position_bytes", "End of the WAL that this standby has replayed."),
    ("paf_streaming", "Whether WAL streams to this standby."),
    ("paf_lag_bytes", "What this standby has not replayed of the WAL that it knows of."),
    ("paf_heard_seconds", "Time since this standby heard of its primary."),
    ("paf_standby_streaming", "Whether the primary on this node streams to a standby."),
    ("paf_standby_synchronous", "Whether the sync_state of a standby is sync or quorum."),
    ("paf_standby_lag_bytes", "What a standby has not replayed, as the primary knows."),
    ("paf_standby_lag_seconds", "Replay lag of a standby, as the primary measures it."),
    ("paf_commits_need_standbys", "How many standbys each commit waits for."),
    ("paf_commits_waiting", "Sessions that wait for a synchronous standby."),
    ("paf_commits_longest_wait_seconds", "How long the oldest of these has waited."),
    (FAILOVER, "When clients had a primary again after the last failover or switchover."),
    (OUTAGE, "How long clients had no primary then."),
    (LOOKED_FOR, "The promotion whose outage was last looked for in the logs."),
)


def of(facts, said, now, old, named=""):
    """Return the Values (list) of a node.

    facts: looks.Looked; said: looks.SaidOfStandbys or None; now: epoch seconds; old: dict of name
    to float, what the file had before; named: the resource that was asked for, "" for the only
    one. node_exporter reads a file for each, and takes no value of one name and labels twice.
    """
    known, asked = not facts.unknown, (("resource", named),) if named else ()
    looked = now if known else old.get(LOOKED)
    values = [_one(SUCCESS, known, asked), _one(LOOKED, looked, asked),
              Value("paf_build_info", asked + (("version", VERSION),), 1)]
    if known:
        own = (("resource", facts.resource),)
        values += [_one("paf_quorum", facts.quorum, asked)]
        values += list(_of_nodes(facts, own, asked)) + list(_of_server(facts, own))
        values += list(_of_standbys(said, own)) if said else []
    return [item for item in values if item.value is not None]


def _one(name, value, labels=()):
    return Value(name, labels, int(value) if isinstance(value, bool) else value)


def _of_nodes(facts, own, asked):
    """Yield what Pacemaker says, of all nodes; asked: labels of what is of no resource."""
    nodes = [node.get("uname") for node in facts.root.findall("configuration/nodes/node")
             if node.get("uname")]
    counts = failures(facts)
    yield _one("paf_managed", is_managed(facts), own)
    for node in sorted(nodes):
        labels = own + (("node", node),)
        yield _one("paf_node_online", node in facts.view.online, asked + (("node", node),))
        yield _one("paf_promoted", node in facts.promoted, labels)
        yield _one("paf_promotion_score", facts.view.scores.get(node), labels)
        if node in facts.view.online:    # Pacemaker forgets the counts of a node that has left
            yield _one("paf_failures", counts.get(node, 0), labels)
    yield _one("paf_promoted_timestamp_seconds", promoted_at(facts), own)


def is_managed(facts):
    """Return whether Pacemaker may act on the resource (bool), by what is configured.

    None where a rule decides that cannot be judged from the configuration.
    """
    managed = facts.managed
    usual = configuration.boolean(facts.properties.get("is-managed-default"), True)
    if (configuration.is_true(facts.properties.get("maintenance-mode", "false"))
            or configuration.is_true(configuration.meta(managed, "maintenance"))
            or not configuration.boolean(configuration.meta(managed, "is-managed"), usual)
            or set(facts.promoted + [facts.node]).intersection(facts.view.maintenance)):
        return False
    return True if all(configuration.is_certain(managed, name)
                       for name in ("maintenance", "is-managed")) else None


def failures(facts):
    """Return how many failures Pacemaker counts (dict of node to int)."""
    found = {}
    prefix = "fail-count-{0}".format(facts.resource)
    for node, state in configuration.node_states(facts.root):
        for pair in state.findall("transient_attributes/instance_attributes/nvpair"):
            name, value = pair.get("name", ""), pair.get("value", "")
            if name == prefix or name.startswith(prefix + "#"):
                found[node] = found.get(node, 0) + max(0, configuration.points(value))
    return found


def promoted_at(facts):
    """Return when the present primary was promoted (int, epoch seconds); None if not known."""
    if facts.unknown or len(facts.promoted) != 1:
        return None
    moments = [operation.get("last-rc-change", "")
               for node, state in configuration.node_states(facts.root)
               if node == facts.promoted[0]
               for resource in state.findall("lrm/lrm_resources/lrm_resource")
               if resource.get("id", "").partition(":")[0] == facts.resource
               for operation in resource.findall("lrm_rsc_op")
               if operation.get("operation") == "promote" and operation.get("rc-code") == "0"]
    known = [int(moment) for moment in moments if moment.isdigit()]
    return max(known) if known else None


def _of_server(facts, own):
    """Yield what the server on this node answers."""
    server = facts.server
    if server is None and facts.node in facts.barred:
        return    # a node for the quorum alone
    yield _one("paf_server_expected", True, own)
    if server is None and facts.silence == looks.NOT_ASKED:
        return    # it may run
    yield _one("paf_server_up", server is not None, own)
    if server is None:
        return
    yield _one("paf_in_recovery", server.in_recovery, own)
    yield _one("paf_timeline", server.timeline, own)
    yield _one("paf_wal_position_bytes", server.position, own)
    if server.in_recovery:
        yield _one("paf_replayed_position_bytes", server.replayed, own)
        yield _one("paf_streaming", server.streaming, own)
        yield _one("paf_lag_bytes", judge.lag(server), own)
        yield _one("paf_heard_seconds", server.heard, own)


def _of_standbys(said, own):
    """Yield what a primary says of its standbys and its commits."""
    top = said.position
    yield _one("paf_server_version", said.version, own)
    for name, server in sorted(said.standbys.items()):
        if not name or server.state in PASSING:    # hidden from the role; a base backup
            continue
        labels = own + (("standby", name),)
        yield _one("paf_standby_streaming", server.state == "streaming", labels)
        yield _one("paf_standby_synchronous", server.sync in ("sync", "quorum"), labels)
        if top is not None and server.replayed is not None:
            yield _one("paf_standby_lag_bytes", max(0, top - server.replayed), labels)
        yield _one("paf_standby_lag_seconds", server.lag, labels)
    if said.commits is not None:
        yield _one("paf_commits_need_standbys", service.needs(said.commits), own)
        yield _one("paf_commits_waiting", said.commits.waiting, own)
        yield _one("paf_commits_longest_wait_seconds", said.commits.longest, own)


def of_failover(resource, promoted, length, ended):
    """Return the Values (list) of the last failover; None where something is not known.

    promoted: the promotion that was looked for (epoch seconds); length: of the outage, ended: when
    it was over, seconds.
    """
    own = (("resource", resource),)
    found = [_one(LOOKED_FOR, promoted, own), _one(FAILOVER, ended, own), _one(OUTAGE, length, own)]
    return [item for item in found if item.value is not None]


def text(values):
    """Return the Values (list) as OpenMetrics writes them (str)."""
    lines = []
    for name, meaning in HELP:
        found = [item for item in values if item.name == name]
        if not found:
            continue
        lines += ["# HELP {0} {1}".format(name, meaning), "# TYPE {0} gauge".format(name)]
        lines += ["{0}{1} {2}".format(name, _labels(item.labels), _number(item.value))
                  for item in found]
    return "\n".join(lines + ["# EOF"]) + "\n"


def _labels(pairs):
    inside = ",".join("{0}=\"{1}\"".format(name, _escaped(value)) for name, value in pairs)
    return "{{{0}}}".format(inside) if inside else ""


def _escaped(value):
    return value.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n")


def _number(value):
    return "{0:.3f}".format(value) if isinstance(value, float) else str(value)
