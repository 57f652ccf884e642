"""A primary that dies in an exclusive backup, which PostgreSQL has up to 14: its label stays.

The label is written by hand, as pg_start_backup() does. Later versions read it as well, and wait
for the end of that backup with the promotion only.
"""

import os
import shutil
import time

import pytest

from tests.component.server import owner

RECOVERY = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", demote="srv1",
                stop="srv1", start="srv1", promote="srv1")
LABEL = """START WAL LOCATION: {redo} (file {file})
CHECKPOINT LOCATION: {checkpoint}
BACKUP METHOD: {method}
BACKUP FROM: primary
START TIME: {time} +0530
LABEL: nightly
START TIMELINE: 1
"""


HOURS = 5.5    # east of UTC


def now(seconds=0.0):
    """Return the time some seconds from now as a server in India writes it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + HOURS * 3600 + seconds))


def write_label(node, method="pg_start_backup", began=0.0):
    """Give an instance the label of a backup that starts with its last checkpoint."""
    node.sql("CHECKPOINT")
    path = node.pgdata / "backup_label"
    path.write_text(LABEL.format(
        time=now(began),
        redo=node.control("Latest checkpoint's REDO location"), method=method,
        file=node.control("Latest checkpoint's REDO WAL file"),
        checkpoint=node.control("Latest checkpoint location")))
    shutil.chown(path, owner().pw_uid, owner().pw_gid)
    return path


@pytest.fixture
def in_backup(pair):
    """A primary (srv1) that dies in an exclusive backup, with a row that it wrote meanwhile."""
    label = write_label(pair["srv1"])
    pair["srv1"].sql("INSERT INTO t VALUES (4711)")
    pair["srv1"].kill()
    assert label.exists()
    return pair


def test_it_is_a_crashed_primary_to_a_monitor(in_backup):
    run = in_backup["srv1"].monitor()
    assert run.code == 9 and "an exclusive backup" in run.reason
    assert in_backup["srv1"].probe() == 7
    assert in_backup["srv1"].agent("stop").code == 0


def test_it_is_recovered_and_promoted_where_it_was(in_backup):
    srv1 = in_backup["srv1"]
    for action in ("demote", "stop", "start"):
        assert srv1.agent(action, lists=RECOVERY).code == 0
    assert srv1.in_recovery and (srv1.pgdata / "backup_label.old").exists()
    assert in_backup.promote("srv1", RECOVERY, ["srv1", "srv2"]).code == 0
    assert srv1.value("SELECT n FROM t") == 4711
    in_backup.wait_for_streams("srv1", 1)


def test_a_demotion_without_a_stop_recovers_it_too(in_backup):
    srv1 = in_backup["srv1"]
    lists = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", demote="srv1")
    assert srv1.agent("demote", lists=lists).code == 0
    assert srv1.in_recovery and srv1.value("SELECT n FROM t") == 4711


def test_a_label_that_was_copied_is_a_restored_backup_whatever_pacemaker_says(in_backup):
    """Its data is whole once the end of the backup is replayed, and no sooner."""
    srv1 = in_backup["srv1"]
    label = srv1.pgdata / "backup_label"
    label.unlink()
    label.write_text(LABEL.format(redo="0/1", file="0", checkpoint="0/1", method="pg_start_backup",
                                  time=now()))
    os.utime(label, (1700000000, 1700000000))
    shutil.chown(label, owner().pw_uid, owner().pw_gid)
    run = srv1.agent("start", lists=RECOVERY, timeout=10)
    assert run.code == 1 and label.exists()
    assert srv1.agent("stop").code == 0


@pytest.mark.parametrize("kept", [True, False])
def test_a_restored_backup_is_not_promoted_as_what_was_recovered_where_it_crashed(pair, kept):
    """The standby has more rows. kept: whether what restored it has kept the label's times."""
    srv1 = pair["srv1"]
    then = time.time() - 60
    label = write_label(srv1, began=-60)
    if kept:
        os.utime(label, (then, then))
    srv1.kill()
    assert srv1.monitor().code == 7
    assert srv1.agent("start", lists=RECOVERY).code == 0
    run = pair.promote("srv1", RECOVERY, ["srv1", "srv2"])
    assert "no election" not in run.log


def test_one_that_pacemaker_had_not_promoted_says_what_to_do(in_backup):
    srv1 = in_backup["srv1"]
    srv1.configure("shared_preload_libraries = 'none_such'")
    run = srv1.agent("start", lists=dict(start="srv1", active="srv2"))
    assert run.code == 1 and "remove the file if this is the primary that crashed" in run.reason
    assert (srv1.pgdata / "backup_label").exists()


def test_a_base_backup_is_none(pair):
    write_label(pair["srv1"], "streamed")
    pair["srv1"].kill()
    assert pair["srv1"].monitor().code == 7
