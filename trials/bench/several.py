"""The tables and the pages that are made of the outages of several clusters, in one run."""

import statistics

from trials.bench import page, picture
from trials.bench.modes import KINDS
from trials.bench.targets import ratio, samples

_CLIENT = """Three nodes in namespaces on one machine, token 1 s, monitors every 15 and 16 s, a
client that writes a row every 5 ms through the virtual IP, and tries another connection where the
network does not answer within 30 ms, or the server after an error within 100 ms."""
_PATRONI = """Patroni and etcd are those of Debian 12, with a member of etcd on each node, and no
Pacemaker. pg_rewind is used, as the package's configuration has it. "Tuned" is the least that
[Patroni's documentation](https://patroni.readthedocs.io/en/latest/dynamic_configuration.html)
allows: `ttl` 20 s (30 s where nothing is set), `loop_wait` 1 s (10 s), `retry_timeout` 3 s (10 s).
`primary_start_timeout` is left at 300 s, so that a crashed primary is recovered where it is, as
this agent does. With 0 it is a failover, which may lose commits with asynchronous replication.
Patroni finds a crash in its next loop, up to `loop_wait` later. Where in the loop a crash is played
depends on what was played before: the runs do not show the whole range.

Patroni has no virtual address: its callbacks set and remove it. It calls them once it has asked the
server to promote itself, so that the address costs little: the first row was acknowledged 3 to
28 ms after the server was ready.
Patroni's outages have no phases: those are from Pacemaker's logs. After a power cut Patroni waits
for the leader's lease to end, `ttl` after it was last renewed, and 2 s for an answer of the lost
node; this agent waits until the lost node is fenced."""
_PGSQL = """The pgsql agent runs with `rep_mode=sync` and `migration-threshold=1`, so that a
standby takes over after a crash: with `async` and three nodes or more it gives no standby a score
while there is a primary. One of its standbys is synchronous. What it leaves stopped after a fault,
and after each switchover, is started again before the next."""
_BUSY = """Besides the client that the outage is measured with, `pgbench` writes with 16 clients,
scale 30, from 20 s before the fault on. It is started again when it has lost its sessions, and says
once a second how much it did, so that its times are those of whole seconds. Checkpoints are 15
minutes apart, and one is made before pgbench starts, so that a crash leaves all of them as much to
replay: Patroni asks for a checkpoint after each promotion, the others do not. `shared_buffers` is
512 MB."""
_INTRODUCTIONS = {
    "load-kinds": f"""# Outages of busy databases, with sessions, long transactions or lag

Made by `make bench LOAD=kinds`: this agent and Debian's package of the Perl agent in the same lab,
each with a cluster of its own, in turn. {_BUSY}

* *450 sessions*: 400 that do nothing, and 50 clients of pgbench instead of 16.
* *long transactions*: on the primary one that has written and stays open, on each standby a query
  that does not end.
* *500 MB to replay*: the replay of both standbys is paused, with that much WAL before it.""",
    "sync": """# Outages of synchronous clusters

Made by `make bench SYNC=1`: this agent with asynchronous replication, and with
`synchronous_standby_names = 'ANY 1 (srv1, srv2, srv3)'`, in the same lab, each with a cluster of
its own, in turn. There a client has its answer only when one of the standbys has found the new
primary. How long a standby waits after it did not is `wal_retrieve_retry_interval`: 500 ms in the
first two, as the quick starts set it, PostgreSQL's default of 5 s in the last.

A standby's attempt to connect that began before the address had moved gets no answer, and TCP
repeats it after a second (seen: SYN-SENT for 0.8 to 2.0 s). The agent ends such an attempt as soon
as the address answers ([Configuration](configuration.md#synchronous-replication)).""",
    "load": """# Outages of busy databases

Made by `make bench LOAD=1`: this agent, Debian's package of the Perl agent, and that of
resource-agents in the same lab, each with a cluster of its own, in turn. Besides the client that
the outage is measured with, `pgbench` writes with 16 clients, scale 30, from 20 s before the fault
on. Checkpoints are 15 minutes apart, `shared_buffers` is 512 MB.

`make bench LOAD=1 PEER=all` does the same beside Patroni, too.""",
    "patroni": f"""# Outages beside Patroni

Made by `make bench PEER=patroni`: this agent and Patroni in the same lab, each with a cluster of
its own, in turn.

{_PATRONI}""",
    "load-patroni": f"""# Outages of busy databases beside Patroni

Made by `make bench LOAD=1 PEER=patroni`: this agent and Patroni in the same lab, each with a
cluster of its own, in turn. Of this agent there is also a synchronous cluster in which a standby
takes over after a crash (`migration-threshold=1`); the others recover the primary where it was.
{_BUSY}

{_PATRONI}""",
    "all": f"""# Outages beside all others

Made by `make bench PEER=all`: this agent, Debian's package of the Perl agent, `ocf:heartbeat:pgsql`
of resource-agents 4.12 and Patroni in the same lab, each with a cluster of its own, in turn. All
five clusters run all the time, on two processors: outages are longer than with two.

How soon a fault is seen is no agent's work where a node is lost: that is corosync's token and
consensus, and Pacemaker's election of another DC where the lost node was that. Six power cuts of
the DC were seen after 4.5 to 4.8 s, four of another node after 3.5 or 4.5 s; which node is the DC
is not controlled here. A crash is seen by the other two agents in their next monitor, whenever
that is.

{_PGSQL}

{_PATRONI}""",
    "load-all": f"""# Outages of busy databases beside all others

Made by `make bench LOAD=1 PEER=all`: this agent, Debian's package of the Perl agent,
`ocf:heartbeat:pgsql` of resource-agents 4.12 and Patroni in the same lab, each with a cluster of
its own, in turn. Of this agent there is also a synchronous cluster in which a standby takes over
after a crash (`migration-threshold=1`). {_BUSY}

{_PGSQL}

{_PATRONI}""",
}


