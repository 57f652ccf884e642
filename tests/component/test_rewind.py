"""A rewind, by the parameter rejoin: what it keeps, what it waits for, when it is not done."""

import json
import os
import re
import shutil

import pytest

from tests.component.server import as_owner, owner, quoted, wait_until

FAILOVER = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", demote="srv1",
                stop="srv1", promote="srv2")
RETURN = dict(active="srv2", promoted="srv2", start="srv1")


def fail_over(cluster):
    """srv1 crashes and srv2 takes over."""
    cluster["srv1"].kill()
    assert cluster.promote("srv2", FAILOVER, ["srv2"]).code == 0
    cluster["srv2"].sql("INSERT INTO t VALUES (2)")


def write_commits(cluster):
    """Write rows on the primary that no standby receives."""
    cluster.move_vip(None)
    cluster["srv1"].sql("INSERT INTO t SELECT generate_series(1, 2000)")


def write_no_commit(cluster):
    """Write WAL on the primary that no standby receives, without a commit."""
    cluster.move_vip(None)
    connection = cluster["srv1"].connect()
    connection.autocommit = False
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO t SELECT generate_series(1, 2000)")
        cluster["srv1"].sql("CHECKPOINT")
    return connection


def come_back(cluster, mode, code=0, **more):
    """Start srv1 as Pacemaker does; see it stream unless it is refused; return the Run."""
    run = cluster["srv1"].agent("start", timeout=60, lists=RETURN, rejoin=mode, **more)
    assert run.code == code, run
    if code == 0:
        cluster.wait_for_streams("srv2", 1)
        assert cluster["srv1"].value("SELECT count(*) FROM t WHERE n = 2") == cluster[
            "srv2"].value("SELECT count(*) FROM t WHERE n = 2")
        assert not journal_of(cluster["srv1"]).exists()
    return run


def journal_of(node):
    return node.pgdata.parent / f".{node.pgdata.name}.pgsqlms"


def lost_of(node):
    return node.pgdata.parent / f"{node.pgdata.name}.lost"


@pytest.fixture
def half(hinted):
    """A pg_rewind of srv1 that was run by hand and killed when only the control file was left."""
    node, programs = hinted["srv1"], hinted["srv1"].programs
    write_commits(hinted)
    hinted["srv1"].stop()
    assert hinted.promote("srv2", FAILOVER, ["srv2"]).code == 0
    hinted["srv2"].sql("INSERT INTO t VALUES (2)")
    hinted["srv2"].sql("CHECKPOINT")
    kept = {name: (node.pgdata / name).read_bytes() for name in (
        "global/pg_control", "postgresql.conf", "postgresql.auto.conf", "pg_hba.conf")}
    as_owner(f"{programs}/pg_rewind", "-D", node.pgdata, "--source-server",
             f"host={hinted.sockets} port={hinted['srv2'].port} dbname=postgres "
             f"user={owner().pw_name}")
    for name, content in kept.items():    # the configuration is in another place, say
        (node.pgdata / name).write_bytes(content)
    (node.pgdata / "backup_label").unlink()
    assert node.control() == "shut down"
    return hinted


@pytest.mark.parametrize("mode", ["safe", "rewind"])
@pytest.mark.parametrize("primary", ["srv2", None])
def test_what_a_pg_rewind_by_hand_has_left_half_done_is_not_started(half, primary, mode):
    """The control file says that it was shut down cleanly, and the files are two servers'."""
    node = half["srv1"]
    half.move_vip(primary)
    before = node.files()
    run = node.agent("start", lists=RETURN if primary else dict(start="srv1"), rejoin=mode)
    assert run.code == 5 and "PAF-E206 a rewind was cut off, or files were copied" in run.reason
    assert node.files() == before
    words = half.store.permanent("last_words", "srv1")
    assert words in (None, "unknown"), "where its WAL ends is not where it ends"


# rejoin=safe, the default

def test_by_default_an_old_primary_without_a_commit_of_its_own_comes_back(hinted):
    connection = write_no_commit(hinted)
    fail_over(hinted)
    connection.close()
    run = come_back(hinted, None)
    assert "no commit among them" in run.log and "rewound to the primary's history" in run.log


def test_a_shutdown_checkpoint_that_only_it_has_is_given_up(hinted):
    hinted.move_vip(None)
    hinted["srv1"].stop()
    assert hinted.promote("srv2", FAILOVER, ["srv2"]).code == 0
    hinted["srv2"].sql("INSERT INTO t VALUES (2)")
    come_back(hinted, "safe")


@pytest.mark.parametrize("statement, shown", [
    ("INSERT INTO t VALUES (7)", "1 commit, the last at 20"),
    ("SELECT pg_create_restore_point('here')", "1 restore point"),
    ("SELECT pg_logical_emit_message(false, 'a', 'b')", "1 logical message")])
