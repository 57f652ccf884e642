"""What the command prints, and where it goes: pipes, locales, programs that complain."""

import argparse
import io
import os
import subprocess
import sys

import pytest

from paf.cli import common
from paf.cli.common import ERROR, OK, Problem, plain
from paf.cli.main import main
from paf.cli.status import status
from paf.ocf import OcfError

NO_RIGHTS = """crm_mon failed: <pacemaker-result api-version="2.25" request="/usr/sbin/crm_mon -1">
  <status code="4" message="Insufficient privileges">
    <errors>
      <error>error: Could not connect to launcher: Permission denied</error>
      <error>crm_mon: Connection to cluster failed: Permission denied</error>
    </errors>
  </status>
</pacemaker-result>"""


def paf(code, **options):
    """Run Python code with the command's modules; return what subprocess.run does."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False,
                          cwd=os.getcwd(), **options)


def test_a_complaint_in_xml_is_said_in_plain_words(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    assert plain(NO_RIGHTS) == (
        "crm_mon failed: Could not connect to launcher: Permission denied; crm_mon: Connection to "
        "cluster failed: Permission denied (only root, and the group haclient, may ask Pacemaker)")


def test_a_pacemaker_that_does_not_run_is_named(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "does not run here" in plain(
        "cibadmin failed: Signon to CIB failed: Transport endpoint is not connected")
    assert plain("crm_node failed: status 1") == "crm_node failed: status 1"


def test_a_reader_that_goes_away_ends_nothing():
    """As in: paf status | head -1."""
    read, write = os.pipe()
    os.close(read)
    code = ("from paf.cli import common; common.say('a'); common.say('b'); import sys; "
            "sys.stderr.write(str(common.is_heard()))")
    done = subprocess.run([sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE,
                          check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"False")


@pytest.mark.parametrize("code, status", [
    ("common.complain('a'); common.complain('b')", 0),
    ("common.confirmed('Now?')", 0),
    ("from paf.cli import main; sys.exit(main.main(['status', '--output', 'json']))", 2)])
def test_a_reader_of_complaints_that_goes_away_ends_nothing_either(code, status):
    """As in: paf status 2>&1 | head -1."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", "import sys; from paf.cli import common; " + code],
                          stdin=subprocess.DEVNULL, stdout=write, stderr=write, check=False,
                          env={"PATH": "/nonexistent"})
    os.close(write)
    assert done.returncode == status


@pytest.mark.parametrize("error, words", [
    (OcfError("no data directory"), "paf: no data directory"),
    (OSError(28, "No space left on device", "/tmp/x"), "paf: /tmp/x: No space left on device"),
    (OSError(5, "Input/output error"), "paf: Input/output error")])
def test_what_goes_wrong_in_the_instance_or_the_system_is_said_without_a_traceback(
        monkeypatch, capsys, error, words):
    def look(*_):
        raise error
    monkeypatch.setattr(status, "look", look)
    assert main(["status"]) == ERROR
    assert capsys.readouterr().err.strip() == words


@pytest.mark.parametrize("words", [["--help"], ["status", "--help"], ["--version"], ["nonsense"],
                                   []])
