"""A shutdown that PostgreSQL cannot end by itself is seen, and no other one is cut short."""

import os
from collections import namedtuple

import pytest

from paf import signals
from paf.deadline import Deadline
from paf.decide import state
from paf.decide.knowledge import Known, Unknown
from paf.instance import controldata, postmaster, proc, shutdown
from tests.unit.support import Clock

Control = namedtuple("Control", "state")
POSTMASTER, LOGGER, CHECKPOINTER, MORE = 10, 11, 12, 13
TITLES = {POSTMASTER: "/usr/bin/postgres -D /data", LOGGER: "postgres: logger",
          CHECKPOINTER: "postgres: 15/main: checkpointer"}


class Process:
    """What /proc says of the checkpointer: its state, processor time and switches at each look."""

    def __init__(self, looks):
        self.looks = list(looks)

    def fields(self, _):
        word, ticks, _ = self.looks[0]
        return [word] + [b"10"] * 10 + [ticks, b"0"]

    def switches(self, _):
        return self.looks.pop(0)[2]


def ended(monkeypatch, looks, control, more=None):
    """Look as often as there are looks; return the signals that the postmaster got."""
    titles, sent = dict(TITLES), []
    titles.update({MORE: more} if more else {})
    process = Process(looks)
    monkeypatch.setattr(proc, "parent_of", lambda pid: 1 if pid == POSTMASTER else POSTMASTER)
    monkeypatch.setattr(proc, "state_of", process.fields)
    monkeypatch.setattr(shutdown, "_switches", process.switches)
    monkeypatch.setattr(postmaster, "parent", lambda pids: POSTMASTER)
    monkeypatch.setattr(postmaster, "send", lambda *what: sent.append(what))
    monkeypatch.setattr(controldata, "read", lambda *_: control)
    one = shutdown.Shutdown.__new__(shutdown.Shutdown)
    one._instance, one._deadline, one._alone = None, None, None
    one._seen = set(TITLES) | {MORE}
    one._log = namedtuple("Log", "warning")(lambda words: None)
    for number in range(len(looks)):
        client = {100 + number: "postgres: app app 192.0.2.1(4711) startup"}
        one._end_a_restart(sorted([*titles, *client]), {**titles, **client})
    return sent


IDLE = [(b"S", b"5", 7), (b"S", b"5", 8)]


@pytest.mark.parametrize("word", [
    state.IN_PRODUCTION, state.IN_CRASH_RECOVERY, state.IN_ARCHIVE_RECOVERY])
def test_a_checkpointer_that_is_alone_and_sleeps_is_not_waited_for(monkeypatch, word):
    assert ended(monkeypatch, IDLE, Known(Control(word))) == [(POSTMASTER, signals.SIGQUIT)]


@pytest.mark.parametrize("title", ["postgres: io worker 0", "postgres: 18/main: io worker 12"])
def test_it_is_alone_beside_what_reads_for_others_since_18(monkeypatch, title):
    found = ended(monkeypatch, IDLE, Known(Control(state.IN_PRODUCTION)), title)
    assert found == [(POSTMASTER, signals.SIGQUIT)]


@pytest.mark.parametrize("looks, control, more", [
    (IDLE[:1], Known(Control(state.IN_PRODUCTION)), None),
    ([(b"S", b"5", 7), (b"S", b"6", 7)], Known(Control(state.IN_PRODUCTION)), None),
    ([(b"S", b"5", 7), (b"S", b"5", 17)], Known(Control(state.IN_ARCHIVE_RECOVERY)), None),
    ([(b"D", b"5", 7), (b"D", b"5", 7)], Known(Control(state.IN_ARCHIVE_RECOVERY)), None),
    ([(b"S", b"5", None), (b"S", b"5", None)], Known(Control(state.IN_PRODUCTION)), None),
    (IDLE, Known(Control(state.SHUTTING_DOWN)), None),
    (IDLE, Known(Control(state.SHUT_DOWN)), None),
    (IDLE, Unknown("pg_control cannot be read"), None),
    (IDLE, Known(Control(state.IN_PRODUCTION)), "postgres: walsender"),
    (IDLE, Known(Control(state.IN_PRODUCTION)), "postgres: startup")],
    ids=["one look", "processor time", "switches", "the disk", "not to be seen", "checkpoint",
         "written", "unknown", "a sender", "recovery"])
def test_a_shutdown_that_gets_on_is_left_alone(monkeypatch, looks, control, more):
    assert ended(monkeypatch, looks, control, more) == []


def test_a_slow_standby_is_waited_for_until_most_of_the_time_is_over(monkeypatch):
    """It still moves: the checkpoint is written, and it receives the rest after the failover."""
    clock, sent, said = Clock(), [], []
    monkeypatch.setattr(postmaster, "title", lambda _: "postgres: walsender srv2")
    monkeypatch.setattr(controldata, "read", lambda *_: Known(Control(state.SHUT_DOWN)))
    monkeypatch.setattr(postmaster, "send", lambda *what: sent.append(what))
    log = namedtuple("Log", "warning")(said.append)
    one, found = shutdown.Shutdown(None, Deadline(10, clock), log), []
    for look in range(4):
        one._end({MORE: ("postgres: walsender srv2", 100 * look)}, [])
        one._before = {MORE: ("postgres: walsender srv2", 100 * look)}
        found.append(len(sent))
        clock.sleep(2.5)
    assert found == [0, 0, 0, 1] and sent == [(MORE, signals.SIGTERM)]
    assert said == ["a standby or another client of WAL does not get on, the shutdown continues "
                    "without it: postgres: walsender srv2"]