def test_one_record_that_a_client_may_rely_on_keeps_it_stopped(hinted, statement, shown):
    hinted.move_vip(None)
    hinted["srv1"].sql(statement)
    hinted["srv1"].sql("CHECKPOINT")
    fail_over(hinted)
    before = hinted["srv1"].files()
    run = come_back(hinted, None, code=5)
    assert re.search(rf"diverged: \d+ bytes .*exist only here, among them {shown}", run.reason)
    assert hinted["srv1"].files() == before
    assert not journal_of(hinted["srv1"]).exists()


@pytest.mark.parametrize("before, statements, shown", [
    ("", ("ANALYZE t",), ""),
    ("", ("TRUNCATE t",), "1 commit, the last at 20"),
    ("", ("ANALYZE t", "INSERT INTO t VALUES (7)"), "1 commit, the last at 20"),
    ("", ("BEGIN; ANALYZE t; INSERT INTO t VALUES (7); COMMIT",), "1 commit, the last at 20"),
    ("INSERT INTO t VALUES (7)", ("ANALYZE t",), "1 commit, the last at 20")])
def test_commits_of_statistics_alone_are_given_up(hinted, before, statements, shown):
    """As autovacuum makes them; not where the same transaction has written something earlier."""
    hinted["srv1"].sql("INSERT INTO t SELECT generate_series(1, 1000)")
    hinted["srv1"].sql("CHECKPOINT")
    connection = hinted["srv1"].connect()
    connection.autocommit = False
    with connection.cursor() as cursor:
        if before:
            cursor.execute(before)
            hinted["srv1"].sql("INSERT INTO t VALUES (5)")    # also writes the WAL before it
        hinted.wait_for_streams("srv1", 1)
        hinted.move_vip(None)
        for statement in statements:
            cursor.execute(statement)
            if not before:
                connection.commit()
        connection.commit()
    connection.close()
    fail_over(hinted)
    run = come_back(hinted, None, code=5 if shown else 0)
    if shown:
        assert f"exist only here, among them {shown}" in run.reason
    else:
        assert "no commit among them but 1 commit of ANALYZE or VACUUM" in run.log


@pytest.mark.parametrize("left", [0, 10000])
def test_a_commit_of_vacuum_that_shortens_a_table_is_given_up(hinted, left):
    """Autovacuum does that too: of a queue, with each run."""
    node = hinted["srv1"]
    node.sql("INSERT INTO t SELECT generate_series(1, 20000)")
    node.sql("VACUUM t")    # makes the maps, which the next one shortens
    node.sql(f"DELETE FROM t WHERE n > {left}")
    node.sql("CHECKPOINT")
    hinted.wait_for_streams("srv1", 1)
    hinted.move_vip(None)
    node.sql("VACUUM t")
    fail_over(hinted)
    assert "no commit among them but 1 commit of ANALYZE or VACUUM" in come_back(hinted, None).log


def test_wal_that_cannot_be_read_to_its_end_keeps_it_stopped(hinted):
    connection = write_no_commit(hinted)
    hinted["srv1"].sql("CHECKPOINT")
    received = hinted["srv2"].value("SELECT pg_last_wal_receive_lsn()")
    name, offset = hinted["srv1"].sql(
        f"SELECT (f).* FROM pg_walfile_name_offset('{received}'::pg_lsn + 20000) AS f")[0]
    fail_over(hinted)
    connection.close()
    with (hinted["srv1"].pgdata / "pg_wal" / name).open("r+b") as stream:
        stream.seek(offset)
        stream.write(b"\xff" * 64)
    run = come_back(hinted, None, code=5)
    assert "exist only here, the WAL " in run.reason


def test_what_a_rewind_needs_is_no_error_of_safe_but_its_reason(pair):
    """Without wal_log_hints and checksums."""
    connection = write_no_commit(pair)
    fail_over(pair)
    connection.close()
    assert pair["srv1"].agent("validate-all", OCF_CHECK_LEVEL="10", rejoin=None).code == 0
    assert pair["srv1"].agent("validate-all", OCF_CHECK_LEVEL="10", rejoin="rewind").code == 2
    before = pair["srv1"].files()
    run = come_back(pair, None, code=5)
    assert "no commit among them" in run.reason and "needs wal_log_hints" in run.reason
    run = come_back(pair, "rewind", code=5)
    assert "no commit among them" in run.reason and "needs wal_log_hints" in run.reason
    assert pair["srv1"].files() == before


