"""The watcher: a crash is reported to Pacemaker at once, once, and nothing else is."""

import contextlib
import os
import shutil
import signal
import threading
import time

import pytest

from paf.instance import postmaster
from tests.component import cluster as component
from tests.component.server import wait_until
from tests.component.watching import (
    asleep, begin, files_of, gone, is_asked_to_end, lock, resources, reports, watchers, watching)

OPERATION = '<operations><op id="m" name="monitor" interval="15s" {0}/></operations>'
PROPERTY = ('<crm_config><cluster_property_set id="c"><nvpair id="p" name="{0}" value="{1}"/>'
            "</cluster_property_set></crm_config>")
META = '<meta_attributes id="m"><nvpair id="n" name="{0}" value="{1}"/></meta_attributes>'


@pytest.fixture(autouse=True)
def no_watcher_is_left(base):
    """Whatever a test does, no watcher outlives it."""
    yield
    for pid in watchers(base):
        with contextlib.suppress(ProcessLookupError):    # it ends by itself as well
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def watched(primary):
    """A running primary with a watcher."""
    begin(primary)
    return primary


# What it reports

@pytest.mark.fast
def test_a_crash_is_reported_at_once_and_says_why(watched):
    watched.kill()
    wait_until(lambda: reports(watched), "Pacemaker to get the report")
    gone(watched)
    assert "crashed primary" in watched.log.read_text()
    call, = (call for call in watched.cluster.store.calls() if "--fail" in call.words)
    assert call.words == ("--fail", "--resource", "pgsqld", "--node", "srv1")
    assert "crashed primary" in watched.cluster.store.value("failed_because", "srv1")


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize("times", [1, 2])
def test_it_counts_once_however_often_pacemaker_counts_it(watched, before, times, old):
    store = watched.cluster.store
    store.counts_failures(times)
    store.is_of_old(old)
    if before:
        store.set_failures("srv1", before)
    watched.kill()
    gone(watched)
    assert store.failures("srv1") == before + 1
    # at no time more: with migration-threshold the resource would leave the node
    assert store.counted() <= before + 1


def test_a_count_without_end_stays_as_it_is(watched):
    watched.cluster.store.set_failures("srv1", "INFINITY")
    watched.cluster.store.counts_failures(0)
    watched.kill()
    gone(watched)
    assert reports(watched) == 1 and not any(
        "--update=" in word for call in watched.cluster.store.calls() for word in call.words)


def test_a_failure_that_was_never_counted_leaves_the_count_as_it_was(watched):
    watched.cluster.store.counts_failures(0)
    watched.kill()
    gone(watched)
    assert reports(watched) == 1 and watched.cluster.store.failures("srv1") == 0


def test_a_crashed_standby_is_reported_too(pair):
    standby = pair["srv2"]
    begin(standby)
    standby.kill()
    gone(standby)
    assert reports(standby) == 1 and "crashed standby" in standby.log.read_text()


def test_a_postmaster_alone_that_dies_is_a_crash(watched):
    watched.signal(signal.SIGKILL)
    gone(watched)
    assert reports(watched) == 1


def test_a_monitor_that_comes_after_it_does_not_tell_once_more(watched):
    watched.kill()
    gone(watched)
    # just now, however long the watcher took to end; and the monitor, to begin
    soon = time.time() + 4
    os.utime(lock(watched), (soon, soon))
    run = watched.monitor()
    assert run.code == 8 and "has just been reported" in run.log and run.reason == ""
    past = time.time() - 60    # it is not believed for long
    os.utime(lock(watched), (past, past))
    assert watched.monitor().code == 9


def test_a_monitor_that_comes_before_it_tells_alone(watched):
    pid = watching(watched)
    os.kill(pid, signal.SIGSTOP)
    watched.kill()
    codes = []
    thread = threading.Thread(target=lambda: codes.append(watched.monitor().code))
    thread.start()
    wait_until(lambda: is_asked_to_end(pid), "the action to ask the watcher to end")
    os.kill(pid, signal.SIGCONT)
    thread.join()
    gone(watched)
    assert codes == [9] and reports(watched) == 0 and watched.cluster.store.failures("srv1") == 0


@pytest.mark.parametrize("old", [False, True])
def test_the_reason_goes_once_the_failure_was_cleaned_up(pair, old):
    standby, store = pair["srv2"], pair.store
    store.is_of_old(old)
    begin(standby)
    standby.kill()
    gone(standby)
    assert pair["srv1"].monitor().code == 8
    assert "crashed standby" in store.value("failed_because", "srv2")
    store.set_failures("srv2", "")
    assert pair["srv1"].monitor().code == 8
    assert store.value("failed_because", "srv2") is None


# What it does not show

