"""The servers of the model: WAL as a list of records, streaming, commits that wait for standbys.

A record is a number, unique in the cluster. A standby streams from the primary as long as its WAL
is the beginning of the primary's. What the agent asks of an instance is answered by the functions
at the end, which `stand_in` puts in place of the modules that would ask a real one.
"""

import errno
import os
from types import SimpleNamespace

from paf import ocf
from paf.decide import state
from paf.decide.knowledge import AtLeast, Known, Unknown
from paf.decide.timelines import Line, Reign
from paf.decide.wal import Position
from paf.instance.observe import Sight
from paf.instance.position import Place
from paf.instance.walfiles import Folder

_SEGMENT = 2    # records; standbys nearer to each other keep their order


class Notes:
    """notes.Notes in memory; lost with the node."""

    def __init__(self):
        self.words = {}

    def read(self, name):
        """Return a note, "" for none."""
        return self.words.get(name, "")

    def write(self, name, text):
        """Set a note."""
        self.words[name] = text

    def remove(self, name):
        """Remove a note."""
        self.words.pop(name, None)


class Server:
    """A node of the cluster and its instance.

    deaf: receives no WAL; stalled: the same, but its connection is still there; vague: does not
    answer, and the end of its WAL cannot be found out; mute: its notifications never run; bare:
    there is no PostgreSQL on it, and it is there for the quorum; labelled: restored from a base
    backup, and not started since.
    """

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.wal, self.seen = [], None
        self.newest = 1     # timeline whose history file it has
        self.power, self.running, self.primary = True, False, False
        self.was_primary, self.clean = False, True
        self.deaf = self.stalled = self.vague = self.mute = False
        self.maintenance = self.standby = self.bare = False
        self.promoted_at, self.labelled = None, False
        self.notes, self.files = Notes(), {}

    @property
    def timeline(self):
        """Return the timeline of the last record."""
        return self.world.timelines[self.wal[-1]]

    @property
    def position(self):
        """Return the wal.Position."""
        return Position(self.timeline, len(self.wal))

    @property
    def writable(self):
        """True while clients can write here."""
        return self.power and self.running and self.primary

    @property
    def control(self):
        """Return the state in the control file."""
        if self.clean:
            return state.SHUT_DOWN if self.was_primary else state.SHUT_DOWN_IN_RECOVERY
        return state.IN_PRODUCTION if self.was_primary else state.IN_ARCHIVE_RECOVERY

    def follows(self, primary):
        """Return True while this standby receives from a primary."""
        return (self.power and self.running and not self.primary and not self.deaf
                and primary.writable and self.wal == primary.wal[:len(self.wal)])

    def receive(self, primary, count):
        """Receive `count` records more, and hear how far the primary is.

        A server that connects fetches the history of the primary's timeline first.
        """
        self.newest = primary.timeline
        if self.stalled:
            return
        self.wal += primary.wal[len(self.wal):len(self.wal) + count]
        self.seen = len(primary.wal)

    def lose_power(self):
        """Nothing in memory is left."""
        self.power, self.notes, self.files, self.mute = False, Notes(), {}, False
        self.crash()

    def crash(self):
        """The postmaster is gone, or all of the node."""
        if self.world.moved is self:
            self.world.moved = None
        if self.running:
            self.running, self.clean, self.was_primary = False, False, self.primary
            self.primary, self.seen, self.vague = False, None, False

    # what the agent orders

    def start(self):
        """Start as a standby, with all that is on disk."""
        self.running, self.primary, self.clean, self.was_primary = True, False, False, False
        self.seen, self.labelled = None, False

    def stop(self):
        """Shut down cleanly; a primary writes its checkpoint, and connected standbys get it."""
        if not self.running:
            return
        if self.primary:
            self.wal.append(self.world.record(self.timeline))
            for other in self.world.machines.values():
                if other.follows(self):
                    other.receive(self, len(self.wal))
            self.world.last_stop = list(self.wal)
        self.running, self.clean, self.was_primary = False, True, self.primary
        self.primary, self.vague = False, False

    def promote(self):
        """Take writes, on a new timeline."""
        self.primary, self.promoted_at = True, self.world.now
        self.newest = max(self.newest, self.timeline) + 1
        self.wal.append(self.world.record(self.newest))
        self.world.promoted(self)

    # what the agent asks

    def sight(self):
        """Return the observe.Sight."""
        if not self.running:
            seen = state.Observation(state.DEAD, state.NOT_ASKED, self.control,
                                     state.LABEL if self.labelled else state.SIGNAL)
            return Sight(state.decide(seen), SimpleNamespace(state=self.control), [], "", "")
        answer = state.SAYS_PRIMARY if self.primary else state.SAYS_STANDBY
        if self.vague:
            answer = state.SILENT
        seen = state.Observation(state.ALIVE, answer, None, None)
        return Sight(state.decide(seen), None, self.rows() if not self.vague else [], "", "")

    def rows(self):
        """Return the rows of queries.monitor."""
        if not self.primary:
            follows = any(self.follows(other) for other in self.world.machines.values())
            return [["me", "true", "1" if follows else "0", self.world.names, "", ""]]
        end = len(self.wal)
        return [["me", "false", "0", self.world.names, str(end), ""]] + [
            ["standby", other.name, "streaming", str(len(other.wal)), str(end - len(other.wal)),
             str(len(other.wal))]
            for other in self.world.machines.values() if other.follows(self)]

    def fact(self):
        """Return the Fact of the position, as the agent can find it out."""
        if self.vague:
            return AtLeast(Position(self.timeline, len(self.wal) // 2), "no answer")
        return Known(Position(self.timeline + self.primary, len(self.wal)))

    def place(self):
        """Return the position.Place."""
        names = Unknown("no answer") if self.vague else Known(self.world.names)
        return Place(self.fact(), None if self.vague else self.seen, names, None)

    def line(self, own):
        """Return the timelines.Line."""
        reigns = []
        for place, record in enumerate(self.wal):
            number = self.world.timelines[record]
            if not reigns or reigns[-1].timeline != number:
                mark = "initdb" if number == 1 else str(record) if self.world.marks else None
                reigns.append(Reign(number, place, mark))
        return Line(tuple(reigns), own)

    def has_diverged(self):
        """Return why it cannot follow the primary that takes writes; None if it can, or none is."""
        for other in self.world.machines.values():
            if other is not self and other.writable and self.wal != other.wal[:len(self.wal)]:
                return f"diverged: {len(self.wal)} records, {other.name} has another history"
        return None


def operations(promoted, resource):
    """Return a CIB (str) with Pacemaker's history; promoted: dict of node to bool."""
    return "<cib>" + "".join(
        f'<node_state uname="{name}" in_ccm="true" crmd="online"><lrm_resource id="{resource}">'
        f'<lrm_rsc_op operation="monitor" call-id="1" rc-code="{8 if promoted[name] else 0}"/>'
        "</lrm_resource></node_state>" for name in promoted) + "</cib>"


def _end_with_shutdown(server, _where, _size, _deadline, _replayed):
    old = server.world.last_stop
    return old is not None and server.wal[:len(old)] == old


def _divergence(server):
    why = server.has_diverged()
    return why and SimpleNamespace(reason=why)


def _check_rejoin(context):
    why = context.instance.has_diverged()
    if why:
        raise ocf.NotUsable(why)
    return False


def _nothing(*_arguments, **_options):
    return None


#: The model has no parameters that could be wrong, and no sessions; and its own WAL.
_WITHOUT = {
    "paf.instance.line.read": Server.line, "paf.instance.waiting_commits.end": _nothing,
    "paf.proven.keep": _nothing, "paf.keeping.look_again": _nothing,
    "paf.refused.keep_others": _nothing, "paf.refused.check_programs": _nothing,
    "paf.stranger._data": lambda instance: "data",
    "paf.instance.standby_mode.enable": _nothing,
    "paf.instance.standby_mode.forget_recovery": _nothing,
    "paf.instance.backuplabel.is_own": _nothing, "paf.instance.backuplabel.advice": _nothing,
    "paf.instance.archiving.waiting": lambda server: Known(0),
    "paf.instance.tablespaces.check": _nothing, "paf.cluster.manager.find": lambda: "7 7",
    "paf.cluster.manager.is_same": lambda text: text == "7 7",
    "paf.instance.receiver.disconnect": lambda server: [], "paf.background.start": _nothing,
    "paf.remarks.of_parameters": lambda context: [], "paf.remarks.no_room": lambda context: [],
    "paf.instance.observe.files": lambda server: (state.SIGNAL, state.NEITHER)[server.primary],
    "paf.instance.postmaster.has_wal_writer": lambda server: server.running and server.primary,
    "paf.instance.postmaster.processes": lambda server: [1] if server.running else []}


def _write(place, text):
    server, kind = place
    if kind == "worries" and server.world.forgetful:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), kind)
    server.files[kind] = text


