"""paf check: what the local server says of its settings. Pure."""

import re
from collections import namedtuple

from paf import ocf, variant
from paf.cli import finding
from paf.cli.check import hba
from paf.cli.servers import NO_WAIT
from paf.instance import conninfo as connections
from paf.instance.server import quoted

#: What the rules look at. settings: dict of str; rules: list of hba.HbaRule; slots: list of
#: slotchecks.Row; in_recovery: bool; conninfo: primary_conninfo (str); node: this node's name;
#: nodes: all; own: this node's addresses; vips: the cluster's; rejoin: the parameter; major: 15...;
#: psql: the command line that reaches the server (str); resource: its name for crm_resource;
#: restart: the commands that restart this instance (list of str);
#: upstream: what the primary reports (dict), {} unknown; mine: the same of this server; limits: see
#: primary.limits; clock: seconds that this node's is ahead of the primary's, None unknown; files:
#: how many the data directory has, MANY_FILES at most; owner: the account it runs under (str);
#: keeps_slots: the parameter slots (bool); kept_off: whether a constraint keeps the primary off it.
Checked = namedtuple("Checked", "settings rules slots in_recovery conninfo node nodes own vips "
                     "rejoin psql resource restart upstream mine limits clock files owner "
                     "keeps_slots kept_off")

#: Milliseconds that a standby may wait before it tries again to reach a primary.
LONGEST_RETRY = 1000
#: With so many, a sync of each file takes minutes on a slow disk.
MANY_FILES = 100000
_FIRST_WITH_REWIND = 90500
#: The first versions in which primary_conninfo is a setting, and in which a reload is enough.
_FIRST_AS_SETTING, _FIRST_RELOADED = 120000, 130000
_LOOPBACK = ("", "localhost", "127.0.0.1", "::1")
TARGETS = ("recovery_target", "recovery_target_lsn", "recovery_target_name", "recovery_target_time",
           "recovery_target_xid")


def words(conninfo):
    """Return a connection string's settings (dict of str); {} where it is malformed."""
    try:
        return connections.values(conninfo)
    except connections.Malformed:
        return {}


def wal(subject):
    """The server writes what standbys need and lets them in."""
    have = subject.settings
    if have.get("wal_level") not in ("replica", "hot_standby", "logical"):
        yield finding.error("wal_level is {0}".format(have.get("wal_level")),
                            "standbys cannot replicate",
                            finding.set_by_sql(subject, "wal_level", "replica", restart=True))
    if have.get("hot_standby") == "off":
        yield finding.error("hot_standby is off", "PAF asks a standby for its state by SQL",
                            finding.set_by_sql(subject, "hot_standby", "on", restart=True))
    needed = len(subject.nodes) + 1
    if int(have.get("max_wal_senders", "10")) < needed:
        yield finding.error(
            "max_wal_senders is {0}".format(have["max_wal_senders"]),
            "each standby needs one, pg_basebackup two",
            finding.set_by_sql(subject, "max_wal_senders", str(max(10, needed)), restart=True))
    listens = have.get("listen_addresses", "*")
    if all(word.strip().lower() in _LOOPBACK for word in listens.split(",")):
        yield finding.error("listen_addresses is {0}".format(listens or "empty"),
                            "standbys cannot reach this server",
                            finding.set_by_sql(subject, "listen_addresses", "*", restart=True))
    if have.get("default_transaction_read_only") == "on":
        yield finding.warning("default_transaction_read_only is on",
                              "clients cannot write to this server once it is the primary",
                              finding.set_by_sql(subject, "default_transaction_read_only", "off"))
    # since PostgreSQL 19; milliseconds, -1 without a limit
    if have.get("wal_sender_shutdown_timeout", "-1") != "-1":
        yield finding.warning(
            "wal_sender_shutdown_timeout is {0} ms".format(have["wal_sender_shutdown_timeout"]),
            "a primary that is demoted may end before standbys have all of its WAL: then "
            "the switchover is refused after it was demoted",
            finding.set_by_sql(subject, "wal_sender_shutdown_timeout", "-1"))


