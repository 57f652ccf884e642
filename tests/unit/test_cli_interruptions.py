"""A verb that is ended on the way (Ctrl-C, SIGTERM, a closed terminal) takes back what it began."""

import errno
import os
import pty
import signal
import sys
from types import SimpleNamespace

import pytest

from paf.cli import check, common, interruptions, lost, main, view
from paf.cli.common import INTERRUPTED, OK
from paf.cli.operate import promote_verb
from paf.cli.status import status
from paf.cli.timeline import gather
from paf.cluster import programs
from paf.runner import Result

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
CIB = '<cib><configuration><resources><clone id="c"><primitive id="pgsqld" class="ocf" ' \
      'provider="heartbeat" type="pgsqlms"/></clone></resources></configuration></cib>'
REPORT = {"resource": "pgsqld", "nodes": [{"node": "srv1", "score": 1001},
                                          {"node": "srv2", "score": -1000}]}


SEEN = '<crm_mon><resources><clone multi_state="true"><resource id="pgsqld" role="{0}">' \
       '<node name="srv2"/></resource></clone></resources><node_attributes><node name="srv2"/>' \
       '</node_attributes></crm_mon>'

pytestmark = pytest.mark.usefixtures("foreground")


class Cluster:
    """Pacemaker's attributes; it is interrupted at the given calls of programs."""

    promoted: bool | None = False

    def __init__(self, number, at, status=0):
        self.attributes, self._number, self._at = {"srv1": "1001", "srv2": "-1000"}, number, at
        self._status, self._calls = status, 0

    def run(self, *argv):
        node = argv[argv.index("--node") + 1]
        key = "accepted" if "accept_loss-pgsqld" in argv else node
        if self._status == 0:
            self.attributes[key] = argv[-1]
            if argv[-1] == "--delete":
                del self.attributes[key]
        self._calls += 1
        if self._calls in self._at:
            os.kill(os.getpid(), self._number)
        return Result(self._status, "", "", False)

    def ask(self, *argv):
        self.run(*argv)

    def crm_mon(self):
        if self.promoted is None:
            raise common.Problem("crm_mon does not answer")
        return SEEN.format("Promoted" if self.promoted else "Unpromoted")


def promote(cluster, monkeypatch):
    monkeypatch.setattr(main, "_run", lambda _: promote_verb.promote(cluster, REPORT, "srv2", 1))
    return main.main(["promote"])


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("at", [[1], [2], [3, 4], [1, 2, 3]])
def test_a_promotion_that_is_interrupted_leaves_nothing(monkeypatch, capsys, number, at):
    """Of the scores of the last primary and the others elections are made."""
    cluster = Cluster(number, at)
    assert promote(cluster, monkeypatch) == INTERRUPTED
    assert cluster.attributes == {"srv1": "1001", "srv2": "-1000"}
    assert "as they were before" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize("promoted, words", [
    (True, "srv2 is promoted"), (None, "run it by hand unless srv2 is the primary by now")])
def test_a_node_that_may_be_promoted_keeps_its_score(monkeypatch, capsys, promoted, words):
    """Pacemaker would demote a primary with the score that the standby had before."""
    cluster = Cluster(signal.SIGINT, [3])
    cluster.promoted = promoted
    assert promote(cluster, monkeypatch) == INTERRUPTED
    assert cluster.attributes == {"srv1": "1" if promoted else "1001", "srv2": "1000"}
    said = capsys.readouterr().err
    assert words in said and ("--update -1000" in said) == (promoted is None)


def test_a_look_that_fails_does_not_end_a_promotion(monkeypatch, capsys):
    cluster = Cluster(signal.SIGINT, [])
    answers = [None, None, True]
    monkeypatch.setattr(promote_verb, "_STEP", 0)

    def look(_):
        cluster.promoted = answers.pop(0)
        return view.parse(cluster.crm_mon())
    monkeypatch.setattr(promote_verb.view, "look", look)
    assert promote(cluster, monkeypatch) == OK
    assert capsys.readouterr().err.count("crm_mon does not answer: looking again") == 1