def _memory(model_of):
    """Return the substitutes for the files of a node and for the clock: they are the model's."""
    def server_of(environment):
        return model_of().machines[environment.meta("on_node")]
    return {
        "paf.cluster.notes.Notes": lambda environment: server_of(environment).notes,
        "paf.lastgood.path": lambda environment, kind: (server_of(environment), kind),
        "paf.lastgood.read": lambda place: place[0].files.get(place[1], ""),
        "paf.lastgood.write": _write,
        "paf.lastgood.remove": lambda place: place[0].files.pop(place[1], None),
        "paf.remarks.time": SimpleNamespace(time=lambda: model_of().now)}


def stand_in(monkeypatch, model_of):
    """Put the model in place of what asks real servers, files and clocks. model_of(): the Model."""
    places = {
        "paf.instance.observe.observe": lambda server, deadline, query=None: server.sight(),
        "paf.instance.observe.settle": lambda server, deadline, query=None: server.sight(),
        "paf.instance.server.start": lambda server, deadline: server.start(),
        "paf.instance.server.stop": lambda server, deadline, log, last=False: server.stop(),
        "paf.instance.server.order_promotion": _nothing,
        "paf.instance.server.await_promotion": lambda server, deadline, log: server.promote(),
        "paf.instance.postmaster.find": lambda server: Known(server.running or None),
        "paf.instance.controldata.read": lambda server, deadline: Known(SimpleNamespace(
            state=server.control, timeline=server.timeline, segment_size=_SEGMENT)),
        "paf.instance.position.place": lambda server, deadline: server.place(),
        "paf.instance.position.at_rest": lambda server, deadline: server.fact(),
        "paf.instance.position.by_checkpoint": lambda server, fact, deadline: fact,
        "paf.instance.peer.position": lambda server, node, *_: server.world.ask(node),
        "paf.instance.waldump.ends_with_shutdown": _end_with_shutdown,
        "paf.instance.walfiles.knows_later": lambda server: False,
        "paf.instance.walfiles.newest_history": lambda server: server.timeline,
        "paf.instance.walfiles.look": lambda server: Folder(
            server.timeline, _SEGMENT, 1e9 if server.promoted_at is None
            else server.world.now - server.promoted_at),
        "paf.actions.rejoin.find": lambda context, deadline: Known(_divergence(context.instance)),
        "paf.instance.divergence.reason": lambda found, more="": found.reason,
        "paf.instance.version": lambda server: 150000,
        "paf.instance.program": lambda server, name: "/bin/sh",
        "paf.instance.settings.check_data_directory": _nothing,
        "paf.instance.settings.wal_dump": lambda server: "pg_waldump",
        "paf.instance.sql.query": lambda *_: SimpleNamespace(kind="rows", rows=[], message=""),
        "paf.instance.sharedmemory.check": _nothing,
        "paf.crash.watcher.keep": _nothing, "paf.crash.watcher.end": _nothing,
        "paf.crash.watcher.has_reported": lambda context: False,
        "paf.actions.validate.host": _nothing,
        "paf.actions.rejoin.check": _check_rejoin,
        "paf.instance.journal.exists": _nothing,
        "paf.ocf.MISTAKES": (),    # they have to show
    }
    for name, stand_in_for_it in {**places, **_WITHOUT, **_memory(model_of)}.items():
        monkeypatch.setattr(name, stand_in_for_it)
