"""What the agent says: passwords never get through, reasons reach Pacemaker, lines the log."""

import io
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paf import codes, log, ocf

SECRET = "S3cret"


@pytest.mark.parametrize("text", [
    f"password={SECRET}", f"host=a password = {SECRET} user=b", f"password='{SECRET} x'",
    f"PASSWORD={SECRET}", f"sslpassword={SECRET}", f"password='{SECRET}",
    fr"password='a\'{SECRET}'", f"postgres://rep:{SECRET}@vip/x",
    f"could not connect to postgresql://rep:{SECRET}@vip: refused",
    f"postgres://vip/?password={SECRET}&sslmode=require",
    f"primary_conninfo = 'host=a password={SECRET}'", f"'password=''{SECRET}'''",
    f'"password={SECRET}"', f"(password={SECRET})", fr"password=a\ {SECRET}",
    f"password=it's{SECRET}", f"password=a&{SECRET} user=x", f"scram_client_key={SECRET}",
    f"scram_server_key = '{SECRET}'", f"oauth_client_secret={SECRET}",
    f"postgres://h/?a=b&oauth_client_secret={SECRET}", f"SSLPASSWORD = {SECRET}",
    f'missing "=" after "{SECRET}" in connection info string'])
def test_a_password_never_gets_through(text):
    assert SECRET not in log.without_secrets(text)


@given(st.text(alphabet="ab1 '\\,;&@:/=", max_size=10))
def test_no_quoted_password_gets_through(rest):
    value = (SECRET + rest).replace("\\", "\\\\").replace("'", "\\'")
    text = log.without_secrets(f"host=a password='{value}' user=rep")
    assert SECRET not in text and text.endswith("user=rep")


@pytest.mark.parametrize("text", [
    "srv2 is ahead: TL 3, 0/5000148 > 0/5000060", "application_name=srv1", "a@b: c://d"])
def test_other_words_are_left_alone(text):
    assert log.without_secrets(text) == text


def test_a_text_becomes_one_line():
    assert log.without_secrets("a\n  b\tc\n") == "a b c"


# Where lines go

@pytest.fixture
def make(tmp_path):
    def made(**variables):
        variables.setdefault("OCF_RESOURCE_INSTANCE", "pgsqld")
        return log.Log(ocf.Environment(variables))
    return made


def test_an_exit_reason_has_the_prefix_that_pacemaker_gives(make, capfd):
    make(OCF_EXIT_REASON_PREFIX="why:").exit_reason("it is\nbroken")
    assert capfd.readouterr().err == "why:it is broken\n"


def test_an_exit_reason_has_a_prefix_without_pacemaker(make, capfd):
    make().exit_reason("broken")
    assert capfd.readouterr().err == "ocf-exit-reason:broken\n"


def test_a_line_goes_to_the_log_file_and_nowhere_else(make, capfd, tmp_path):
    name = tmp_path / "log"
    name.touch()
    make(HA_LOGFILE=str(name)).info("done")
    assert name.read_text().rstrip().endswith(f"pgsqlms(pgsqld)[{os.getpid()}]: INFO: done")
    assert capfd.readouterr() == ("", "")


def test_one_file_for_both_logs_gets_one_line(make, tmp_path):
    name = tmp_path / "log"
    name.touch()
    make(HA_LOGFILE=str(name), HA_DEBUGLOG=str(name)).info("done")
    assert len(name.read_text().splitlines()) == 1


@pytest.mark.parametrize("flag, lines", [("0", 0), ("", 0), ("1", 1)])
def test_debug_lines_are_written_only_when_wanted(make, tmp_path, flag, lines):
    name = tmp_path / "log"
    name.touch()
    make(HA_DEBUGLOG=str(name), HA_debug=flag).debug("detail")
    assert len(name.read_text().splitlines()) == lines


@pytest.mark.parametrize("path", ["", "/dev/null", "/nonexistent/log", "/"])
def test_a_log_file_that_cannot_be_written_fails_nothing(make, path):
    make(HA_LOGFILE=path).error("x")


def test_any_character_can_be_logged(make, capfd):
    make().exit_reason("é \udce9 \u2028 \U0001F418")
    assert capfd.readouterr().err.startswith("ocf-exit-reason:")


def test_a_closed_standard_error_fails_nothing(make):
    saved = os.dup(2)
    os.close(2)
    try:
        make().exit_reason("x")
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def test_at_a_terminal_a_line_is_for_who_sits_there(make, tmp_path):
    name = tmp_path / "log"
    name.touch()
    saved, (ours, theirs) = os.dup(2), os.openpty()
    try:
        os.dup2(theirs, 2)
        os.set_blocking(ours, False)    # what was not written is not waited for
        make(HA_LOGFILE=str(name)).warning("password=S3cret is old")
        assert os.read(ours, 999).decode().endswith("WARNING: password=*** is old\r\n")
    finally:
        os.dup2(saved, 2)
        for descriptor in (saved, ours, theirs):
            os.close(descriptor)
    assert name.read_text() == ""


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_a_standard_output_that_python_has_closed_fails_nothing(monkeypatch, capfd, stream):
    if stream:
        stream.close()
    monkeypatch.setattr(sys, "stdout", stream)
    log.write_out("done\n")
    assert capfd.readouterr().out == "done\n"


def test_a_reason_has_one_code_and_no_reason_has_none():
    assert codes.with_code("") == ""
    coded = codes.with_code("no reason that PAF knows")
    assert coded == codes.with_code(coded) == f"{codes.OTHER} no reason that PAF knows"
