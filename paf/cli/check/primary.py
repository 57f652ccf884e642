"""paf check: what this node and the primary have to agree on.

Asked with what a standby has: its control file, its WAL receiver, and a replication connection.
No login on other nodes, no password but that of primary_conninfo.
"""

from paf import ocf, variant
from paf.cli import finding
from paf.cli.servers import REPLICATION, remote
from paf.decide.knowledge import is_known
from paf.instance import rewindrole, upstream

#: Seconds. Less than that may be the network's, or the receiver's.
SKEW = 1.0
#: Before 11 only a superuser may; what `major` returns for releases before 10 is 900 and more.
_FIRST_WITH_GRANTS, _OLD = 11, 900
_WITHOUT_REWIND = (903, 904)


def primary(instance, conninfo, deadline):
    """Return what the primary reports (dict).

    system_identifier (str); major (int), of PostgreSQL 10 or later; rewind: why pg_rewind could
    not work there (str); rewind_unknown: why that could not be found out (str). What else could not
    be asked is missing.
    """
    found = {}
    system = upstream.ask(instance, conninfo, deadline)
    if is_known(system):
        found["system_identifier"] = system.value.system_identifier
        rows = remote(instance, conninfo, REPLICATION, "SHOW server_version_num")
        if rows and ocf.is_number(rows[0][0]):
            found["major"] = major(int(rows[0][0]))
        try:
            rewindrole.check(instance, conninfo, deadline)
        except ocf.NotUsable as error:
            found["rewind"] = str(error)
        except ocf.OcfError as error:
            found["rewind_unknown"] = str(error)
    else:
        found["rewind_unknown"] = system.reason
    return found


def major(version):
    """Return the major version (15, or 906 for 9.6) in a server_version_num (int); pure."""
    return version // 10000 if version >= 100000 else version // 100


def same_cluster(subject):
    """This server and the primary are of the same cluster and version."""
    if subject.in_recovery and "system_identifier" not in subject.upstream:
        yield finding.warning(
            "whether this server and the primary are of the same cluster is not known",
            "the primary could not be asked over primary_conninfo: the server's log says why it "
            "does not replicate, if it does not")
    for name, what in (("system_identifier", "system identifier"), ("major", "major version")):
        mine, theirs = subject.mine.get(name), subject.upstream.get(name)
        if mine and theirs and mine != theirs:
            yield finding.error("{0} {1} here, {2} on the primary".format(what, mine, theirs),
                                "it is no copy of the primary: rebuild it with pg_basebackup")


def enough(subject):
    """No setting is below the primary's, neither now nor at the next start as a standby."""
    if subject.limits is None:
        yield finding.warning(
            "what the next start needs is not known",
            "pg_controldata or the configuration could not be read: max_connections and others "
            "were not compared with the primary's")
    for name, (coming, needed) in sorted((subject.limits or {}).items()):
        here = subject.settings.get(name, "")
        if subject.in_recovery and ocf.is_number(here) and int(here) < needed:
            yield finding.error(
                "{0} is {1} here, and was {2} on the primary: replay is paused".format(
                    name, here, needed),
                "PostgreSQL replays nothing more until this standby is started with as much",
                finding.both(*subject.restart))
        if coming < needed:
            yield finding.error(
                "{0} is {1} at the next start, below the {2} in the control file".format(
                    name, coming, needed),
                "PAF starts every instance as a standby, and PostgreSQL starts none that has "
                "less than its primary", finding.set_by_sql(subject, name, str(needed)))


def rewind(subject):
    """What the parameter `rejoin` has done to an old primary can be done, by this very role."""
    reason, unknown = subject.upstream.get("rewind"), subject.upstream.get("rewind_unknown")
    mine = subject.mine.get("major", 0)
    if subject.rejoin == "manual" or mine in _WITHOUT_REWIND:
        return
    if unknown:
        yield finding.warning("whether pg_rewind could work is not known: {0}".format(unknown),
                              "where it could not, an old primary that has diverged stays stopped")
    if not reason:
        return
    cure = ((), ())
    if rewindrole.MAY_NOT in reason and _FIRST_WITH_GRANTS <= mine < _OLD:
        cure = finding.both('psql -d postgres -c "GRANT EXECUTE ON FUNCTION {0} TO ROLE"    # on '
                            'the primary, to that role'.format(", ".join(rewindrole.FUNCTIONS)))
    kind = finding.error if subject.rejoin == "rewind" else finding.warning
    yield kind("rejoin={0}, but {1}".format(subject.rejoin, reason),
               "an old primary that has diverged stays stopped ({0}/configuration.md, The role for "
               "pg_rewind)".format(variant.PAGES), cure)


def clock(subject):
    """The clocks of this node and of the primary's agree.

    Known on a standby that streams: each message of the primary has the time when it was sent.
    """
    if subject.in_recovery and subject.clock is None:
        yield finding.unseen(
            "the primary's clock is not known here", "only a standby that streams knows it, since "
            "PostgreSQL 9.6")
    if subject.clock is not None and abs(subject.clock) > SKEW:
        yield finding.warning(
            "this node's clock is {0:.1f} s {1} the primary's".format(
                abs(subject.clock), "ahead of" if subject.clock > 0 else "behind"),
            "logs of several nodes cannot be compared, and lag in seconds is wrong (or messages "
            "of the primary wait here to be read)", finding.both("timedatectl set-ntp true"))


RULES = (("primary", same_cluster), ("limits", enough), ("rewind role", rewind), ("clock", clock))