SENDER = 14
STATUS = "Name:\tpostgres\nvoluntary_ctxt_switches:\t{0}\n"
LOGICAL = "postgres: walsender app shop 192.0.2.9(4711) START_REPLICATION"


class Looks:
    """What /proc says at each look of the checkpointer, and of a WAL sender before a checkpoint."""

    def __init__(self, monkeypatch, sender, checkpointer, work, switches=0, ticks=500):
        self.number, self.sent, self.clock = 0, [], Clock()
        self.checkpointer, self.work, self.switches = checkpointer, work, switches
        self.ticks = ticks    # a logical sender at its end never rests, since PostgreSQL 13
        titles = {**TITLES, SENDER: sender}
        monkeypatch.setattr(controldata, "read", lambda *_: Known(Control(state.IN_PRODUCTION)))
        monkeypatch.setattr(postmaster, "processes", lambda _: sorted(titles))
        monkeypatch.setattr(postmaster, "title", titles.get)
        monkeypatch.setattr(postmaster, "send", lambda *what: self.sent.append(what))
        monkeypatch.setattr(proc, "parent_of", lambda pid: 1 if pid == POSTMASTER else POSTMASTER)
        monkeypatch.setattr(proc, "state_of", self.fields)
        monkeypatch.setattr(proc, "content", self.content)
        monkeypatch.setattr(shutdown, "_programs", lambda _: {})
        monkeypatch.setattr(shutdown, "_pipe", lambda _: None)
        monkeypatch.setattr(shutdown, "_waits_to_send", lambda _: False)
        log = namedtuple("Log", "warning")(lambda words: None)
        self.shutdown = shutdown.Shutdown(None, Deadline(100, self.clock), log)

    def fields(self, pid):
        word, ticks, _ = self.checkpointer
        spun = ticks if pid == CHECKPOINTER else self.ticks
        return [word] + [b"10"] * 10 + [b"%d" % (spun * self.number), b"0"]

    def content(self, pid, name):
        if name == "io":
            return b"" if self.work is None else b"rchar: %d\n" % (self.work * self.number)
        each = self.checkpointer[2] if pid == CHECKPOINTER else self.switches
        return STATUS.format(each * self.number).encode() if name == "status" else b""

    def ended(self):
        """Return after how many seconds the sender was ended; None if it was not, in 100."""
        for self.number in range(1, 20):
            self.clock.sleep(5)
            self.shutdown.help()
            if (SENDER, signals.SIGTERM) in self.sent:
                return 5 * self.number
        return None


AWAITS, WRITES, SYNCS = (b"S", 1, 480), (b"S", 90, 400), (b"D", 1, 400)
PAUSES = (b"S", 3, 60)    # between two pages, ten times a second (CheckpointWriteDelay)
OLD = "postgres: walsender app 192.0.2.9(4711) idle"


@pytest.mark.parametrize("title, ticks", [
    (LOGICAL, 500), ("postgres: 15/main: walsender app shop [local] START_REPLICATION", 500),
    (OLD, 0)])
def test_a_subscriber_that_hangs_holds_no_shutdown_up(monkeypatch, title, ticks):
    """The checkpoint of a shutdown waits until it has acknowledged all, though it is sent."""
    assert Looks(monkeypatch, title, AWAITS, 0, ticks=ticks).ended() == 10


def test_a_standby_that_was_sent_nothing_yet_is_no_subscriber(monkeypatch):
    """It came where a segment ended, and its title does not say yet how far it has sent."""
    title = "postgres: walsender replicator 192.0.2.2(4711) START_REPLICATION"
    assert Looks(monkeypatch, title, AWAITS, 0, ticks=0).ended() == 60


@pytest.mark.parametrize("work, switches", [(8192, 0), (0, 40), (None, 0)],
                         ids=["reads WAL", "sends", "not to be seen"])
def test_a_subscriber_that_gets_on_is_waited_for_until_most_of_the_time_is_over(
        monkeypatch, work, switches):
    """The demotion would fail, then the stop, and the node would be fenced."""
    assert Looks(monkeypatch, LOGICAL, AWAITS, work, switches).ended() == 60


@pytest.mark.parametrize("title, checkpointer", [
    ("postgres: walsender replicator 192.0.2.2(4711) streaming 0/30000D8", AWAITS),
    ("postgres: walsender replicator 192.0.2.2(4711)", AWAITS),
    (LOGICAL, WRITES), (LOGICAL, SYNCS), (LOGICAL, (b"S", 0, 1)), (LOGICAL, PAUSES),
    (OLD, PAUSES)],
    ids=["a standby", "no titles", "a checkpoint", "its end", "not asked yet", "a slow checkpoint",
         "a slow checkpoint, up to 12"])
def test_a_sender_that_holds_nothing_up_is_left_alone(monkeypatch, title, checkpointer):
    assert Looks(monkeypatch, title, checkpointer, 0).ended() is None


@pytest.mark.parametrize("is_open", [True, False])
def test_a_pipe_is_emptied_of_what_it_holds(is_open):
    """To its end where nothing writes to it now."""
    reader, writer = os.pipe()
    try:
        os.write(writer, b"LOG:  x")
        if not is_open:
            os.close(writer)
        assert shutdown._empty((f"/proc/self/fd/{reader}", 1)) == 7
    finally:
        os.close(reader)
        if is_open:
            os.close(writer)


def test_messages_that_cannot_be_read_are_not_said_to_be_dropped(tmp_path):
    with pytest.raises(OSError):
        shutdown._empty((str(tmp_path), 1))