def standby(subject):
    """The settings that make this server a standby name this node and the address."""
    if not subject.conninfo:
        yield finding.error("primary_conninfo is empty",
                            "this server does not find its primary when it is a standby")
        return
    try:
        have = connections.values(subject.conninfo)
    except connections.Malformed as error:
        yield finding.error("primary_conninfo cannot be used: {0}".format(error),
                            "this server does not find its primary when it is a standby")
        return
    if have.get("application_name") != subject.node:
        fixed = _with(subject.conninfo, "application_name", subject.node)
        yield finding.error(
            "primary_conninfo has {0}, not application_name={1}".format(
                "application_name=" + have["application_name"] if "application_name" in have
                else "no application_name", subject.node),
            "PAF knows a standby by it: this one would get no promotion score",
            _conninfo(subject, fixed))
    host = have.get("host", "")
    if subject.vips and host and host in subject.own + [subject.node]:
        yield finding.error(
            "primary_conninfo leads to this node itself (host={0})".format(host),
            "as a standby it cannot follow another primary",
            _conninfo(subject, _with(subject.conninfo, "host", subject.vips[0])))
    elif subject.vips and hba.is_address(host) and host not in subject.vips:
        yield finding.warning(
            "primary_conninfo leads to {0}, which is not the cluster's address {1}".format(
                host, " or ".join(subject.vips)),
            "after a failover this server does not find the new primary",
            _conninfo(subject, _with(subject.conninfo, "host", subject.vips[0])))
    target = subject.settings.get("recovery_target_timeline", "latest")
    if target != "latest":
        yield finding.error("recovery_target_timeline is \"{0}\"".format(target),
                            "the server does not follow a new primary to its timeline",
                            finding.set_by_sql(subject, "recovery_target_timeline", "latest",
                                               restart=True))


def _with(conninfo, name, value):
    kept = [pair for pair in connections.parse(conninfo) if pair[0] != name]
    return connections.build(kept + [(name, value)])


def _conninfo(subject, fixed):
    """Return the cure. Up to PostgreSQL 11 it is in the recovery template, which no SQL changes."""
    text = subject.settings.get("server_version_num", "")
    version = int(text) if ocf.is_number(text) else _FIRST_RELOADED
    # a secret is for no terminal, and no history
    if version < _FIRST_AS_SETTING or set(words(fixed)) & set(connections.SECRETS):
        return finding.both()
    return finding.set_by_sql(subject, "primary_conninfo", fixed,
                              restart=version < _FIRST_RELOADED and subject.in_recovery)


def synchronous(subject):
    """Synchronous replication does not wait for servers that cannot be there."""
    names = subject.settings.get("synchronous_standby_names", "")
    if not names.strip():
        return
    level = subject.settings.get("synchronous_commit")
    if level in NO_WAIT:
        yield finding.warning(
            "synchronous_commit is {0}, and synchronous_standby_names is set".format(level),
            "no commit waits for a standby, but of sessions that ask for it: what is acknowledged "
            "can be lost", finding.set_by_sql(subject, "synchronous_commit", "on"))
    found = re.match(r"(?i)^\s*(?:(?:first|any)\s+)?(?:(\d+)\s*\()?(.*?)\)?\s*$", names)
    count = int(found.group(1) or 1)
    listed = [word.strip().strip('"') for word in found.group(2).split(",") if word.strip()]
    nodes = [node.lower() for node in subject.nodes]    # names compare without regard to case
    strangers = [name for name in listed if name != "*" and name.lower() not in nodes]
    cure = finding.set_by_sql(subject, "synchronous_standby_names", "ANY 1 ({0})".format(
        ", ".join('"{0}"'.format(node) for node in subject.nodes)))
    if strangers:
        yield finding.error(
            "synchronous_standby_names has {0}, which is no node".format(", ".join(strangers)),
            "a standby's name is that of its node: commits may wait without end", cure)
    elif count > len(subject.nodes) - 2 and len(subject.nodes) > 2 and count > 1:
        yield finding.warning(
            "synchronous_standby_names waits for {0} standbys of {1}".format(
                count, len(subject.nodes) - 1),
            "with one node away, no commit ends", cure)


