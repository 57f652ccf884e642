"""A machine that was paused: the hardware clock shows it, and the primary is ended."""

import itertools
import signal
import subprocess
from types import SimpleNamespace

import pytest

from paf.cluster import cib
from paf.crash import pauseguard, postmaster_end
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


@pytest.mark.parametrize("by", [5, 7200])
def test_clocks_that_are_set_together_look_like_a_pause(by):
    """After a real one a guest agent does the same, so that is the safe side."""
    assert clocks.paused_for(START, after(START, 0.25, stepped=float(by), hardware=by))
    assert clocks.paused_for(START, after(START, 0.25, paused=float(by), stepped=float(by)))


def test_a_clock_that_goes_back_is_no_pause():
    assert not clocks.paused_for(START, Clocks(900, 51.0, 1001.4))


class Cluster:
    """What Pacemaker and Corosync answer: each a text, or an error."""

    totem = """runtime.config.totem.consensus (u32) = 4380
runtime.config.totem.hold (u32) = 685
runtime.config.totem.token (u32) = 3650
runtime.config.totem.token_retransmit (u32) = 869
"""

    def __init__(self, watchdog="true", totem=totem):
        self.watchdog, self.totem = watchdog, totem

    def checked(self, argv, _deadline):
        assert argv == ["corosync-cmapctl", "runtime.config.totem."]
        if isinstance(self.totem, OcfError):
            raise self.totem
        return SimpleNamespace(out=self.totem)

    def cib(self, _deadline):
        if isinstance(self.watchdog, OcfError):
            raise self.watchdog
        return f"""<cib><configuration><crm_config><cluster_property_set id="o"><nvpair id="h"
            name="have-watchdog" value="{self.watchdog}"/></cluster_property_set></crm_config>
            </configuration></cib>"""


class Log(list):
    """Keeps what is logged."""

    def error(self, text):
        self.append(text)

    warning = error


@pytest.fixture
def server():
    """A process that ends for any signal, as a postmaster does for SIGQUIT."""
    # what a shell starts in the background, without job control, ignores SIGQUIT, and so would this
    default = signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    process = subprocess.Popen(["sleep", "60"])
    signal.signal(signal.SIGQUIT, default)
    with process:
        yield process
        process.kill()


@pytest.fixture
def guard(server, monkeypatch):
    """Make (log, guard) with a cluster and the clocks that are seen, one after the other."""
    monkeypatch.setattr(postmaster, "has_wal_writer", lambda instance: True)

    def make(cluster, *seen):
        looks = itertools.chain(seen, itertools.repeat(seen[-1]))
        monkeypatch.setattr(pauseguard, "read", lambda: next(looks))
        context = SimpleNamespace(cluster=cluster, log=Log(), instance=None)
        return context.log, pauseguard.of(context, server.pid)
    return make


def paused(seconds):
    """Return two looks, with a pause between them."""
    return START, after(START, 0.3, seconds)


def refuse(_instance):
    raise proc.Unseen("cannot look for processes")


def test_a_primary_is_ended_after_a_pause(server, guard):
    log, made = guard(Cluster(), *paused(20.0))
    made.look()
    assert server.wait(10) == -signal.SIGQUIT and "did not run for 20 s, or" in log[0]
    made.look()
    assert len(log) == 1


def test_one_that_may_be_a_primary_is_ended_as_well(server, guard, monkeypatch):
    monkeypatch.setattr(postmaster, "has_wal_writer", refuse)
    guard(Cluster(), *paused(20.0))[1].look()
    assert server.wait(10) == -signal.SIGQUIT


@pytest.mark.parametrize("seen", [
    paused(0.0), paused(7.0),       # 8.03 s are corosync's token and consensus
    (START, None)])                 # the clock has gone
def test_nothing_is_ended_without_a_pause_that_matters(server, guard, seen):
    log, made = guard(Cluster(), *seen)
    made.look()
    assert server.poll() is None and not log


def test_corosyncs_times_are_those_of_now_where_they_matter(server, guard, monkeypatch):
    """They may have been made shorter while the server runs."""
    cluster = Cluster()
    log, made = guard(cluster, *paused(7.0))
    cluster.totem = cluster.totem.replace("4380", "1200").replace("3650", "1000")
    made.look()
    assert server.wait(10) == -signal.SIGQUIT and len(log) == 1


def test_a_pause_that_matters_in_any_case_waits_for_no_answer(server, guard, monkeypatch):
    cluster = Cluster()
    _, made = guard(cluster, *paused(20.0))
    monkeypatch.setattr(cluster, "checked", lambda *_: pytest.fail("asked"))
    made.look()
    assert server.wait(10) == -signal.SIGQUIT


def test_a_standby_goes_on(server, guard, monkeypatch):
    log, made = guard(Cluster(), *paused(20.0))
    monkeypatch.setattr(postmaster, "has_wal_writer", lambda instance: False)
    made.look()
    assert server.poll() is None and not log


def test_another_process_of_that_number_is_not_ended(server, guard, monkeypatch):
    log, made = guard(Cluster(), *paused(20.0))
    monkeypatch.setattr(proc, "start_time", lambda pid: "later")
    made.look()
    assert server.poll() is None and not log


def test_one_that_cannot_be_seen_at_the_moment_is_ended_at_the_next_look(
        server, guard, monkeypatch):
    """Not known is neither another process nor ours: no signal, and the pause is not forgotten."""
    log, made = guard(Cluster(), *paused(20.0))
    start_time = proc.start_time
    monkeypatch.setattr(proc, "start_time", refuse)
    made.look()
    assert server.poll() is None and not log
    monkeypatch.setattr(proc, "start_time", start_time)
    made.look()
    assert server.wait(10) == -signal.SIGQUIT and len(log) == 1


@pytest.mark.parametrize("totem", ["", "runtime.config.totem.token (u32) = 1000\n",
                                   OcfError("corosync-cmapctl: no answer")])
def test_where_corosyncs_times_are_not_known_a_short_pause_matters(server, guard, totem):
    guard(Cluster(totem=totem), *paused(4.0))[1].look()
    assert server.wait(10) == -signal.SIGQUIT


def test_it_is_there_where_sbd_fences_or_may(guard):
    assert guard(Cluster(watchdog="false"), START)[1] is None
    assert guard(Cluster(), None)[1] is None, "no hardware clock"
    log, made = guard(Cluster(watchdog=OcfError("no answer")), START)
    assert made and "not known" in log[0]
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
    postmaster_end.await_end(None, server.pid, look=look)
    assert len(looks) >= 2
