"""What the watcher has reported, or may have, no monitor reports again."""

import os
import time

from tests.component.server import wait_until
from tests.component.test_watcher import no_watcher_is_left, watched
from tests.component.watching import gone, lock, reports

__all__ = ["no_watcher_is_left", "watched"]


def test_a_report_without_an_answer_may_have_been_heard_and_counts_once(watched):
    """crm_resource has sent it, and waits: taken for nothing it was reported again."""
    store = watched.cluster.store
    store.breaks("crm_resource", "late")
    watched.kill()
    gone(watched)
    assert "reported to Pacemaker, which has not answered in time" in watched.log.read_text()
    assert store.failures("srv1") == 1 and "crashed" in store.value("failed_because", "srv1")
    run = watched.monitor()
    assert run.code == 8 and "has just been reported" in run.log and run.reason == ""


def test_a_monitor_reports_no_damaged_control_file_that_was_reported_just_now(watched):
    """Which role the server had it does not show: the monitor runs for one."""
    path = watched.pgdata / "global" / "pg_control"
    path.write_bytes(bytes(len(path.read_bytes())))
    watched.kill()
    wait_until(lambda: reports(watched), "Pacemaker to get the report")
    gone(watched)
    soon = time.time() + 4
    os.utime(lock(watched), (soon, soon))
    run = watched.monitor()
    assert run.code == 8 and "has just been reported" in run.log and run.reason == ""
    past = time.time() - 60
    os.utime(lock(watched), (past, past))
    assert watched.monitor().code == 1