def test_what_cannot_be_taken_back_is_said(monkeypatch, capsys):
    assert promote(Cluster(signal.SIGTERM, [1], status=1), monkeypatch) == INTERRUPTED
    said = capsys.readouterr().err
    assert "crm_attribute --type status --node srv2 --name accept_loss-pgsqld --delete" in said
    assert "crm_attribute --type nodes --node srv2 --name master-pgsqld --update -1000" in said


def test_a_program_that_cannot_be_started_keeps_nothing_else_from_being_taken_back(
        monkeypatch, capsys):
    """As where there is no process left for one command, and one for the next."""
    cluster = Cluster(signal.SIGTERM, [3])
    whole = cluster.run

    def run(*argv):
        if argv[-2:] == ("--update", "1001"):
            raise common.Problem("cannot run crm_attribute")
        return whole(*argv)
    monkeypatch.setattr(cluster, "run", run)
    assert promote(cluster, monkeypatch) == INTERRUPTED
    assert "accepted" not in cluster.attributes and cluster.attributes["srv2"] == "-1000"
    assert "--name master-pgsqld --update 1001" in capsys.readouterr().err


def test_what_is_ignored_stays_so():
    """Under nohup a switchover goes on when the terminal is closed."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interruptions.Raised(), interruptions.Noted() as noted:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
    assert noted.seen == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


@pytest.mark.parametrize("terminal, ends", [(True, False), (False, True)])
def test_a_terminal_that_was_closed_is_a_reader_that_went_away(tmp_path, terminal, ends):
    """What cleans up goes on; a file that cannot be written is an error."""
    ours, descriptor = pty.openpty()
    os.close(ours)
    if not terminal:
        os.dup2(os.open(str(tmp_path / "file"), os.O_WRONLY | os.O_CREAT), descriptor)

    def write(_):
        raise OSError(errno.EIO, "Input/output error")
    stream = SimpleNamespace(write=write, flush=None)
    if ends:
        with pytest.raises(OSError):
            common._write(stream, descriptor, "text")
    else:
        assert common._write(stream, descriptor, "text") is False
    os.close(descriptor)


@pytest.mark.parametrize("terminal, patience, said", [
    (True, 0.05, True), (True, 600.0, False), (False, 0.05, False)])
@pytest.mark.parametrize("module, function, verb, words", [
    (status, "_sight", lambda: status.sight("", None), "still looking"),
    (check, "examine", lambda: main.main(["check"]), "still looking"),
    (gather, "_history", lambda: gather.history(None), "still reading the logs"),
    (lost, "_read", lambda: main.main(["lost"]), "still reading the WAL")])
def test_what_takes_long_says_so_on_a_terminal(
        monkeypatch, capsys, terminal, patience, said, module, function, verb, words):
    cluster = SimpleNamespace(node=lambda: "srv1", cib=lambda: CIB)
    for verbs in (check, lost):
        monkeypatch.setattr(verbs, "Pacemaker", lambda: cluster)
    monkeypatch.setattr(interruptions, "LONG", patience)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    ended = []

    def look(*_):
        ended.append(common.Pacemaker().run("sh", "-c", "sleep 0.3; echo whole").out)
        return [] if module is check else ([], [])
    monkeypatch.setattr(module, function, look)
    monkeypatch.setattr(programs, "find", lambda name: f"/bin/{name}")
    verb()
    assert ended == ["whole\n"] and (words in capsys.readouterr().err) == said
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


@pytest.mark.parametrize("fails, said", [
    ("echo 'Connection refused' >&2; exit 102",
     "paf: still looking: sh failed: Connection refused (Pacemaker does not run here"),
    ("exec sleep 600", "paf: still looking: a program is slow")])
def test_what_a_program_complains_of_is_said_while_it_is_asked_again(
        monkeypatch, capsys, fails, said):
    """Pacemaker is stopped: nothing was said for nine seconds of what is known after 16 ms."""
    monkeypatch.setattr(interruptions, "LONG", 0.5)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(programs, "find", lambda name: f"/bin/{name}")
    with interruptions.Patience("still looking: a program is slow"):
        with pytest.raises(common.Problem):
            common.Pacemaker(2.0).ask("sh", "-c", fails)
    assert capsys.readouterr().err.startswith(said)
    assert common.failing() == ""