@pytest.mark.fast
def test_a_clean_shutdown_is_not_reported(watched):
    watched.stop()
    gone(watched)
    assert reports(watched) == 0
    assert not lock(watched).exists()


def test_a_logging_collector_that_outlives_a_clean_shutdown_is_no_crash(watched):
    """It ends last, after the agent has stopped waiting."""
    logger, = (pid for pid in watched.server.processes() if "logger" in postmaster.title(pid))
    os.kill(logger, signal.SIGSTOP)
    try:
        watched.stop()
        gone(watched)
        assert reports(watched) == 0
        assert (watched.monitor().code, watched.probe()) == (7, 7)
    finally:
        os.kill(logger, signal.SIGCONT)


def test_a_clean_shutdown_of_a_standby_is_not_reported(pair):
    begin(pair["srv2"])
    pair["srv2"].stop()
    gone(pair["srv2"])
    assert reports(pair["srv2"]) == 0


def test_a_server_that_runs_again_is_not_reported(watched):
    """The postmaster dies, and is started again before the watcher has looked."""
    pid = watching(watched)
    os.kill(pid, signal.SIGSTOP)
    watched.kill()
    assert watched.agent("start").code == 0
    os.kill(pid, signal.SIGCONT)
    gone(watched)
    assert reports(watched) == 0
    assert watched.monitor().code == 0
    assert watching(watched) != pid


SILENCE = {
    "cluster": [resources(), PROPERTY.format("maintenance-mode", "true")],
    "unmanaged by default": [resources(), PROPERTY.format("is-managed-default", "false")],
    "resource": [resources(META.format("maintenance", "true"))],
    "clone": [resources(around=META.format("is-managed", "false"))],
    "all resources": [resources(), '<rsc_defaults><meta_attributes id="d"><nvpair id="e" '
                      'name="is-managed" value="false"/></meta_attributes></rsc_defaults>'],
    "on-fail": [resources(OPERATION.format('on-fail="fence"'))],
    "no resource": ["<resources/>"],
}


@pytest.mark.parametrize("case", SILENCE)
def test_where_pacemaker_is_not_to_act_it_is_not_reported(watched, case):
    watched.cluster.store.configure(*SILENCE[case])
    watched.kill()
    gone(watched)
    assert reports(watched) == 0
    assert "not reported to Pacemaker" in watched.log.read_text()
    assert watched.cluster.store.failures("srv1") == 0


@pytest.mark.parametrize("name, value", [("shutdown", "1700000000"), ("maintenance", "true")])
def test_of_a_node_in_maintenance_or_being_shut_down_it_is_not_reported(watched, name, value):
    watched.cluster.store._path("status", b"srv1".hex(), name.encode().hex()).write_text(value)
    watched.kill()
    gone(watched)
    assert reports(watched) == 0


def test_of_a_node_that_is_not_in_the_cluster_it_is_not_reported(watched):
    watched.cluster.store.add_member("srv1", online=False)
    watched.kill()
    gone(watched)
    assert reports(watched) == 0


def test_without_a_cluster_it_ends_and_says_why(watched):
    watched.cluster.store.breaks("cibadmin")
    watched.kill()
    gone(watched)
    assert reports(watched) == 0 and "cibadmin failed" in watched.log.read_text()


def test_where_pacemaker_refuses_the_report_nothing_is_left_of_it(watched):
    """The monitor reports then: a count below zero would hide that failure, or the next."""
    store = watched.cluster.store
    store.breaks("crm_resource")
    watched.kill()
    gone(watched)
    assert "crm_resource failed" in watched.log.read_text()
    assert store.failures("srv1") == 0
    assert not store.value("failed_because", "srv1")
    assert watched.monitor().code == 9


def test_a_monitor_with_the_usual_on_fail_is_no_reason_for_silence(watched):
    watched.cluster.store.configure(resources(OPERATION.format('on-fail="restart"')))
    watched.kill()
    gone(watched)
    assert reports(watched) == 1


# Who begins and ends it

def test_start_begins_it_and_stop_ends_it(idle):
    idle.parameters["crash_watch"] = "true"
    idle.cluster.store.configure(resources())
    try:
        assert idle.agent("start").code == 0
        watching(idle)
        assert idle.agent("stop").code == 0
        assert watchers(idle.temporary) == []
        assert list(idle.temporary.glob("*.watcher")) == []
        assert reports(idle) == 0
    finally:
        idle.parameters["crash_watch"] = "false"


def test_a_demotion_ends_it_and_begins_another(watched):
    first = watching(watched)
    assert watched.agent("demote", lists=dict(demote="srv1")).code == 0
    assert watching(watched) != first and watchers(watched.temporary) == [watching(watched)]
    assert reports(watched) == 0