def test_what_a_rewind_needs_keeps_no_instance_down_that_needs_none(pair):
    """It runs with rejoin=rewind, after a reload, and has to be started again after a crash."""
    standby, keys = pair["srv2"], {"rejoin": "rewind"}
    assert standby.agent("reload", **keys).code == 0
    standby.kill()
    lists = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2")
    assert standby.agent("stop", lists=dict(lists, stop="srv2"), **keys).code == 0
    assert standby.agent("start", lists=dict(lists, start="srv2"), **keys).code == 0
    run = standby.agent("validate-all", OCF_CHECK_LEVEL="10", **keys)
    assert run.code == 2 and "needs wal_log_hints" in run.reason


def test_a_role_that_may_not_run_pg_rewind_keeps_it_stopped(hinted):
    hinted["srv1"].sql("CREATE ROLE small LOGIN REPLICATION")
    hinted.wait_for_streams("srv1", 1)
    connection = write_no_commit(hinted)
    fail_over(hinted)
    connection.close()
    look = dict(OCF_CHECK_LEVEL="10", rejoin="rewind")
    assert hinted["srv1"].agent("validate-all", **look).code == 0
    hinted["srv1"].server.configure(
        f"primary_conninfo = 'host={hinted.vip} port=5432 user=small application_name=srv1'")
    run = hinted["srv1"].agent("validate-all", **look)
    assert run.code == 2 and "rejoin=rewind: a rewind needs a role in primary_co" in run.reason
    before = hinted["srv1"].files()
    run = come_back(hinted, None, code=5)
    assert "a role in primary_conninfo that may run pg_rewind" in run.reason
    assert hinted["srv1"].files() == before


def test_manual_keeps_it_stopped_and_says_that_nothing_would_be_lost(hinted):
    connection = write_no_commit(hinted)
    fail_over(hinted)
    connection.close()
    assert "no commit among them" in come_back(hinted, "manual", code=5).reason


# What is this node's own stays so

def own_files(node):
    """Write files of all kinds into the data directory; return {path: (mode, bytes or link)}."""
    data = node.pgdata
    (data / "conf.d" / "more").mkdir(parents=True)
    lines = (data / "postgresql.conf").read_text().splitlines()
    conninfo = [line for line in lines if line.startswith("primary_conninfo")]
    (data / "conf.d" / "node.conf").write_text("\n".join(conninfo))
    (data / "postgresql.conf").write_text("\n".join(
        [line for line in lines if line not in conninfo]
        + ["include_dir 'conf.d'", "include_if_exists 'local.conf'",
           "include 'global/deep.conf'", "include_dir 'global/empty.d'",
           f"hba_file = '{data}/access.conf'"]))
    (data / "access.conf").write_text("local all all trust\nlocal replication all trust\n")
    (data / "global" / "deep.conf").write_text("work_mem = '5MB'\n")
    (data / "global" / "empty.d").mkdir(mode=0o700)
    (data / "conf.d" / "more" / "readme").write_bytes(b"\0\xff")
    (data / "server.key").write_text(f"key of {node.name}\n")
    (data / "server.key").chmod(0o600)
    (data / "link.crt").symlink_to("/etc/hostname")
    (data / "recovery.done.pcmk").write_text(node.name)
    for path in [data / "conf.d", *data.rglob("conf.d/**/*"), data / "access.conf",
                 data / "global" / "deep.conf", data / "global" / "empty.d", data / "server.key",
                 data / "recovery.done.pcmk", data / "postgresql.conf"]:
        shutil.chown(path, owner().pw_uid, owner().pw_gid)
    os.chown(data / "server.key", owner().pw_uid, owner().pw_gid)


def kept(node):
    """Return what of a data directory is the node's own, by path."""
    mine = re.compile(r"(conf\.d|server\.key|link\.crt|recovery\.done\.pcmk|access\.conf|"
                      r"global/deep\.conf|postgresql\.|pg_hba|pg_ident|local\.conf|log/)")
    return {path: (mode, uid, content) for path, (mode, uid, content) in node.files().items()
            if mine.match(path)}


def test_all_of_its_own_files_are_as_they_were(make_cluster):
    cluster = make_cluster("srv1", "srv2")
    for node in cluster:
        node.server.configure("wal_log_hints = on")
        own_files(node)
    (cluster["srv2"].pgdata / "conf.d" / "srv2.conf").write_text("work_mem = '9MB'\n")
    (cluster["srv2"].pgdata / "local.conf").write_text("work_mem = '9MB'\n")
    (cluster["srv1"].pgdata / "only-here").write_text("notes")
    for name in ("conf.d/srv2.conf", "local.conf"):
        shutil.chown(cluster["srv2"].pgdata / name, owner().pw_uid, owner().pw_gid)
    cluster.start()
    write_commits(cluster)
    fail_over(cluster)
    before = kept(cluster["srv1"])
    assert "conf.d/node.conf" in before and "global/deep.conf" in before
    come_back(cluster, "rewind")
    assert kept(cluster["srv1"]) == before
    assert (cluster["srv1"].pgdata / "only-here").read_text() == "notes"
    assert cluster["srv1"].value("SHOW work_mem") == "5MB"
    assert cluster["srv2"].value(
        "SELECT application_name FROM pg_stat_replication") == "srv1"