def _outages(results):
    agents = list(results["results"])
    rows = [["fault", "phase", *(KINDS[agent].title for agent in agents),
             *(f"ratio to {KINDS[agent].title}" for agent in agents[1:])]]
    for scene in page.scenes_of(results):
        phases = page.phases_of(results, scene)
        for phase in phases + (["total"] if len(phases) > 1 else []):
            found = [samples(results, agent, scene, phase) for agent in agents]
            ratios = [ratio(found[0], other) for other in found[1:]]
            rows.append([scene, phase, *map(page.spread, found),
                         *("-" if number is None else f"{number:.2f}" for number in ratios)])
    return rows


def _actions(results):
    agents = list(results["results"])
    rows = [["fault", "action", *(KINDS[agent].title for agent in agents)]]
    for scene, labels in results["results"]["ours"]["actions"].items():
        rows += [[scene, label, *(page.spread(
            results["results"][agent]["actions"].get(scene, {}).get(label, []))
            for agent in agents)] for label in labels]
    return rows


def _load(results):
    """Return what pgbench did before the faults, [] where none ran."""
    rows = [["before the fault, medians", "transactions/s", "WAL since the last checkpoint"]]
    for agent, found in results["results"].items():
        if found.get("load"):
            rate, written = (statistics.median(values) for values in zip(*found["load"]))
            rows.append([KINDS[agent].title, f"{rate:.0f}", f"{written:.0f} MiB"])
    return rows[:1] * (len(rows) > 1) + rows[1:]


def _clients(results):
    """Return what pgbench's clients saw, [] where none ran."""
    agents = list(results["results"])
    rows = [["fault", "what pgbench saw", *(KINDS[agent].title for agent in agents)]]
    for scene in page.scenes_of(results):
        found = [results["results"][agent].get("clients", {}).get(scene, []) for agent in agents]
        if any(found):
            rows.append([scene, "until 90 % of its throughput", *(
                page.spread([seconds for seconds, _ in runs if seconds is not None])
                for runs in found)])
            rows.append([scene, "sessions that broke, median", *(
                f"{statistics.median(broken for _, broken in runs):.0f}" if runs else "-"
                for runs in found)])
    return rows[:1] * (len(rows) > 1) + rows[1:]


def _parts(results):
    busy, clients = _load(results), _clients(results)
    return [page.table(_outages(results)), *(page.table(rows) for rows in (busy, clients) if rows),
            page.table(page.goals(results)), *page.failures(results)[1:]]


def tables(results):
    """Return the tables of the results as text."""
    return "\n\n".join(_parts(results))


def _bars(results):
    """Return (scene, [(agent, [(phase, seconds)])]) for the picture."""
    return [(scene, [(KINDS[agent].title, [
        (phase, statistics.median(values)) for phase in page.phases_of(results, scene, [agent])
        for values in [samples(results, agent, scene, phase)] if values])
        for agent in results["results"]]) for scene in page.scenes_of(results)]


def write(results):
    """Write the page and its picture; return the page's path."""
    name = f"performance-{results['mode']}"
    (page.DOCS / "pictures" / f"{name}.svg").write_text(picture.bars(_bars(results)),
                                                        encoding="utf-8")
    path = page.DOCS / f"{name}.md"
    path.write_text("\n".join([
        _INTRODUCTIONS[results["mode"]], "", _CLIENT, "",
        page.circumstances(results), "",
        f"![outages by phase](pictures/{name}.svg)", "", "\n\n".join(_parts(results)), "",
        "## Each action", "", page.EACH, "", page.table(_actions(results)), "",
    ]), encoding="utf-8")
    return path