def access(subject):
    """pg_hba.conf lets the other nodes replicate, and never this one from itself."""
    for rule in subject.rules:
        if rule.error:
            yield finding.error("{0}: {1}".format(rule.place, rule.error),
                                "the server keeps the rules it had, and does not start again "
                                "with these")
    user = words(subject.conninfo).get("user") or subject.owner
    if not subject.rules:
        yield finding.unseen("pg_hba.conf was not looked at", "SQL shows it since PostgreSQL 10")
    if not subject.own:
        yield finding.unseen("the address of {0} is not known here".format(subject.node),
                             "whether pg_hba.conf keeps it from itself was not looked at")
    bad, unclear = [], []
    for address in subject.own + subject.vips:
        rule = hba.for_replication(subject.rules, user, address, subject.own, unclear)
        if rule is not None and rule.method != "reject":
            bad.append((address, rule))
    for place, name in sorted(set((rule.place, rule.address) for rule in unclear)):
        yield finding.unseen(
            "whether {0} lets this node replicate from itself is not known: "
            "{1} has no address here, or none was found in time".format(place, name),
            "it must not: name the other nodes by their addresses")
    if bad:
        lines = ["host replication all {0}/{1} reject".format(
            address, "128" if ":" in address else "32") for address, _ in bad]
        edit = "sed -i {0} {1}".format(
            quoted(["1i " + "\\n".join(lines)]), quoted([subject.settings.get("hba_file", "")]))
        yield finding.error(
            "{0} lets this node replicate from itself ({1})".format(
                bad[0][1].place, ", ".join(address for address, _ in bad)),
            "between demotion and promotion a standby could take itself for its primary, and "
            "never follow the new one",
            finding.both(edit, *finding.sql(subject, "SELECT pg_reload_conf()")))


def reconnection(subject):
    """Where commits wait for standbys, these stream again soon after a failover."""
    value = subject.settings.get("wal_retrieve_retry_interval", "")
    if (subject.settings.get("synchronous_standby_names", "").strip() and ocf.is_number(value)
            and int(value) > LONGEST_RETRY):
        yield finding.warning(
            "wal_retrieve_retry_interval is {0} ms, and replication is synchronous".format(value),
            "a standby tries to reach the new primary only that often, and commits wait for it",
            finding.set_by_sql(subject, "wal_retrieve_retry_interval", "500ms"))


def recovery(subject):
    """Crash recovery begins soon, and goes on until the instance is promoted."""
    have = subject.settings
    if have.get("recovery_init_sync_method") == "fsync" and subject.files >= MANY_FILES:
        yield finding.warning(
            "recovery_init_sync_method is fsync, and the data directory has {0} files or "
            "more".format(MANY_FILES),
            "after a crash each of them is synced before recovery begins, within the timeout of "
            "start; syncfs syncs the file system once (Linux 5.8 and later)",
            finding.set_by_sql(subject, "recovery_init_sync_method", "syncfs"))
    delay = have.get("recovery_min_apply_delay", "0")    # milliseconds; before 12 not shown by SQL
    if delay != "0" and not subject.kept_off:
        yield finding.warning(
            "recovery_min_apply_delay is {0} ms, and this node may be promoted".format(delay),
            "it first replays all that it has put off, while clients wait: longer than the timeout "
            "of promote, perhaps. A constraint can keep the primary off a node "
            "({0}/configuration.md, Which node is promoted)".format(variant.PAGES),
            finding.set_by_sql(subject, "recovery_min_apply_delay", "0"))
    for name in TARGETS:
        if have.get(name):
            yield finding.error(
                "{0} is set".format(name),
                "a standby with it ends or pauses its recovery by itself, and does not follow "
                "the primary", finding.set_by_sql(subject, name, "", restart=True))


def rewind(subject):
    """What the parameter `rejoin` has done to an old primary finds what pg_rewind needs."""
    have = subject.settings
    version = have.get("server_version_num", "")
    if ocf.is_number(version) and int(version) < _FIRST_WITH_REWIND:
        if subject.rejoin == "rewind":
            yield finding.error("rejoin=rewind, but a rewind needs PostgreSQL 9.5 or later",
                                "an old primary that has diverged stays stopped")
        return
    if subject.rejoin == "manual" or "on" in (have.get("wal_log_hints"),
                                              have.get("data_checksums")):
        return
    kind = finding.error if subject.rejoin == "rewind" else finding.warning
    yield kind("rejoin={0}, but wal_log_hints is off and there are no checksums".format(
        subject.rejoin), "pg_rewind refuses: an old primary that has diverged stays stopped",
        finding.set_by_sql(subject, "wal_log_hints", "on", restart=True))


def logging(subject):
    """The server's messages are kept."""
    have = subject.settings
    if have.get("logging_collector") == "off" and have.get("log_destination") == "stderr":
        yield finding.warning("logging_collector is off, and the log goes to stderr",
                              "it is lost once the server has started",
                              finding.set_by_sql(subject, "log_destination", "syslog"))


RULES = (("WAL", wal), ("standby settings", standby), ("synchronous replication", synchronous),
         ("pg_hba.conf", access), ("reconnection", reconnection),
         ("recovery", recovery), ("rejoin", rewind), ("log", logging))