def test_what_was_given_up_is_kept_beside_the_data_directory(hinted):
    write_commits(hinted)
    fail_over(hinted)
    run = come_back(hinted, "rewind")
    (place,) = lost_of(hinted["srv1"]).iterdir()
    about = json.loads((place / "about.json").read_text())
    assert "conninfo" not in about and str(place) in run.log
    text = as_owner(f"{hinted['srv1'].programs}/pg_waldump", "-p", place, "-t", "1", "-s",
                    about["fork"], check=False)
    assert "COMMIT" in text


# The archive, and what a primary that was just promoted does not show yet

def test_crash_recovery_before_it_stays_on_its_timeline_without_the_archive(make_cluster):
    """A shared archive has the new primary's timeline, which the crashed one cannot follow."""
    cluster = make_cluster("srv1", "srv2")
    archive = cluster.folder / "archive"
    archive.mkdir()
    shutil.chown(archive, owner().pw_uid, owner().pw_gid)
    for node in cluster:
        node.server.configure(
            "wal_log_hints = on", "archive_mode = on",
            f"archive_command = 'test -f {archive}/%f || cp %p {archive}/%f'",
            f"restore_command = 'cp {archive}/%f %p'")
    cluster.start()
    write_commits(cluster)
    cluster["srv1"].sql("CHECKPOINT")
    cluster["srv1"].sql("INSERT INTO t VALUES (3)")
    fail_over(cluster)
    cluster["srv2"].sql("SELECT pg_switch_wal()")
    wait_until((archive / "00000002.history").exists, "the archive to have the history")
    come_back(cluster, "rewind")


def test_wal_that_is_gone_here_comes_from_the_archive(make_cluster):
    """pg_rewind needs the last checkpoint before the fork, which only the archive has."""
    cluster = make_cluster("srv1", "srv2")
    archive = cluster.folder / "archive"
    archive.mkdir()
    shutil.chown(archive, owner().pw_uid, owner().pw_gid)
    for node in cluster:
        node.server.configure(
            "wal_log_hints = on", "archive_mode = on",
            f"archive_command = 'test -f {archive}/%f || cp %p {archive}/%f'",
            f"restore_command = 'cp {archive}/%f %p'")
    cluster.start()
    cluster["srv1"].sql("SELECT pg_switch_wal()")
    cluster["srv1"].sql("INSERT INTO t VALUES (3)")
    cluster.wait_for_streams("srv1", 1)
    write_commits(cluster)
    cluster["srv1"].sql("CHECKPOINT")    # where crash recovery begins
    fail_over(cluster)
    wal = cluster["srv1"].pgdata / "pg_wal"
    fork = cluster["srv2"].pgdata / "pg_wal" / "00000002.history"
    at = fork.read_text().split()[1].split("/")
    first = f"00000001{int(at[0], 16):08X}{int(at[1], 16) >> 20:08X}"
    for path in wal.iterdir():
        if len(path.name) == 24 and path.name < first and (archive / path.name).exists():
            path.unlink()
    come_back(cluster, "rewind")


def test_a_primary_without_its_first_checkpoint_is_waited_for(hinted):
    """A role that may not order a checkpoint: the wait is bounded, and ends with the checkpoint."""
    hinted["srv1"].sql("CREATE ROLE rewinder LOGIN REPLICATION")
    for function in ("pg_ls_dir(text,boolean,boolean)", "pg_stat_file(text,boolean)",
                     "pg_read_binary_file(text)",
                     "pg_read_binary_file(text,bigint,bigint,boolean)"):
        hinted["srv1"].sql(f"GRANT EXECUTE ON FUNCTION {function} TO rewinder")
    hinted.wait_for_streams("srv1", 1)
    write_commits(hinted)
    hinted["srv1"].kill()
    assert hinted.promote("srv2", FAILOVER, ["srv2"]).code == 0
    hinted["srv1"].server.configure("primary_conninfo = " + quoted(
        f"host={hinted.vip} port=5432 user=rewinder application_name=srv1"))
    hinted["srv2"].sql("CHECKPOINT")
    hinted["srv2"].sql("INSERT INTO t VALUES (2)")
    come_back(hinted, "rewind")
