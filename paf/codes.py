"""The code of each reason: it stays when the words change, and docs/troubleshooting.md has it.

A code is in front of the reason: "PAF-E101 srv2 is ahead: ...". It has letters, digits and "-":
crm_mon before Pacemaker 2 does not escape others in XML, and cuts a reason at the first colon of a
time. Loaded when there is a reason, not on the path of an action that succeeds.
"""

#: In front of each number.
PREFIX = "PAF-E"
#: What another program, or the system, says in its own words.
OTHER = PREFIX + "599"

#: Number, and words of the reasons that it is for. The first row with words that a reason contains
#: counts, so what encloses other reasons comes first. A number is never used for something else.
TABLE = (
    # a running instance that is degraded; it encloses why a primary cannot be asked
    (309, ("replay is paused", "this standby does not stream", "whether this standby has left",
           "commits wait for synchronous standbys: ")),

    # others have removed what it needs
    (311, ("the shared memory of the server was removed",)),
    (313, ("no WAL is flushed",)),
    (312, ("no room is left for ", "cannot find out how much room is left for ")),

    # its slots; it encloses other programs' words
    (310, ("slots=true: ",)),

    # no node is promoted, or not the one that was asked for
    (111, ("the administrator accepts the loss",)),
    (103, ("a constraint or a failure keeps Pacemaker from promoting",)),
    (101, (" is ahead: ", "no standby is ahead of")),
    (102, (" was the last primary: ", " was the last primary or followed it: ")),
    (104, ("did not report its WAL position", "does not answer a replication connection",
           "its server cannot be asked", "its server does not say where it is",
           " could not be looked up in time", " cannot be looked up: there is no getent",
           " is of another cluster: its system identifier is", "its server at ")),
    (115, ("cannot check for the shutdown checkpoint", "cannot read the control file here",
           "reading the WAL took too long", " is missing in bindir", "cannot read the WAL at")),
    (114, ("it would be stranded", "the shutdown checkpoint of", ", which was stopped: ")),
    (107, ("may hold commits that were acknowledged", "synchronous_standby_names of the last",
           "was stopped at ")),
    (108, (" may be ahead of ", "the end of its WAL is not known",
           "its WAL position is not known", " itself is not known: ",
           "synchronous_standby_names cannot be understood", "is no rule of synchronous standbys",
           "which standbys acknowledge commits", "see the log there",
           "neither the server nor its files say which timeline",
           "its last words cannot be understood", "the server does not answer",
           "the WAL segment 0", " is no file", "its WAL files cannot be seen", "cannot look into ",
           "the WAL has segments of ")),
    (105, ("does not stream from the primary, see ",)),
    (106, (" bytes, maxlag is ", "its lag is not known, maxlag is ")),
    (109, ("behind what was heard of the primary's WAL",)),
    (110, ("left this node the promotion score", "has given this node a promotion score")),
    (121, (" may have another history than ",)),
    (112, ("which may hold more WAL", "came back while it was waited for",
           "a node that was waited for has come")),
    (122, ("logical failover slots are not synced here", "cannot read the primary's slots",
           "the slots of this standby cannot be read")),
    (113, ("switchover refused: ",)),
    (116, ("promotion was refused before",)),
    (117, ("no election was held",)),
    (118, ("the clone must have promoted-max=1",)),
    (119, ("a second primary: ",)),
    (120, ("cannot promote, the instance is", "PostgreSQL ended while it was promoted",
           "pg_ctl promote failed", "PostgreSQL was not promoted in")),

    # an instance does not start
    (306, ("could not be asked, and its control file", "neither it nor its control file could",
           "could be asked for its role")),
    (207, (" is in memory: a journal there", "cannot copy the WAL that only this",
           " was not copied in ", "cannot put ",
           "cannot keep ", "a file system lies between", "which came from the primary: ",
           "cannot make ", "cannot write the journal", ".pgsqlms: ", "cannot see what ",
           "the way to the primary cannot be used", "too large for a configuration file",
           "cannot be moved into the copy")),
    (206, ("a rewind was cut off", "a rewind to timeline ", "the journal ",
           "a rebuild of this instance", "a rewind of this instance", "a rewind or rebuild",
           "PostgreSQL was started here in the meantime",
           "of this instance still runs", " was a mount point when the work began",
           "cannot rename ")),
    (205, ("after pg_rewind: ", "pg_rewind did not end", "pg_rewind failed", "before a rewind ",
           "a rewind waits for the primary's first checkpoint")),
    (203, ("rejoin=rewind: ", "a rewind needs ")),
    (204, ("another cluster's data",)),
    (202, ("with records that PAF does not know", "cannot be read to its end",
           "in a form that is not understood", "in a form that is understood",
           "its first segment is missing", "the WAL is damaged at",
           "the WAL segment that holds ")),
    (308, ("its last state is unknown", "pg_controldata gave no answer",
           "its data directory could not be looked into", "cannot rewind: ",
           "cannot find out what ")),
    (201, ("diverged: ", "rebuild it from the primary",
           "no commit among them", "among them ", "rebuild it or run pg_rewind",
           ", the last at ")),
    (211, ("does not come back as a standby", "cannot start as a standby",
           "started, but the instance is not a standby",
           "the server says that it is not in recovery")),
    (210, ("PostgreSQL does not start", "see its own log for why")),
    (212, ("wal_level must be replica", "hot_standby must be on",
           "does not accept its configuration", "primary_conninfo must contain application_name",
           "cannot show the node name", "only Pacemaker may promote", "the trigger file ",
           "data_directory of the server is ", "recovery_target_timeline must be latest",
           "the server would promote itself")),
    (214, ("postgres -C ",)),
    (215, ("the recovery template", "standby settings are in postgresql.conf",
           "syntax error in line")),
    (213, ("the primary cannot be asked", "primary_conninfo", "a word of the connection string",
           "a quote of the connection string", "the connection URI", "the primary does not say",
           "the primary did not answer in time", "the primary sent no row",
           "who answers is on timeline ", "who answers at the primary's address",
           "psql ended with status", "a parameter of the connection URI")),
    (217, ("is damaged or missing: ", "damaged data directory", "the control file is damaged")),
    (218, ("pgport must be a number", "maxlag must be a number", "rejoin must be ",
           "crash_watch must be ", "slots must be ", "must be an absolute path",
           "start_opts cannot be understood",
           "used instead: ")),
    (219, ("the server listens on port", "the server has its socket or address at")),
    (220, ("the agent cannot ask PostgreSQL as ",)),
    (221, ("a mistake in the agent",)),
    (222, ("the clone must have the meta attribute notify=true",)),
    (223, ("install the corosync1 build",)),
    (224, ("the clone must have globally-unique=false",)),
    (225, ("the tablespace at ", "the WAL of the last checkpoint")),

    # a running instance fails
    (301, ("crashed primary with backends left", "crashed standby with backends left",
           "crashed primary or restored base backup",
           "the postmaster of a primary is gone", "the postmaster of a standby is gone",
           "the postmaster is gone", "no process is left, and the control file says",
           " runs on in a folder that was ",
           "no process is left of a ")),
    (302, ("this node is ", "the resource is ", "the monitors have an on-fail",
           "the cluster is in ", "the cluster manages no resources", "Pacemaker has no resource",
           "crm_resource failed")),
    (303, ("restored base backup", "it was shut down cleanly", "a backup_label is there")),
    (304, ("the server runs but does not answer in time", "psql did not end in time")),
    (305, ("starting up or shutting down", "the postmaster runs but does not listen")),
    (307, ("whether PostgreSQL runs", "cannot look for processes", "cannot see ",
           "is hidden in /proc")),

    # an instance does not stop
    (401, ("processes of the instance do not end", "PostgreSQL did not shut down in",
           "the postmaster itself")),

    # the agent and Pacemaker
    (501, ("pgsqlms has no action",)),
    (504, ("(HA_RSCTMP)", "/pgsqlms-")),
    (503, ("attrd_updater gives no answer", "it took too long", "has not come into the CIB")),
    (216, (" does not belong to ", " is no folder: ", "there is no system user",
           "holds no PostgreSQL", "is too old, 9.3 is the first", "bindir ", "cannot read ",
           "cannot write ", "cannot remove ")),
    (502, ("cannot find Pacemaker's program", "the name of this node in the cluster",
           "cannot understand the CIB", " failed: ",
           "cannot run ")),
)


def code_of(reason):
    """Return the code (str) of a reason (str)."""
    for number, words in TABLE:
        for some in words:
            if some in reason:
                return PREFIX + str(number)
    return OTHER


def with_code(reason):
    """Return a reason (str) with its code in front; "" for none, and what has one as it is."""
    if not reason or reason.startswith(PREFIX):
        return reason
    return "{0} {1}".format(code_of(reason), reason)


def without_code(text):
    """Return the reason (str) in a text (str) that may have a code in front."""
    return text.partition(" ")[2] if text.startswith(PREFIX) else text
