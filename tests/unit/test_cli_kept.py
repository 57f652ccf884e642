"""paf health: what is kept of an answer, and when it is no longer given."""

import os
import pathlib
import subprocess
import sys

import pytest

from paf.cli.health import health, kept, looks, request
from paf.cli.health.answers import Answers, QUESTIONS

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PRIMARY = Answers("srv1", None, {"/health": (True, "well"), "/primary": (True, "the primary"),
                                 "/replica": (False, "no standby"), "/sync": (False, "no")})
STANDBY = Answers("srv1", 5000, {"/health": (True, "well"), "/primary": (False, "a standby"),
                                 "/replica": (True, "a standby é"), "/sync": (True, "all wait")})


class Server:
    """A process that stands for the server's, its file, and a clock."""

    def __init__(self, folder, clock):
        self.signal = folder / "standby.signal"
        self.process = subprocess.Popen(["/bin/sleep", "600"])
        self.clock = clock
        clock.append(kept.now() + 1.0)

    def keep(self, answers, began=None, in_recovery=False, resource=""):
        kept.keep(resource, answers, self.clock[-1] if began is None else began, in_recovery,
                  self.process.pid, str(self.signal))
        return kept.read(resource)


@pytest.fixture
def clock(monkeypatch):
    """The moments that the kept answers' clock has had; the last one is now."""
    moments, real = [], kept.now
    monkeypatch.setattr(kept, "now", lambda: moments[-1] if moments else real())
    return moments


@pytest.fixture
def server(tmp_path, monkeypatch, clock):
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder))
    one = Server(tmp_path, clock)
    yield one
    one.process.kill()
    one.process.wait()


def folder():
    return pathlib.Path(os.environ["RUNTIME_DIRECTORY"])


def test_what_is_kept_is_given_again_for_a_while(server, clock):
    found = server.keep(PRIMARY)
    assert (found.node, found.lag, found.said) == ("srv1", None, PRIMARY.said)
    begin = clock[-1]
    clock.append(begin + kept.FRESH - 0.02)
    assert kept.read("").said == PRIMARY.said
    clock.append(begin + kept.LIFE - 0.02)
    assert kept.read("") is None    # this request looks, and others do not wait for it
    assert kept.read("").said == PRIMARY.said
    (folder() / "answers-.looking").unlink()
    for moment in (begin + kept.LIFE, begin - 0.02, begin + 1e6):
        clock.append(moment)
        assert kept.read("") is None, moment
    assert [path.name for path in folder().iterdir()] == ["answers-"]


def test_the_server_of_an_answer_that_is_given_still_runs(server):
    assert server.keep(PRIMARY)
    server.process.kill()
    os.waitid(os.P_PID, server.process.pid, os.WEXITED | os.WNOWAIT)
    assert kept.read("") is None    # a zombie
    server.process.wait()
    assert kept.read("") is None
    server.keep(PRIMARY)    # of a process that is not there
    assert kept.read("") is None


def test_another_process_with_the_number_of_the_server_is_not_it(server):
    assert server.keep(PRIMARY)
    path = folder() / "answers-"
    text = path.read_text(encoding="utf-8")
    start = kept.started(server.process.pid)
    assert f" {start} " in text
    path.write_text(text.replace(f" {start} ", f" {int(start) - 1} "), encoding="utf-8")
    assert kept.read("") is None


def test_a_standby_that_is_promoted_is_looked_at(server):
    server.signal.touch()
    assert server.keep(STANDBY, in_recovery=True).said == STANDBY.said
    server.signal.unlink()
    assert kept.read("") is None


def test_a_primary_that_becomes_a_standby_is_looked_at(server):
    assert server.keep(PRIMARY)
    server.signal.touch()
    assert kept.read("") is None


def test_nothing_is_kept_of_a_look_during_which_the_role_changed(server, clock):
    assert server.keep(PRIMARY, in_recovery=True) is None     # the file is gone already
    server.signal.touch()
    assert server.keep(PRIMARY) is None                       # a new server, started as a standby
    assert server.keep(STANDBY, in_recovery=True)
    before_its_start = int(kept.started(server.process.pid)) / os.sysconf("SC_CLK_TCK")
    clock.append(before_its_start)
    (folder() / "answers-").unlink()
    assert server.keep(STANDBY, in_recovery=True) is None


def test_nothing_is_kept_of_a_node_that_is_not_well(server):
    bad = Answers("srv1", None, dict.fromkeys(QUESTIONS, (False, "no quorum")))
    assert server.keep(bad) is None
    kept.keep("", PRIMARY, None, False, server.process.pid, str(server.signal))
    kept.keep("", PRIMARY, server.clock[-1], False, None, str(server.signal))
    assert not list(folder().iterdir())


