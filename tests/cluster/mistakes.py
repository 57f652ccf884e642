"""Mistakes that administrators make, each with what `paf check` has to say of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """Shell commands that make the mistake, and words of the finding about it."""

    name: str
    words: str
    seed: str
    needs_no_shell: bool = False    # its cure is the same whether pcs or crmsh is there

    def __str__(self):
        return self.name


_CREATE = "cibadmin --create --scope constraints --xml-text"
_OP = "cibadmin --modify --xpath \"//op[@id='{0}']\" --xml-text '<op id=\"{0}\" {1}/>'"


def _property(name, value):
    return f"crm_attribute --type crm_config --name {name} --update {value}"


def _meta(name, value):
    return ("crm_resource --resource pgsqld-clone --meta --set-parameter "
            f"{name} --parameter-value {value}")


def _delete(xpath):
    return f'cibadmin --delete --force --xpath "{xpath}"'


def _operation(ident, text):
    return _OP.format(ident, text)


def _parameter(name, value):
    return f"crm_resource --resource pgsqld --set-parameter {name} --parameter-value {value}"


#: Made in a copy of the CIB ($CIB_file); the live cluster sees none of them.
IN_THE_CIB = (
    Mistake("fencing-off", "fencing is off", _property("stonith-enabled", "false")),
    Mistake("no-quorum", "no-quorum-policy=ignore", _property("no-quorum-policy", "ignore")),
    Mistake("maintenance", "maintenance-mode is on", _property("maintenance-mode", "true")),
    Mistake("stopped-all", "stop-all-resources is on", _property("stop-all-resources", "true")),
    Mistake("stickiness", "resource-stickiness is not set",
            _delete("//rsc_defaults//nvpair[@name='resource-stickiness']")),
    Mistake("threshold", "migration-threshold is not set",
            _delete("//rsc_defaults//nvpair[@name='migration-threshold']")),
    Mistake("threshold-1", "migration-threshold is 1", _meta("migration-threshold", "1")),
    Mistake("notify", "notify=false, not true", _meta("notify", "false")),
    Mistake("two-primaries", "promoted-max=2, not 1", _meta("promoted-max", "2")),
    Mistake("not-promotable", "promotable=false, not true", _meta("promotable", "false")),
    Mistake("interleave", "has not interleave=true", _meta("interleave", "false")),
    Mistake("disabled", "target-role=Stopped",
            _meta("target-role", "Stopped"), needs_no_shell=True),
    Mistake("unmanaged", "is not managed", _meta("is-managed", "false"), needs_no_shell=True),
    Mistake("leftover", "left over from a move",
            "crm_resource --move --resource pgsqld-clone --promoted --node srv3",
            needs_no_shell=True),
    Mistake("short-demote", "the timeout of demote is 20 s",
            _operation("pgsqld-demote-0s", 'timeout="20s"'),
            needs_no_shell=True),
    Mistake("no-notify-timeout", "notify has no timeout of its own",
            _delete("//op[@id='pgsqld-notify-0s']")),
    Mistake("ignored-stop", "on-fail=ignore", _operation("pgsqld-stop-0s", 'on-fail="ignore"'),
            needs_no_shell=True),
    Mistake("no-monitor", "no recurring monitor for the role Promoted",
            _delete("//op[@id='pgsqld-monitor-15s']")),
    Mistake("same-interval", "have the same interval",
            _operation("pgsqld-monitor-16s", 'interval="15s"'),
            needs_no_shell=True),
    Mistake("slow-monitor", "an interval of 300 s",
            _operation("pgsqld-monitor-15s", 'interval="300s"'),
            needs_no_shell=True),
    Mistake("misspelt", "no parameter pg_data, pgdata is meant?", _parameter("pg_data", "/x"),
            needs_no_shell=True),
    Mistake("rejoin", "rejoin must be manual, safe or rewind", _parameter("rejoin", "rewnid")),
    Mistake("symmetrical", "is symmetrical",
            "cibadmin --modify --xpath \"//rsc_order[@id='demote-then-stop-ip']\" --xml-text "
            "'<rsc_order id=\"demote-then-stop-ip\" symmetrical=\"true\"/>'"),
    Mistake("mandatory", "is mandatory",
            "cibadmin --modify --xpath \"//rsc_order[@id='demote-then-stop-ip']\" --xml-text "
            "'<rsc_order id=\"demote-then-stop-ip\" kind=\"Mandatory\"/>'",
            needs_no_shell=True),
    Mistake("backwards", "and not the reverse",
            _delete("//rsc_colocation[@id='ip-with-primary']") + " && " + _CREATE +
            " '<rsc_colocation id=\"wrong\" rsc=\"pgsqld-clone\" rsc-role=\"Promoted\" "
            "with-rsc=\"pgsqld-ip\" score=\"INFINITY\"/>'"),
    Mistake("no-score", "its score is below INFINITY",
            _delete("//rsc_colocation[@id='ip-with-primary']") + " && " + _CREATE +
            " '<rsc_colocation id=\"wrong\" rsc=\"pgsqld-ip\" with-rsc=\"pgsqld-clone\" "
            "with-rsc-role=\"Promoted\"/>'"),
    Mistake("address-off-a-node", "keeps pgsqld-ip off srv2", _CREATE +
            " '<rsc_location id=\"wrong\" rsc=\"pgsqld-ip\" node=\"srv2\" score=\"-INFINITY\"/>'"),
    Mistake("no-order", "has no order: demote, then stop",
            _delete("//rsc_order[@id='demote-then-stop-ip']")),
    Mistake("no-colocation", "is not colocated with the primary",
            _delete("//rsc_colocation[@id='ip-with-primary']")),
    Mistake("any-role", "it names no role Promoted",
            _delete("//rsc_colocation[@id='ip-with-primary']") + " && " + _CREATE +
            " '<rsc_colocation id=\"wrong\" rsc=\"pgsqld-ip\" with-rsc=\"pgsqld-clone\" "
            "score=\"INFINITY\"/>'"),
    Mistake("address-first", "starts the address before PostgreSQL", _CREATE +
            " '<rsc_order id=\"wrong\" first=\"pgsqld-ip\" then=\"pgsqld-clone\"/>'"),
)

_PSQL = "runuser -u postgres -- psql -qXc"
_RELOAD = f'{_PSQL} "select pg_reload_conf()"'
_CONNINFO = "host={host} port=5432 user=postgres application_name={name} connect_timeout=2"


def _setting(name, value):
    return f"{_PSQL} \"alter system set {name} = '{value}'\" && {_RELOAD}"


#: Made on a standby's host and in its server.
ON_A_NODE = (
    Mistake("application-name", "not application_name=",
            _setting("primary_conninfo", _CONNINFO.format(host="10.77.0.100", name="other"))),
    Mistake("wrong-address", "is not the cluster's address",
            _setting("primary_conninfo", _CONNINFO.format(host="10.77.0.9", name="$(uname -n)"))),
    Mistake("strange-name", "synchronous_standby_names has nobody",
            _setting("synchronous_standby_names", "nobody")),
    Mistake("read-only", "default_transaction_read_only is on",
            _setting("default_transaction_read_only", "on")),
    Mistake("below-the-primary", "max_connections is 20 at the next start, below the 50",
            _setting("max_connections", "20")),
    Mistake("from-itself", "lets this node replicate from itself",
            f"sed -i /reject/d /var/lib/postgresql/pg_hba.conf && {_RELOAD}"),
    Mistake("slot", "the replication slot forgotten is inactive",
            f"{_PSQL} \"select pg_create_physical_replication_slot('forgotten')\""),
    Mistake("start.conf", "systemd starts the cluster of",
            "sed -i s/^manual/auto/ /etc/postgresql/15/main/start.conf"),
    Mistake("service", "systemd starts postgresql-15.service",
            "ln -s /lib/systemd/system/postgresql@.service "
            "/etc/systemd/system/multi-user.target.wants/postgresql-15.service"),
    Mistake("tmpfiles", "nothing makes /run/postgresql after a reboot",
            "rm /usr/lib/tmpfiles.d/postgresql-common.conf"),
    Mistake("template", "recovery.conf.pcmk exists",
            "touch /var/lib/postgresql/15/main/recovery.conf.pcmk"),
)
