"""paf health: requests of any kind, and answers from what is known of a node."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paf import ocf
from paf.cli import configuration
from paf.cli.health import glance, health, judge, looks, request, series
from paf.cli.health.answers import QUESTIONS
from paf.cli.main import main
from paf.cluster import cib
from paf.cluster.base import Cluster
from paf.deadline import Deadline

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PRIMARY = looks.Local(False, 5, 5000, 4000, None, None, None)
STANDBY = looks.Local(True, 5, 5000, 4000, True, 5000, 1.5)


@pytest.fixture(scope="module")
def facts(data):
    """What srv3, the primary of the recorded cluster, knows."""
    xml = (data / "cli" / "cib.xml").read_text()
    configured = configuration.parse(xml)
    managed = configuration.find(configured)
    names = Cluster(ocf.Environment({"OCF_RESOURCE_INSTANCE": managed.name})).names()
    return looks.Looked("", "srv3", managed.name, True, cib.parse(xml, names, managed.name),
                        ["srv3"], PRIMARY, "", configured.root, configured.properties, managed,
                        set())


@pytest.fixture
def standby(facts):
    return facts._replace(node="srv1", server=STANDBY)


def said(facts, question, **options):
    return judge.answers(facts).to(question, options)


def test_each_node_says_what_it_is(facts, standby):
    assert said(facts, "/primary") == (True, "srv3 is the primary of pgsqld, timeline 5")
    assert said(standby, "/replica")[0] and said(standby, "/health")[0] and said(
        facts, "/health")[0]
    assert said(standby, "/primary") == (False, "srv1 is a standby")
    assert said(facts, "/replica") == (False, "srv3 is not a standby")


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("changed, words", [
    ({"unknown": "Pacemaker does not answer"}, "Pacemaker does not answer"),
    ({"quorum": None}, "not known whether"), ({"quorum": False}, "no quorum"),
    ({"node": "srv9"}, "as a member"),
    ({"server": None, "silence": "does not answer in time"}, "does not answer in time"),
])
def test_what_is_not_known_is_no(facts, standby, question, changed, words):
    for one in (facts, standby):
        good, text = said(one._replace(**changed), question)
        assert not good and words in text


@pytest.mark.parametrize("changed, words", [
    ({"promoted": []}, "Pacemaker has not promoted it"),
    ({"promoted": ["srv2", "srv3"]}, "Pacemaker has promoted srv2"),
    ({"server": STANDBY}, "is a standby")])
def test_a_primary_that_pacemaker_does_not_have_gets_no_writes(facts, changed, words):
    good, text = said(facts._replace(**changed), "/primary")
    assert not good and words in text


@pytest.mark.parametrize("changed, words", [
    ({"streaming": False}, "does not stream"), ({"streaming": None}, "does not say"),
    ({"seen": 1 << 30}, "lags by"), ({"seen": None}, "not known"),
    ({"replayed": None}, "not known"),
    ({"heard": 3600.0}, "not known"), ({"heard": None}, "not known")])
def test_a_standby_with_more_lag_than_allowed_or_an_unknown_one_gets_no_reads(
        standby, changed, words):
    good, text = said(standby._replace(server=STANDBY._replace(**changed)), "/replica", lag="1MB")
    assert not good and words in text


def test_a_standby_that_pacemaker_has_promoted_or_stopped_gets_no_reads(standby):
    assert not said(standby._replace(promoted=["srv1"]), "/replica")[0]
    stopped = standby._replace(view=standby.view._replace(running=["srv3"]))
    assert "does not run" in said(stopped, "/replica")[1]


def test_the_limit_is_a_number_of_bytes(standby):
    assert said(standby, "/replica", lag="1000")[0] and not said(standby, "/replica", lag="999")[0]
    assert not said(standby, "/replica", lag="much")[0]
    assert [request.size(text) for text in ("1MB", "2kB", "7", "1 GiB", "-1", "", "1e9")] == [
        1048576, 2048, 7, 1 << 30, None, None, None]


@pytest.mark.parametrize("rule, good", [
    ("3 1 srv1", True), ("3 2 srv1 srv2", True), ("3 1 srv1 srv2", False), ("3 1 *", False),
    ("3 1 srv2", False), ("", False), ("rubbish", False), ("3 1 srv1 srv3", True),
    ("3 2 srv1 srv2 srv3", True), ("3 1 srv1 srv2 srv3", False)])
def test_a_synchronous_standby_is_one_that_every_commit_waits_for(standby, rule, good):
    known = standby._replace(view=standby.view._replace(rules={"srv3": rule}))
    assert said(known, "/sync")[0] is good
    assert not said(known._replace(promoted=[]), "/sync")[0]


@pytest.mark.parametrize("data, expected", [
    (b"GET /primary HTTP/1.1\r\nHost: x\r\n\r\n", ("GET", "/primary", {})),
    (b"OPTIONS / HTTP/1.0\r\n\r\n", ("OPTIONS", "/", {})),
    (b"GET /replica/?lag=1MB&resource=a%20b HTTP/1.0\n\n",
     ("GET", "/replica", {"lag": "1MB", "resource": "a b"})),
    (b"HEAD /health HTTP/1.0\r\n\r\n", ("HEAD", "/health", {})),
    (b"primary\n", ("agent", "/primary", {})),
    (b"/replica?lag=1kB\r\n", ("agent", "/replica", {"lag": "1kB"})),
    (b"", request.UNCLEAR), (b"\n", request.UNCLEAR), (b"GET /primary", request.UNCLEAR),
    (b"\x16\x03\x01\x02\x00\x01\n\n", request.UNCLEAR),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.0\r\n", request.UNCLEAR)])
def test_requests(data, expected):
    assert request.parse(data) == expected


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400) | st.builds(
    lambda head, path: head + path + b"\r\n\r\n", st.sampled_from([b"GET /", b"X ", b""]),
    st.binary(max_size=100)))
def test_any_bytes_get_one_whole_answer(data):
    asked = request.parse(data)
    if asked.path in QUESTIONS or asked.path == "/metrics":
        return
    good, text = health.answer(asked)
    assert not good and (text.startswith("HTTP/1.0 4") or text.startswith("down "))
    head, _, body = text.partition("\r\n\r\n")
    if text.startswith("HTTP"):
        length = int(re.search(r"Content-Length: (\d+)", head).group(1))
        assert len(body) in (length, 0) and "\n" not in head.replace("\r\n", "")


def test_head_and_options_have_no_body_and_an_unknown_method_is_refused():
    assert request.http("HEAD", 503, "no quorum").endswith("\r\n\r\n")
    assert health.answer(request.Request("POST", "/primary", {}))[1].startswith("HTTP/1.0 405")
    assert request.agent(True, "x") == "up\n" and request.agent(False, "x") == "down #x\n"


def test_a_request_that_never_ends_is_bounded_in_time_and_size():
    read, write = os.pipe()
    os.write(write, b"GET /primary HT")
    assert request.read(Deadline(0.05), read) == b"GET /primary HT"
    os.write(write, b"x" * (request.LONGEST + 1000))
    assert len(request.read(Deadline(5.0), read)) == request.LONGEST
    os.close(write)
    assert len(request.read(Deadline(5.0), read)) == 1000
    os.close(read)


def test_without_pacemaker_the_answer_is_503_and_says_so(monkeypatch, capfd):
    read, write = os.pipe()
    os.write(write, b"GET /primary HTTP/1.0\r\n\r\n")
    os.close(write)
    saved = os.dup(0)
    monkeypatch.setattr(looks, "_cib", lambda pacemaker: "this is no CIB")
    try:
        os.dup2(read, 0)
        assert main(["health"]) == 1
    finally:
        os.dup2(saved, 0)
        os.close(saved)
        os.close(read)
    shown = capfd.readouterr().out
    assert shown.startswith("HTTP/1.0 503 ") and "cannot understand the CIB" in shown


def test_answers_of_servers_of_each_age():
    row = ["me", "true", "5", "5000", "4000", "streaming", "5100", "0.25"]
    assert looks.understand([row], None) == STANDBY._replace(seen=5100, heard=0.25)
    none = looks.understand([[*row[:5], "", "", ""]], None)
    assert none.streaming is False and judge.lag(none) is None
    hidden = looks.understand([[*row[:5], "?", "", ""]], None)
    assert hidden.streaming is None    # a role without pg_monitor sees that there is a receiver
    old = looks.understand([["me", "true", "", "5000", "4000", "", "", ""]], lambda: True)
    assert old.streaming is True and old.timeline is None and judge.lag(old) is None
    fresh = looks.understand([["me", "true", "5", "3000", "4000", "streaming", "4000", "0"]], None)
    assert fresh.position == 4000    # it has received nothing yet since its start
    assert looks.understand([], None) is None and looks.understand([["you"]], None) is None
    for version in (90300, 90600, 100000, 180000):
        assert "{" not in looks.query(version)


def test_no_number_is_given_for_what_is_not_known(standby):
    unknown = standby._replace(server=STANDBY._replace(timeline=None, seen=None, heard=None))
    names = {item.name for item in series.of(unknown, None, 1e9, {})}
    assert not names & {"paf_timeline", "paf_lag_bytes", "paf_heard_seconds"}
    assert {"paf_streaming", "paf_quorum", "paf_promotion_score"} <= names


def test_a_plain_cib_is_read_at_a_glance_and_any_other_in_full(data):
    xml = (data / "cli" / "cib.xml").read_text()
    whole = looks._as_glance(*looks._in_full(xml, ""))
    assert glance.of(xml) == glance.of(xml, "pgsqld") == whole
    assert whole.parameters and whole.nodes == ["srv1", "srv2", "srv3"] and whole.quorum == "1"
    for old, new in ((' type="pgsqlms"', ' type="pgsqlms" template="t"'),
                     ('<instance_attributes id="pgsqld-',
                      '<instance_attributes id="x"/><instance_attributes id="pgsqld-'),
                     ("<resources>", '<resources><primitive id="other" class="ocf" '
                                     'provider="heartbeat" type="pgsqlms"/>')):
        assert old in xml
        assert glance.of(xml.replace(old, new)) is None, new
    assert glance.of(xml, "other") is None and glance.of("<cib") is None
    ruled = re.sub(r'(<instance_attributes id="pgsqld-[^>]*>)', r'\1<rule id="r" score="1"/>', xml)
    assert ruled != xml and glance.of(ruled) is None


def test_a_look_at_a_plain_cib_needs_no_element_tree():
    """Each request is a process of its own: what it imports is most of what it costs."""
    text = ("import sys; from paf.cli import main; from paf.cli.health import health, looks; "
            "heavy = {'re', 'json', 'argparse', 'xml.etree.ElementTree'} & set(sys.modules); "
            "sys.exit(', '.join(sorted(heavy)) or 0)")
    result = subprocess.run([sys.executable, "-S", "-B", "-c", text], cwd=REPOSITORY,
                            capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, "")