def test_a_look_that_finds_no_well_node_ends_what_was_kept(server):
    assert server.keep(PRIMARY)
    (folder() / "answers-.looking").touch()
    bad = Answers("srv1", None, dict.fromkeys(QUESTIONS, (False, "no quorum")))
    assert server.keep(bad) is None and not list(folder().iterdir())
    assert server.keep(PRIMARY)
    kept.keep("", bad, server.clock[-1], None, None, "")    # nor did its server answer
    assert not list(folder().iterdir())


def test_the_lag_that_is_kept_is_compared_with_the_limit_of_each_request(server):
    server.signal.touch()
    found = server.keep(STANDBY, in_recovery=True)
    assert found.to("/replica", {"lag": "5000"}) == (True, "a standby é")
    assert found.to("/replica", {"lag": "4999"}) == (False, "srv1 lags by 5000 bytes")
    assert found.to("/sync", {"lag": "much"})[0] is False
    unknown = server.keep(Answers("srv1", None, STANDBY.said), in_recovery=True)
    assert unknown.to("/replica", {"lag": "1GB"}) == (False, "the lag of srv1 is not known")


def test_resources_have_files_of_their_own_and_a_strange_name_has_none(server):
    assert server.keep(PRIMARY, resource="pgsqld")
    assert kept.read("") is None and kept.read("pgsqld-2") is None
    assert server.keep(PRIMARY, resource="../answers-pgsqld") is None
    assert kept.read("a\nb") is None


@pytest.mark.parametrize("spoil", [
    lambda path: path.chmod(0o666), lambda path: path.parent.chmod(0o770),
    lambda path: path.write_bytes(path.read_bytes()[:-5]), lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(b"\xff" * 3000), lambda path: path.write_bytes(b"\n" * 40),
    lambda path: path.rename(path.with_name("x")) and path.symlink_to(path.with_name("x")),
    lambda path: path.unlink() or path.mkdir(),
    lambda path: os.environ.pop("RUNTIME_DIRECTORY"),
    lambda path: os.environ.update(RUNTIME_DIRECTORY="run")])
def test_a_file_that_another_may_have_written_or_that_is_not_whole_is_not_read(server, spoil):
    assert server.keep(PRIMARY)
    spoil(folder() / "answers-")
    assert kept.read("") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("depth", [0, 1])
def test_a_file_or_folder_of_another_account_is_not_trusted(server, depth):
    assert server.keep(PRIMARY)
    path = folder() / "answers-"
    os.chown([path, path.parent][depth], 65534, -1)
    assert kept.read("") is None


def asked(path, server, monkeypatch, capfd):
    """Return what the program answers to a request for a path."""
    begin, end = os.pipe()
    os.write(end, f"GET {path} HTTP/1.0\r\n\r\n".encode())
    os.close(end)
    saved = os.dup(0)
    try:
        os.dup2(begin, 0)
        health.main()
    finally:
        os.dup2(saved, 0)
        os.close(saved)
        os.close(begin)
    return capfd.readouterr().out


def test_a_request_is_answered_from_what_was_kept_or_by_a_look(server, monkeypatch, capfd):
    monkeypatch.setattr(looks, "look", lambda resource: looks.nothing("looked"))
    assert server.keep(PRIMARY)
    answer = asked("/primary", server, monkeypatch, capfd)
    assert answer.startswith("HTTP/1.0 200 ") and answer.endswith("\r\n\r\nthe primary\n")
    assert asked("/replica", server, monkeypatch, capfd).startswith("HTTP/1.0 503 ")
    assert "looked" in asked("/primary?resource=other", server, monkeypatch, capfd)
    assert asked("/nothing", server, monkeypatch, capfd).startswith("HTTP/1.0 404 ")
    server.process.kill()
    server.process.wait()
    assert asked("/primary", server, monkeypatch, capfd).endswith("\r\n\r\nlooked\n")


def test_a_kept_answer_needs_next_to_no_modules():
    """Each request is a process of its own: what it imports is most of what it costs."""
    text = ("import sys; from paf.cli.health import health; "
            "ours = sorted(name for name in sys.modules if name.startswith('paf')); "
            "sys.exit(' '.join(ours + sorted({'collections', 're', 'signal'} & set(sys.modules))))")
    result = subprocess.run([sys.executable, "-I", "-S", "-B", "-c",
                             f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); " + text],
                            capture_output=True, text=True, timeout=60, check=False)
    assert result.stderr.split() == [
        "paf", "paf.cli", "paf.cli.health", "paf.cli.health.answers", "paf.cli.health.health",
        "paf.cli.health.kept", "paf.cli.health.request", "paf.deadline"]


def test_a_request_is_equal_to_what_it_consists_of():
    one = request.Request("GET", "/primary", {"lag": "1"})
    assert (one.method, one.path, one.options) == one
    assert tuple(one) == ("GET", "/primary", {"lag": "1"})
