"""Connection strings: the node's name is found, and the password never travels in the open."""

import pytest

from paf import ocf
from paf.instance import conninfo as connections
from paf.instance import settings, standby_mode


@pytest.mark.parametrize("conninfo, name", [
    ("host=vip application_name=srv1", "srv1"),
    ("application_name=srv1 host=vip", "srv1"),
    ("application_name='srv1'", "srv1"),
    ("application_name = srv1", "srv1"),
    (r"application_name='it\'s'", "it's"),
    (r"application_name='a\\b'", r"a\b"),
    ("application_name=a application_name=b", "b"),
    ("postgres://u@vip/?application_name=srv1", "srv1"),
    ("postgres://u@vip/?sslmode=require&application_name=srv1&x=y", "srv1"),
    ("host=vip", None), ("", None), ("fallback_application_name=srv1", None),
    ("application_name=db1-old", "db1-old"), ("application_name=srv1.example.org",
                                              "srv1.example.org")])
def test_the_application_name_is_found_wherever_it_stands(conninfo, name):
    assert settings.application_name(conninfo) == name


def test_what_libpq_refuses_has_no_name():
    with pytest.raises(ocf.BadParameter):
        settings.application_name("application_name='it''s'")


def test_a_name_is_not_found_inside_a_longer_one():
    assert settings.application_name("application_name=srv10") != "srv1"


# Promise: a password is never in a process title

REPLICATION = (("replication", "true"), ("dbname", "replication"))


@pytest.mark.parametrize("conninfo, password", [
    ("host=vip password=secret user=rep", "secret"),
    ("host=vip password='sec ret'", "sec ret"),
    (r"password='it\'s' host=vip", "it's"), ("password=it's host=vip", "it's"),
    ("password = secret host=vip", "secret"),
    ("password=ab'key=xyz host=vip", "ab'key=xyz"),
    ("host=vip", ""),
    ("postgres://rep:secret@vip:5432/x", "secret"),
    ("postgresql://rep:se%20cret@vip/", "se cret"),
    ("postgres://rep@vip/?password=secret", "secret"),
    ("postgres://rep@vip/?password=secret&sslmode=prefer", "secret"),
    ("postgres://rep@vip/?sslmode=prefer&password=sec%26ret", "sec&ret"),
    ("postgres://rep@vip/", "")])
def test_the_password_is_taken_out(conninfo, password):
    found = connections.connection(conninfo, REPLICATION)
    assert found.environment.get("PGPASSWORD", "") == password
    for part in ("secret", "sec ret", "it's", "se%20cret", "sec%26ret", "it\\'s", "xyz"):
        assert part not in found.target


@pytest.mark.parametrize("conninfo", [
    "host=vip user=rep", "postgres://rep@vip/", "postgres://rep@vip/?sslmode=prefer"])
def test_the_connection_is_one_for_replication(conninfo):
    assert "replication=true" in connections.connection(conninfo, REPLICATION).target


def test_other_words_survive():
    text = r"host=/run/pg  options='-c a=b\\ c' port = 5433"
    found = connections.connection(text, REPLICATION)
    target = connections.values(found.target)
    assert found.environment["PGOPTIONS"].startswith(r"-c a=b\ c ") and target["port"] == "5433"
    assert target["host"] == "/run/pg"


def test_a_database_of_a_standbys_conninfo_is_replaced():
    text = "host=a dbname=x replication=database"
    target = connections.values(connections.connection(text, REPLICATION).target)
    assert (target["dbname"], target["replication"]) == ("replication", "true")


# recovery.conf and its template, up to PostgreSQL 11

TEMPLATE = """# made by us
standby_mode = on
primary_conninfo = 'host=vip application_name=srv1 password=it''s'
recovery_target_timeline = 'latest'
"""


def test_a_good_template_has_no_problem():
    assert standby_mode.template_problems(TEMPLATE) == []


@pytest.mark.parametrize("line", [
    "standby_mode='on'", "  standby_mode   =   on  # yes", "standby_mode = 'on'",
    "standby_mode true",
    "standby_mode = 'YES'", "standby_mode 't'", "standby_mode = 1", "standby_mode=ON\r"])
def test_standby_mode_may_be_spelt_in_several_ways(line):
    assert standby_mode.template_problems(TEMPLATE.replace("standby_mode = on", line)) == []


@pytest.mark.parametrize("line", ["standby_mode", "recovery_target", "primary_conninfo"])
def test_each_missing_line_is_named(line):
    text = TEMPLATE.replace(line, "#" + line)
    problems = standby_mode.template_problems(text)
    assert len(problems) == 1 and line in problems[0]


@pytest.mark.parametrize("line", [
    "standby_mode = off", "# standby_mode = on", "standby_mode = online", "standby_mode = 'o'",
    "Standby_Mode = on", "standby_mode = on\nstandby_mode = off"])
def test_a_standby_mode_that_is_not_on_is_a_problem(line):
    text = TEMPLATE.replace("standby_mode = on", line)
    assert len(standby_mode.template_problems(text)) == 1


def test_the_conninfo_of_a_template_is_unquoted():
    assert standby_mode.template_conninfo(TEMPLATE) == (
        "host=vip application_name=srv1 password=it's")


@pytest.mark.parametrize("line, value", [
    ("primary_conninfo 'host=a'", "host=a"), ("primary_conninfo'host=a'", "host=a"),
    ("primary_conninfo = 'a\\'b'", "a'b"), ("primary_conninfo = 'a\\\\b # c'", "a\\b # c"),
    ("primary_conninfo = 'a\\tb\\101\\q' # d", "a\tbAq"), ("primary_conninfo = ''", "")])
def test_a_template_is_read_as_postgresql_reads_it(line, value):
    assert standby_mode.template_conninfo(line + "\n") == value


@pytest.mark.parametrize("line", [
    "primary_conninfo = 'never ends", "standby_mode", "= on", "a = b c", "a == b", "9a = 1"])
def test_what_postgresql_does_not_understand_is_a_problem_without_its_words(line):
    problem, = standby_mode.template_problems(TEMPLATE + line + "\n")
    assert problem == "the recovery template has a syntax error in line 5"
    assert standby_mode.template_conninfo(line) is None


@pytest.mark.parametrize("name", ["recovery_target", "recovery_target_time", "recovery_target_xid"])
def test_a_template_that_ends_recovery_is_refused(name):
    problem, = standby_mode.template_problems(TEMPLATE + name + " = 'immediate'\n")
    assert problem.startswith(f"the recovery template must not contain {name}: ")
    assert standby_mode.template_problems(TEMPLATE + name + " = ''\n") == []


def test_the_last_conninfo_of_a_template_counts():
    text = TEMPLATE + "primary_conninfo = 'application_name=srv2'\n"
    assert standby_mode.template_conninfo(text) == "application_name=srv2"