def test_help_for_a_reader_that_goes_away_ends_nothing(words):
    """As in: paf --help | head -1."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", f"from paf.cli import main; import sys; "
                           f"sys.exit(main.main({words!r}))"], stdout=write, check=False,
                          stderr=write if words in ([], ["nonsense"]) else subprocess.PIPE)
    os.close(write)
    assert done.returncode == (64 if words in ([], ["nonsense"]) else 0)
    assert not done.stderr


def test_a_full_disk_is_said_once():
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([sys.executable, "-c", "import sys; from paf.cli import main; "
                               "sys.exit(main.main(['--help']))"],
                              stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "paf: No space left on device\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("code, status", [
    ("sys.exit(common.confirmed('Now?'))", 0), ("common.say('a'); common.complain('b')", 0),
    ("sys.exit(main.main(['history', '--resource', 'p', '--log', '/nonexistent']))", 2),
    ("sys.exit(main.main(['create']))", 64),
    ("common.say(common.coloured('a', 'red'))", 0)])
def test_what_was_closed_at_the_start_ends_nothing(closed, code, status):
    done = subprocess.run(["/bin/sh", "-c", f'"$0" -c "$1" {closed}', sys.executable,
                           "import sys; from paf.cli import common, main; " + code],
                          stdin=subprocess.DEVNULL, capture_output=True, check=False, text=True,
                          env={"PATH": "/nonexistent"})
    assert (done.returncode, "Traceback" in done.stderr) == (status, False), done.stderr


def test_an_answer_that_is_no_text_is_no():
    done = paf("from paf.cli.common import confirmed; import sys; sys.exit(confirmed('Now?'))",
               input=b"\xff\xfe\n")
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"<cib>\xe9</cib>", b"<cib/>",
                                     b'<?xml version="1.0" encoding="latin-1"?><cib a="\xe9"/>'])
def test_a_file_that_is_no_cib_is_said_without_a_traceback(tmp_path, capsys, content):
    (tmp_path / "cib.xml").write_bytes(content)
    assert main(["check", "--cib", str(tmp_path / "cib.xml")]) == ERROR
    assert capsys.readouterr().err.startswith("paf: ")


def test_a_name_that_the_locale_has_not_is_still_printed():
    done = paf("from paf.cli.common import say; say('sr\u00fc1')",
               env={"PATH": os.environ["PATH"], "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stdout) == (0, b"sr\\xfc1\n")


@pytest.mark.parametrize("error", [Problem("no answer"), OcfError("crm_node: no answer")])
def test_watching_goes_on_when_a_look_fails(monkeypatch, capsys, error):
    looks = []

    def look(*_):
        looks.append(1)
        if len(looks) == 1:
            raise error
        return {}
    monkeypatch.setattr(status, "look", look)
    monkeypatch.setattr(status, "_print", lambda *_: None)
    monkeypatch.setattr(status, "is_heard", lambda: len(looks) < 3)
    monkeypatch.setattr(status.time, "sleep", lambda _: None)

    class Options:
        watch, output, resource = True, "text", ""
    assert status.run(Options) == OK and len(looks) == 3
    assert "no answer" in capsys.readouterr().err


def test_a_file_that_watches_has_no_signs_of_a_terminal(monkeypatch, capsys):
    assert common.clear_screen() == ""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert common.clear_screen() != ""
    monkeypatch.setattr(sys, "stdout", None)
    assert common.clear_screen() == ""


@pytest.mark.parametrize("on_terminal", [False, True])
def test_colours_are_for_terminals(on_terminal, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)

    class Stream:
        def isatty(self):
            return on_terminal
    assert ("\033" in common.coloured("x", "red", Stream())) == on_terminal


def test_what_cannot_be_printed_goes_nowhere_and_an_answer_that_is_not_there_is_no(monkeypatch):
    for name in ("stdout", "stderr", "stdin"):
        monkeypatch.setattr(sys, name, None)
    monkeypatch.setattr(common, "_reader", {"gone": False})
    common.complain("a")
    assert common.is_heard() and not common.confirmed("Now?")
    common.say("a")
    assert not common.is_heard()


def test_an_answer_in_another_encoding_is_none(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"y\xff\n"), "utf-8"))
    assert common.answer() == ""


@pytest.mark.parametrize("typed, wanted, expected", [
    ("Yes\n", ("y", "yes"), True), ("n\n", ("y", "yes"), False), ("", ("y", "yes"), False),
    ("y\n", ("srv1",), False), (" SRV1 \n", ("srv1",), True)])
def test_only_the_wanted_words_confirm(monkeypatch, typed, wanted, expected):
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert common.confirmed("Now?", wanted) is expected


def test_a_name_that_no_node_has_is_refused_with_the_names_that_there_are():
    common.require_nodes(["srv1", None], {"srv2", "srv1"})
    with pytest.raises(Problem, match="^there is no node srv9 here; there are srv1, srv2$"):
        common.require_nodes(["srv1", "srv9"], {"srv2", "srv1"})


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e8", "x", ""])
def test_a_time_is_more_than_none_and_has_an_end(text):
    assert common.seconds("1.5") == 1.5
    with pytest.raises(argparse.ArgumentTypeError, match="has to be a number above 0, up to 1000"):
        common.seconds(text)
