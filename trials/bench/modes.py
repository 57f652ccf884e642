"""What a run of the benchmark compares: the clusters, and whether they have something to do."""

from dataclasses import dataclass

from trials.bench import beside, clusters, patroni, pgsql

OURS, SYNC, DEFAULT, FAILOVER = "ours", "sync", "sync-default", "failover"
PATRONI, TUNED, ALL = "patroni", "tuned", "all"
KINDS = {OURS: clusters.Cluster, "perl": clusters.PerlCluster, "pgsql": pgsql.PgsqlCluster,
         SYNC: clusters.SynchronousCluster, DEFAULT: clusters.SlowCluster,
         FAILOVER: clusters.FailoverCluster,
         PATRONI: patroni.PatroniCluster, TUNED: patroni.TunedCluster}
#: What this agent is compared with.
PEERS = ("perl", "pgsql", PATRONI, ALL)
#: What --load says for pgbench alone, and for each kind of what goes on beside it.
PLAIN, EACH = "1", "kinds"
#: With pgbench: (name, agents). More nodes than nine need more memory than most machines have.
BUSY = {PATRONI: ("load-patroni", (OURS, FAILOVER, TUNED)),
        ALL: ("load-all", (OURS, FAILOVER, "perl", "pgsql", TUNED)),
        "": ("load", (OURS, "perl", "pgsql"))}
#: What outages are measured of in clusters that are compared for nothing else.
FAULTS = ("switchover", "crash", "power")


@dataclass(frozen=True)
class Mode:
    """agents: names in KINDS, ours first; outages: of outages alone; load: pgbench beside them.

    checkpoint: one before pgbench runs, so that all have as much WAL to replay. kinds: of what
    goes on beside pgbench (see beside), each of which all faults are played with.
    """

    name: str
    agents: tuple
    outages: bool = False
    load: bool = False
    checkpoint: bool = False
    kinds: tuple = ("",)


def of(options):
    """Return the Mode that the command line asks for."""
    if options.sync:
        return Mode("sync", (OURS, SYNC, DEFAULT), outages=True)
    if options.load == EACH:
        return Mode("load-kinds", (OURS, "perl"), outages=True, load=True, checkpoint=True,
                    kinds=beside.KINDS)
    if options.load:
        return Mode(*BUSY.get(options.peer, BUSY[""]), outages=True, load=True,
                    # it asks for one after each promotion
                    checkpoint=options.peer in (PATRONI, ALL))
    if options.peer == ALL:
        return Mode(ALL, (OURS, "perl", "pgsql", PATRONI, TUNED), outages=True)
    if options.peer == PATRONI:
        return Mode(PATRONI, (OURS, PATRONI, TUNED), outages=True)
    return Mode(options.peer, (OURS, options.peer))
