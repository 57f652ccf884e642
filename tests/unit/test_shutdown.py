"""A shutdown that PostgreSQL cannot end by itself is seen, and no other one is cut short."""

from collections import namedtuple

import pytest

from paf import signals
from paf.decide import state
from paf.decide.knowledge import Known, Unknown
from paf.instance import controldata, postmaster, proc, shutdown

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
