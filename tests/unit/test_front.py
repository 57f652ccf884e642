"""bin/paf-health: answers what Python would have answered, or hands the request over to it."""

import os
import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paf.cli.health import health, kept, request
from paf.cli.health.answers import Answers
from tests.conftest import REPOSITORY
from tests.unit.test_cli_kept import PRIMARY, STANDBY, Server, folder

FRONT = str(REPOSITORY / "bin" / "paf-health")
SHELLS = [shell for shell in (["dash"], ["bash"], ["busybox", "sh"]) if shutil.which(shell[0])]
#: Stands for `paf health`: the request as it would read it.
PYTHON = ("sh", "-c", 'printf "python%s:" "$PAF_HEALTH_LOOK"; printf %s "$PAF_HEALTH_READ"; cat')
WELL = Answers("srv2", 5000, {**STANDBY.said, "/replica": (True, "srv2 is a standby"),
                              "/sync": (True, "srv2 has every commit")})


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A node that has answered just now, a standby; by the real clock."""
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    one = Server(tmp_path, [])
    one.signal.touch()
    monkeypatch.setattr(kept, "FRESH", 50.0)
    monkeypatch.setattr(kept, "LIFE", 100.0)
    keep(one)
    yield one
    one.process.kill()
    one.process.wait()


def keep(server, answers=WELL, age=0.0, in_recovery=True):
    """Keep answers of a look that began `age` seconds ago."""
    kept.keep("", answers, kept.now() + 0.5, in_recovery, server.process.pid, str(server.signal))
    path = folder() / "answers-"
    if path.exists():
        lines = path.read_text(encoding="utf-8").split("\n")
        moments = [int(word) - 100 - int(100 * age) for word in lines[1].split(" ")[:3]]
        lines[1] = " ".join([*map(str, moments), *lines[1].split(" ")[3:]])
        path.write_text("\n".join(lines), encoding="utf-8")


def front(data, shell=("sh",), program=PYTHON):
    """Return (exit status, answer) of the front to a request."""
    result = subprocess.run([*shell, FRONT, *program], input=data, capture_output=True,
                            timeout=60, check=False)
    return result.returncode, result.stdout


def python(data):
    """Return the same of Python, from what was kept."""
    good, text = health._answered(request.parse(data), kept.read(""))
    return int(not good), text.encode()


def http(path, method="GET", more=b""):
    return f"{method} {path} HTTP/1.1\r\n".encode() + more + b"\r\n"


PLAIN = [http("/primary"), http("/replica"), http("/sync", "HEAD"), http("/health", "OPTIONS"),
         http("/primary", "HEAD"), b"primary\n", b"replica\r\n", b"/sync?lag=1kB\n",
         b"GET /health HTTP/1.0\n\n", http("/replica?lag=4999"), http("/replica?lag=5000"),
         http("/replica?lag=1MB", more=b"Host: srv1:8009\r\nUser-Agent: x\r\n"),
         http("/sync?lag=999999999GB"), http("/sync?lag=4kB"), b"replica?lag=4kB\n"]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize("data", PLAIN)
def test_it_answers_what_is_plain_as_python_does(server, shell, data):
    assert front(data, shell) == python(data)
    assert not front(data, shell)[1].startswith(b"python")


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize("data", [
    http("/metrics"), http("/primary?resource=pgsqld"), http("/primary/"), http("//primary"),
    http("/replica?lag=much"), http("/replica?lag="), http("/replica?lag=010"), http("/primary?x"),
    http("/replica?lag=1MB&lag=2"), http("/replica?lag=1TB"), http("/replica?lag=1kBMB"),
    http("/replica?lag=9999999999"), http("/$(id)"), http("/`id`"), http("/%70rimary"),
    http("/primary", "POST"), b"GET /primary HTTP/2\r\n\r\n", b"GET /primary HTTP/1.0", b"",
    b"GET /primary HTTP/1.0\r\nHost", b"GET  /primary HTTP/1.0\r\n\r\n", b"\n", b"-n\n", b"\\x\n",
    b"a\\\n", b"\xff\xfe\n\n", b" primary\n", b"primary \n", b"primary\r\r\n"])
def test_it_leaves_the_rest_to_python_with_all_that_was_read(server, shell, data):
    code, answer = front(data, shell)
    assert code == 0 and answer.startswith(b"python:")
    assert request.parse(answer[7:]) == request.parse(data)
    assert answer[7:] == data or data.startswith(answer[7:].rstrip(b"\n"))


@settings(max_examples=150, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.builds(
    lambda words, end: b"".join(words) + end, st.lists(st.sampled_from(
        [b"GET ", b"HEAD ", b"/", b"primary", b"replica", b"?", b"lag=", b"1", b"0", b"kB", b" ",
         b"&", b" HTTP/1.1", b"\r", b"\n", b"*", b"\\", b"$x", b"'", b"\xc3\xa9"]), max_size=9),
    st.sampled_from([b"\r\n\r\n", b"\n", b""])))
def test_whatever_is_asked_it_says_nothing_of_its_own(server, data):
    data = data.replace(b"\0", b"?")
    code, answer = front(data)
    if answer.startswith(b"python:"):
        assert request.parse(answer[7:]) == request.parse(data)
    else:
        assert (code, answer) == python(data)


def test_a_line_that_is_too_long_is_no_request(server):
    for data in (b"GET /" + b"a" * 300000 + b" HTTP/1.0\r\n\r\n", b"\0" * 5000 + b"\n"):
        answer = front(data)[1]
        assert answer.startswith(b"python:") and request.parse(answer[7:]) == request.UNCLEAR
    huge = http("/primary", more=b"X: " + b"x" * 1000000 + b"\r\n")
    assert front(huge) == python(http("/primary"))


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize("spoil", [
    lambda server, path: path.unlink(), lambda server, path: path.write_text(""),
    lambda server, path: path.write_text(path.read_text(encoding="utf-8")[:-5]),
    lambda server, path: path.write_text("x" + path.read_text(encoding="utf-8")),
    lambda server, path: path.unlink() or path.mkdir(),
    lambda server, path: server.signal.unlink(),
    lambda server, path: server.process.kill() or server.process.wait(),
    lambda server, path: server.process.kill() or os.waitid(
        os.P_PID, server.process.pid, os.WEXITED | os.WNOWAIT),
    lambda server, path: path.write_text(
        path.read_text(encoding="utf-8").replace(f" {kept.started(server.process.pid)} ", " 7 ")),
    lambda server, path: os.environ.pop("RUNTIME_DIRECTORY"),
    lambda server, path: keep(server, age=101.0), lambda server, path: keep(server, age=-101.0)])
def test_what_may_not_be_given_any_more_is_looked_at(server, shell, spoil):
    assert front(b"replica\n", shell) == (0, b"up\n")
    spoil(server, folder() / "answers-")
    assert front(b"replica\n", shell) == (0, b"python:replica\n") and kept.read("") is None


def test_a_link_that_leads_nowhere_makes_a_standby_too(server):
    server.signal.unlink()
    server.signal.symlink_to("nowhere")
    assert front(b"replica\n") == (0, b"up\n")


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_one_request_looks_before_the_answer_is_too_old(server, shell):
    keep(server, age=60.0)
    assert front(b"replica\n", shell) == (0, b"python1:replica\n")
    assert front(b"replica\n", shell) == (0, b"up\n")
    keep(server, age=0.0)
    assert [path.name for path in folder().iterdir()] == ["answers-"]
    assert front(b"replica\n", shell) == (0, b"up\n")


def test_an_unknown_lag_or_a_word_that_is_not_ascii_is_for_python(server):
    keep(server, Answers("srv2", None, WELL.said))
    assert front(b"replica?lag=1MB\n")[1].startswith(b"python:")
    assert front(b"replica\n") == (0, b"up\n")
    keep(server, STANDBY)
    assert front(http("/replica"))[1].startswith(b"python:")


def test_a_primary_says_so(server):
    server.signal.unlink()
    keep(server, PRIMARY, in_recovery=False)
    for path in ("/primary", "/replica", "/replica?lag=1MB"):
        assert front(http(path)) == python(http(path))
    assert front(b"primary\n") == (0, b"up\n")
    server.signal.touch()
    assert front(b"primary\n") == (0, b"python:primary\n")


def test_the_program_takes_the_request_where_the_front_left_it(server, monkeypatch):
    """And a request that has to look does so, though an answer is kept."""
    program = ("/usr/bin/python3", "-ISB", str(REPOSITORY / "bin" / "paf"), "health")
    keep(server)
    asked = http("/replica?resource=", more=b"X: y\r\n")
    code, answer = front(asked, program=program)
    assert code == 0 and answer == python(asked)[1]
    keep(server, age=60.0)
    monkeypatch.setenv("HA_SBIN_DIR", "/nowhere")
    code, answer = front(http("/replica"), program=program)
    assert code == 1 and answer.startswith(b"HTTP/1.0 503 ")
    assert not list(folder().iterdir())
