"""A machine that was paused: the hardware clock shows it, and the primary is held."""

import itertools
import os
import signal
import subprocess
import time
from types import SimpleNamespace

import pytest

from paf.cluster import cib
from paf.crash import pauseguard, postmaster_end
from paf.deadline import Deadline
from paf.decide import clocks
from paf.decide.clocks import Clocks
from paf.instance import postmaster, proc
from paf.ocf import OcfError

START = Clocks(1000, 50.0, 1000.4)


def after(seen, ran, paused=0.0, stepped=0.0, hardware=0):
    """Return the Clocks of a machine that ran for some seconds, and was paused for others."""
    exact = seen.hardware + ran + paused
    return Clocks(int(exact) + hardware, seen.running + ran, seen.day + ran + stepped)


@pytest.mark.parametrize("ran", [0.0, 0.25, 0.9, 5.0, 600.0])
@pytest.mark.parametrize("paused", [0.0, 0.9, 4.0, 20.0, 86400.0])
@pytest.mark.parametrize("stepped", [0.0, -3600.0, 3600.0])
def test_a_pause_is_what_only_the_hardware_clock_counts(ran, paused, stepped):
    found = clocks.paused_for(START, after(START, ran, paused, stepped))
    assert bool(found) == (paused >= clocks.LEAST)
    assert abs(found - paused) <= 1 or not found


@pytest.mark.parametrize("by", [-7200, -5, 5, 7200])
def test_a_hardware_clock_that_is_set_to_the_time_of_day_is_no_pause(by):
    """NTP steps the time of day; Linux writes it into the hardware clock later."""
    stepped = after(START, 10.0, stepped=float(by))
    assert not clocks.paused_for(START, stepped)
    assert not clocks.paused_for(stepped, after(stepped, 300.0, hardware=by))


def test_a_clock_that_goes_back_is_no_pause():
    assert not clocks.paused_for(START, Clocks(900, 51.0, 1001.4))


class Cluster:
    """What Pacemaker answers: each a value, or an error."""

    def __init__(self, quorum="1\n", online=("srv1",), watchdog="true", token="= 1000"):
        self.quorum, self.online, self.watchdog, self.token = quorum, online, watchdog, token
        self.is_powerless, self.asked = False, []

    def checked(self, argv, _deadline):
        self.asked.append(argv[0])
        answer = self.token if argv[0] == "corosync-cmapctl" else self.quorum
        if isinstance(answer, OcfError):
            raise answer
        return SimpleNamespace(out=answer)

    def cib(self, _deadline):
        if isinstance(self.watchdog, OcfError):
            raise self.watchdog
        return f"""<cib><configuration><crm_config><cluster_property_set id="o"><nvpair id="h"
            name="have-watchdog" value="{self.watchdog}"/></cluster_property_set></crm_config>
            </configuration></cib>"""

    def view(self, _deadline):
        return SimpleNamespace(online=list(self.online))


class Log(list):
    """Keeps what is logged."""

    def error(self, text):
        self.append(text)

    warning = error


@pytest.fixture
def server():
    """A process with a child, as a postmaster has."""
    process = subprocess.Popen(["sh", "-c", "sleep 60 & echo; wait"], stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    for pid in proc.descendants(process.pid):
        os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
def guard(server, monkeypatch):
    """Make a guard, with the clocks that are seen (a list) and times that a test can wait for."""
    monkeypatch.setattr(pauseguard, "_SETTLED", 0.3)
    monkeypatch.setattr(pauseguard, "_TOKENS", 0)
    monkeypatch.setattr(pauseguard, "_STEP", 0.02)
    monkeypatch.setattr(postmaster, "has_wal_writer", lambda instance: True)

    def make(cluster, *seen):
        looks = itertools.chain(seen, itertools.repeat(seen[-1]))
        monkeypatch.setattr(pauseguard, "read", lambda: next(looks))
        context = SimpleNamespace(cluster=cluster, log=Log(), instance=None, node="srv1")
        return context, pauseguard.of(context, server.pid)
    return make


def states(server):
    return {proc.state_of(pid)[0] for pid in [server.pid, *proc.descendants(server.pid)]}


def held(server):
    return states(server) == {b"T"}


PAUSED = after(START, 0.3, 20.0)


def test_a_primary_is_held_until_the_cluster_has_answered(server, guard, monkeypatch):
    seen = []
    cluster = Cluster()
    context, made = guard(cluster, START, PAUSED)
    monkeypatch.setattr(cluster, "view", lambda _: seen.append(held(server))
                        or SimpleNamespace(online=["srv1"]))
    made.look()
    assert seen == [True] and not held(server)
    assert "did not run for 20 s" in context.log[0] and "goes on" in context.log[-1]
    made.look()
    assert seen == [True], "one pause holds once"


@pytest.mark.parametrize("cluster", [
    Cluster(quorum="0\n"), Cluster(quorum=OcfError("crm_node: connection refused")),
    Cluster(quorum=""), Cluster(online=["srv2"])])
def test_what_is_no_member_or_not_known_holds_until_an_action_ends_it(server, guard, cluster):
    _, made = guard(cluster, START, PAUSED)
    former = signal.getsignal(signal.SIGTERM)
    helper = subprocess.Popen(["sh", "-c", f"sleep 1.5; kill {os.getpid()}"])
    begin = time.monotonic()
    with pytest.raises(SystemExit):
        made.look()
    assert time.monotonic() - begin > 1 and helper.wait() == 0
    assert not held(server), "it is the action that stops it"
    assert signal.getsignal(signal.SIGTERM) == former


@pytest.mark.parametrize("seen, cluster", [
    ((START, after(START, 0.3)), Cluster()),                          # no pause
    ((START, after(START, 0.3, 20.0)), Cluster(token="= 30000")),    # the others wait longer
    ((START, None), Cluster())])                                      # the clock has gone
def test_nothing_is_held_without_a_pause_that_matters(server, guard, seen, cluster):
    context, made = guard(cluster, *seen)
    made.look()
    assert not held(server) and not context.log and "crm_node" not in cluster.asked


def test_a_standby_goes_on_at_once(server, guard, monkeypatch):
    context, made = guard(Cluster(), START, PAUSED)
    monkeypatch.setattr(postmaster, "has_wal_writer", lambda instance: False)
    made.look()
    assert not held(server) and not context.log


def test_it_is_there_where_sbd_fences_or_may(guard):
    assert guard(Cluster(watchdog="false"), START)[1] is None
    assert guard(Cluster(), None)[1] is None, "no hardware clock"
    context, made = guard(Cluster(watchdog=OcfError("no answer")), START)
    assert made and "not known" in context.log[0]
    assert guard(Cluster(token=OcfError("no answer")), START, PAUSED)[1]._token == clocks.LEAST
    with pytest.raises(OcfError):
        cib.has_watchdog("error")


@pytest.mark.parametrize("has_descriptor", [True, False])
def test_the_watcher_looks_until_the_server_has_ended(server, monkeypatch, has_descriptor):
    looks = []

    def look():
        looks.append(True)
        if len(looks) == 2:
            server.kill()
            server.wait()
    monkeypatch.setattr(postmaster, "is_alive", lambda instance, pid: True)
    if not has_descriptor:
        monkeypatch.setattr(postmaster_end, "_pidfd", lambda _: None)
    children = proc.descendants(server.pid)
    postmaster_end.await_end(None, server.pid, look=look)
    assert len(looks) >= 2
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    assert Deadline(5).wait_for(lambda: proc.state_of(server.pid) == [])