def test_a_stop_during_a_report_to_pacemaker_comes_first(watched):
    """The watcher sees the crash, then is stopped; no failure may follow the stop."""
    pid = watching(watched)
    os.kill(pid, signal.SIGSTOP)
    watched.kill()
    results = []
    thread = threading.Thread(target=lambda: results.append(watched.agent("stop").code))
    thread.start()
    wait_until(lambda: is_asked_to_end(pid), "the action to ask the watcher to end")
    os.kill(pid, signal.SIGCONT)
    thread.join()
    assert results == [0]
    gone(watched)
    assert reports(watched) == 0


def test_a_crash_that_makes_a_promotion_fail_is_not_reported_as_well(pair):
    """Pacemaker counts the failed promotion; the watcher saw the crash too, and would add one."""
    standby, programs = pair["srv2"], pair.folder / "bin"
    begin(standby)
    pid = watching(standby)
    programs.mkdir()
    for name in os.listdir(standby.programs):
        (programs / name).symlink_to(os.path.join(standby.programs, name))
    (programs / "pg_ctl").unlink()
    (programs / "pg_ctl").write_text(
        f"#!/bin/sh\nkill -9 `head -n 1 {standby.server.pgdata}/postmaster.pid`\n")
    (programs / "pg_ctl").chmod(0o755)
    pair["srv1"].kill()
    os.kill(pid, signal.SIGSTOP)
    lists = dict(active="srv2", unpromoted="srv2", promote="srv2")
    results = []
    thread = threading.Thread(target=lambda: results.append(
        pair.promote("srv2", lists, ["srv2"], bindir=str(programs)).code))
    thread.start()
    wait_until(lambda: is_asked_to_end(pid), "the promotion to end the watcher")
    os.kill(pid, signal.SIGCONT)
    thread.join()
    gone(standby)
    assert results == [1] and reports(standby) == 0


def test_a_monitor_brings_back_one_that_was_killed(watched):
    first = watching(watched)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not watchers(watched.temporary), "it to be dead")
    assert watched.monitor().code == 8
    wait_until(lambda: watching(watched) != first, "another one")


@pytest.mark.fast
def test_a_second_monitor_begins_no_second_one(watched):
    for _ in range(3):
        watched.monitor()
    assert watchers(watched.temporary) == [watching(watched)]


def test_a_probe_begins_none(primary):
    primary.parameters["crash_watch"] = "true"
    assert primary.probe() == 8
    assert not lock(primary).exists()


def test_the_parameter_turns_it_off_while_it_runs(watched):
    watched.parameters["crash_watch"] = "false"
    watched.monitor()
    assert watchers(watched.temporary) == [] and not lock(watched).exists()
    watched.kill()
    assert watched.monitor().code == 9 and reports(watched) == 0


def test_a_reload_begins_it_anew_with_what_has_changed(watched):
    first = watching(watched)
    assert watched.agent("reload-agent").code == 0
    wait_until(lambda: watching(watched) != first, "another one")


def test_without_a_cluster_there_is_none(primary):
    primary.parameters["crash_watch"] = "true"
    assert primary.monitor(in_cluster=False).code == 8
    assert not lock(primary).exists()


def test_without_its_folder_there_is_none_and_the_monitor_works(primary):
    primary.parameters["crash_watch"] = "true"
    assert primary.monitor(HA_RSCTMP="/dev/null/none").code == 8


def test_a_link_in_place_of_its_file_is_not_followed(primary, tmp_path):
    primary.parameters["crash_watch"] = "true"
    (tmp_path / "victim").write_text("as it was")
    lock(primary).symlink_to(tmp_path / "victim")
    assert primary.monitor().code == 8
    assert (tmp_path / "victim").read_text() == "as it was"
    assert watchers(primary.temporary) == []


# How it lives

def test_it_holds_nothing_of_the_action_that_began_it(watched):
    pid = asleep(watched)
    names = files_of(pid)
    assert {"/dev/null", str(lock(watched))} >= {name for name in names if "pidfd" not in name}
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert os.getsid(pid) not in (os.getsid(0), pid)


def test_it_costs_nothing_while_nothing_happens(watched):
    pid = asleep(watched)

    def used():
        with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
            fields = stream.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    before = used()
    time.sleep(2)
    assert used() - before <= 5    # of 200 ticks


def test_it_survives_the_removal_of_the_agent(primary, tmp_path, monkeypatch):
    for name in ("paf", "resource.d"):
        shutil.copytree(component.REPOSITORY / name, tmp_path / name)
    monkeypatch.setattr(component, "AGENT", tmp_path / "resource.d" / "pgsqlms")
    begin(primary)
    asleep(primary)
    shutil.rmtree(tmp_path / "paf")
    shutil.rmtree(tmp_path / "resource.d")
    primary.kill()
    gone(primary)
    assert reports(primary) == 1 and "Traceback" not in primary.log.read_text()
