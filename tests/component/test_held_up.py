"""Promotions that something on the standby holds up: they come about, or are taken back."""

import os
import signal

import pytest

from tests.component.server import wait_until

LOST = dict(active="srv2", unpromoted="srv2", promote="srv2")
BACK = dict(active="srv2", unpromoted="srv2", promoted="srv2", demote="srv2")


@pytest.fixture
def reporting(make_cluster):
    """A pair whose standby lets its queries hold up replay for as long as they like."""
    cluster = make_cluster("srv1", "srv2")
    for node in cluster:
        node.server.configure("max_standby_streaming_delay = -1")
    cluster.start()
    return cluster


def hold_up(pair):
    """Have a session of srv2 stand in the way of what it has received; return it.

    srv1 is dead then.
    """
    srv1, srv2 = pair["srv1"], pair["srv2"]
    session = srv2.server.connect()
    session.autocommit = False
    session.cursor().execute("SELECT * FROM t")
    srv1.sql("ALTER TABLE t ADD COLUMN more int")
    srv1.sql("INSERT INTO t VALUES (1, 2)")
    wait_until(lambda: received_all(pair), "srv2 to have received it")
    wait_until(lambda: title(srv2, "startup").endswith(" waiting"), "its replay to wait")
    srv1.kill()
    pair.move_vip(None)
    return session


def received_all(pair):
    """Return whether srv2 has received what srv1 has written."""
    end = pair["srv1"].value("SELECT pg_current_wal_flush_lsn()")
    return pair["srv2"].value(f"SELECT pg_last_wal_receive_lsn() >= '{end}'")


def title(node, word):
    """Return the title of the node's process with a word in it, "" for none."""
    return "".join(text for text in (title_of(pid) for pid in node.processes()) if word in text)


def title_of(pid):
    """Return a process's title, "" for one that has ended."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="ascii", errors="replace") as stream:
            return stream.read().replace("\0", " ").strip()
    except OSError:
        return ""


def test_a_session_of_the_standby_holds_no_promotion_up(reporting):
    """Its transaction is idle: without that, replay would wait without end."""
    session = hold_up(reporting)
    idle = reporting["srv2"].server.connect()
    run = reporting.promote("srv2", LOST, ["srv2"])
    assert run.code == 0 and "sessions held up: 1 with an open transaction" in run.log
    assert reporting["srv2"].value("SELECT more FROM t") == 2
    with idle.cursor() as cursor:    # it is in nobody's way
        cursor.execute("SELECT 1")
    session.close()


def test_a_session_holds_nothing_up_that_is_replayed(reporting):
    session = reporting["srv2"].server.connect()
    session.autocommit = False
    with session.cursor() as cursor:
        cursor.execute("SELECT * FROM t")
        reporting["srv1"].kill()
        reporting.move_vip(None)
        assert reporting.promote("srv2", LOST, ["srv2"]).code == 0
        cursor.execute("SELECT * FROM t")


def test_a_startup_process_that_was_stopped_holds_no_promotion_up(pair):
    pair["srv1"].kill()
    pair.move_vip(None)
    startup, = (pid for pid in pair["srv2"].processes() if "startup" in title_of(pid))
    os.kill(startup, signal.SIGSTOP)
    assert pair.promote("srv2", LOST, ["srv2"]).code == 0
    assert not pair["srv2"].in_recovery


def test_a_promotion_that_failed_does_not_come_about_after_a_demotion(reporting):
    """Pacemaker demotes and does not stop with on-fail=demote: another node is promoted then.

    The role of the agent may end no session here.
    """
    srv2 = reporting["srv2"]
    session = hold_up(reporting)
    order = srv2.pgdata.with_name("order")
    order.mkdir()
    for name in os.listdir(srv2.programs):
        (order / name).symlink_to(f"{srv2.programs}/{name}")
    (order / "psql").unlink()
    (order / "psql").write_text("#!/bin/sh\ncase \"$*\" in *terminate*) exit 1;; esac\n"
                                f"exec {srv2.programs}/psql \"$@\"\n")
    (order / "psql").chmod(0o755)
    run = reporting.promote("srv2", LOST, ["srv2"], timeout=8, bindir=str(order))
    assert run.code == 1 and "was not promoted in" in run.reason
    ordered = srv2.pid()
    assert srv2.agent("demote", lists=BACK).code == 0
    session.close()
    assert srv2.in_recovery and srv2.pid() != ordered
    before = srv2.pid()
    assert srv2.agent("demote", lists=BACK).code == 0
    assert srv2.pid() == before


def test_a_restore_command_that_hangs_is_named(make_cluster):
    """As one that copies from the machine of the old primary, which is off."""
    cluster = make_cluster("srv1", "srv2")
    hangs = cluster.folder / "hangs"
    cluster["srv2"].server.configure(
        f"restore_command = 'test ! -e {hangs} || sleep 300; exit 1'")
    cluster.start()
    cluster["srv1"].kill()
    cluster.move_vip(None)
    cluster.notify("pre", "promote", LOST, ["srv2"])
    hangs.touch()
    run = cluster["srv2"].agent("promote", lists=LOST, timeout=6)
    assert run.code == 1 and "not promoted in" in run.reason, run
    assert "restore_command runs" in run.reason
    assert cluster["srv2"].agent("stop").code == 0
