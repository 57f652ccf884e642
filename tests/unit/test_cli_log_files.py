"""paf timeline and history: logs that are cut, gone, silenced or old, and where the year turns."""

import importlib.util
import io
import lzma
import os
import sys
import tarfile
import time
import xml.etree.ElementTree as etree

import pytest

from paf.cli import configuration
from paf.cli.common import ERROR, Problem
from paf.cli.main import main
from paf.cli.timeline import changes, events, files, gather, logs, picture
from tests.unit.test_cli_operate import Recorder
from tests.unit.test_cli_timeline import NOW, folder, found, places    # noqa: F401

LOST = "{0} srv3 pacemaker-controld [5] (x) notice: Node srv2 state is now lost\n"
SECONDS = "Nov 23 15:00:{0:02d}"


# Files

def test_a_python_without_lzma_names_the_packer(tmp_path, monkeypatch):
    """Python 2, or one that was built without it."""
    monkeypatch.setitem(sys.modules, "lzma", None)
    spec = importlib.util.spec_from_file_location("files_without_lzma", files.__file__)
    other = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(other)
    (tmp_path / "pacemaker.log.xz").write_bytes(lzma.compress(b"x"))
    with pytest.raises(Problem, match="packed with xz, which is not read here"):
        next(other.streams(str(tmp_path / "pacemaker.log.xz")))


def test_a_stream_that_cannot_peek_is_read_from_its_begin():
    """As those of Python 2 are."""
    stream = io.BytesIO(b"Nov 23 15:00:00\n")
    assert files._unpacked("pacemaker.log", stream).read() == b"Nov 23 15:00:00\n"


def test_a_log_that_is_rotated_away_meanwhile_is_still_named(tmp_path, monkeypatch):
    """To read it fails then, and that is said; the others are read."""
    place = tmp_path / "var/log/pacemaker"
    place.mkdir(parents=True)
    for name in ("pacemaker.log", "pacemaker.log-1", "pacemaker.log-2"):
        (place / name).write_text(LOST.format(SECONDS.format(1)))
    gone = str(place / "pacemaker.log-1")

    def failing(call):
        return lambda name: call("/nonexistent" if name == gone else name)
    monkeypatch.setattr(os.path, "getmtime", failing(os.path.getmtime))
    monkeypatch.setattr(os.path, "getsize", failing(os.path.getsize))
    mine, old = files.mine(str(tmp_path))
    assert [name.rpartition("/")[2] for name in mine] == [
        "pacemaker.log-1", "pacemaker.log-2", "pacemaker.log"] and old == []
    os.unlink(gone)
    broken: list = []
    assert len(logs.read(mine, NOW, broken)) == 1 and f"cannot read {gone}" in broken[0]


def test_a_folder_that_cannot_be_read_is_not_one_without_logs(tmp_path, monkeypatch):
    """Root may read all, so the system's answer is played."""
    (tmp_path / "node").mkdir()

    def refuse(name):
        raise PermissionError(13, "Permission denied", name)
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(Problem, match=f"cannot read {tmp_path}: Permission denied"):
        files.find([str(tmp_path)])


@pytest.mark.parametrize("old, words", [
    ([], None), (["/a"], "older logs were not read (/a): name them with --log"),
    (["/a", "/b", "/c"], "older logs were not read (/c and 2 more): name them with --log")])
@pytest.mark.parametrize("silenced", [True, False])
def test_logs_that_are_not_written_or_too_old_are_said(tmp_path, monkeypatch, silenced, old, words):
    (tmp_path / "pacemaker.log").write_text(LOST.format(SECONDS.format(1)))
    monkeypatch.setattr(files, "mine", lambda: ([str(tmp_path / "pacemaker.log")], old))
    monkeypatch.setattr(files, "forbidden", lambda: [])
    monkeypatch.setattr(files, "is_silenced", lambda: silenced)
    facts, unread = gather.read([])
    assert len(facts) == 1 and unread == [
        "Pacemaker is configured to write no log here (PCMK_logfile)"] * silenced + (
            [words] if words else [])


# What is gathered

def test_the_resource_and_its_addresses_are_those_of_the_cib(
        data, folder, monkeypatch):    # noqa: F811
    text = (data / "cli" / "cib.xml").read_text()
    monkeypatch.setattr(gather, "Pacemaker", lambda: Recorder(text))

    class Options:
        log, resource, vip = [str(folder)], "", []
    seen = gather.history(Options).events
    assert [event.kind for event in seen] == [events.START, events.SWITCHOVER, events.FAILOVER]
    assert any(item.resource == "pgsql-master-ip" for item in seen[1].actions)
    monkeypatch.setattr(gather, "Pacemaker", lambda: Recorder(text.replace("pgsqlms", "pgsql")))
    with pytest.raises(Problem, match="resource"):
        gather.history(Options)


def test_logs_without_an_event_say_from_when_on_they_are(tmp_path):
    (tmp_path / "pacemaker.log").write_text(LOST.format(SECONDS.format(1)))
    facts = logs.read([str(tmp_path / "pacemaker.log")], NOW)
    said, = gather.missing(facts, [], ("srv3", "srv3.example"), [])
    assert said.startswith("the logs of srv3 begin at ") and said.endswith("no event in them")
    assert list(gather.missing([], [], ("srv3", "srv3.example"), [])) == [
        "the logs of srv3 have nothing that Pacemaker wrote"]


def test_a_picture_that_cannot_be_written_is_said(folder, tmp_path, capsys):    # noqa: F811
    source = ["--log", str(folder), "--resource", "pgsqld", "--vip", "pgsql-master-ip"]
    place = tmp_path / "none" / "x.svg"
    assert main(["timeline", *source, "--picture", str(place)]) == ERROR
    assert f"cannot write {place}: No such file or directory" in capsys.readouterr().err


def test_an_outage_too_short_for_its_words_has_them_below(found):    # noqa: F811
    event = found[1]._replace(up=found[1].down + 0.1)
    drawn = etree.fromstring(picture.svg(event))
    said = [place for place in places(drawn) if place[3].startswith("no primary")]
    names = [place for place in places(drawn) if place[3] in (event.old, event.new)]
    assert len(said) == 1 and 0 <= said[0][0] and said[0][1] <= float(drawn.get("width")) + 5
    assert said[0][2] not in [place[2] for place in names]


# Lines

def test_the_end_of_logs_is_read_as_far_as_it_can_be(tmp_path):
    """An alert has seconds; the first line is cut, and a log may be gone."""
    log = tmp_path / "pacemaker.log"
    log.write_text("".join(LOST.format(SECONDS.format(second)) for second in range(60)))
    line = len(LOST.format(SECONDS.format(0)))
    facts = logs.recent([str(tmp_path / "gone"), str(log)], 2 * line + 20, NOW)
    assert [time.localtime(fact.moment).tm_sec for fact in facts] == [58, 59]
    assert len(logs.recent([str(log)], 1 << 20, NOW)) == 60
    assert logs.recent([str(tmp_path / "gone")], 1 << 20) == []


@pytest.mark.parametrize("line", [
    "2026-13-45T10:00:00 srv1 x", "2026-02-30T10:00:00 srv1 x", "2026-11-00T10:00:00Z srv1 x",
    "0000-00-00T00:00:00Z srv1 x", "Nov 26 1:2:3:4 srv1 x",
    "milk"])
def test_a_time_that_is_none_is_not_known(line):
    assert logs.moment_of(line + "\n", NOW) is None


def test_a_line_of_december_that_is_read_in_january_is_of_last_year():
    """The lines of syslog have no year."""
    now = time.mktime((2026, 1, 1, 0, 10, 0, 0, 0, -1))
    for text, year in (("Dec 31 23:59:00", 2025), ("Jan 01 00:09:00", 2026),
                       ("Jan 01 23:00:00", 2026)):    # of a clock that is somewhat ahead
        found = time.localtime(logs.moment_of(text + " srv1 x: y", now))    # noqa: F811
        assert (found.tm_year, found.tm_mon) == (year, 12 if year == 2025 else 1)


def test_the_end_of_the_pacemaker_before_is_found_beside_lines_without_a_time(tmp_path):
    """And beside later ones, of a part of the log that was read in another order."""
    began = "{0} srv3 pacemakerd [5] (main) notice: Starting Pacemaker 2.1.5\n".format(
        SECONDS.format(30))
    log = tmp_path / "pacemaker.log"
    log.write_text("".join([LOST.format(SECONDS.format(7)), "no time\n",
                            LOST.format(SECONDS.format(50)), began]))
    fact, = [fact for fact in logs.read([str(log)], NOW) if fact.kind == "began"]
    assert time.localtime(float(fact.values["after"])).tm_sec == 7


# What the CIB manager wrote

def test_a_change_of_an_operation_that_is_not_known_is_no_run():
    """The log begins after the operation did: its name and result come later, or never."""
    runs = changes.Runs({"1": "srv1"})
    runs.add({"id": "pgsqld_last_0", "node": "1", "exec-time": "5"}, 10.0)
    assert list(runs.found()) == []
    runs.add({"id": "pgsqld_last_0", "node": "1", "operation_key": "pgsqld_start_0",
              "operation": "start", "transition-magic": "0:0;1:2:0:a", "rc-code": "0"}, 11.0)
    run, = runs.found()
    assert (run.operation, run.node, run.rc) == ("start", "srv1", 0)


def live(*runs):
    """Yield what the CIB has of runs: (operation, exit code, begin in seconds)."""
    operations = "".join(
        '<lrm_rsc_op id="{0}{3}" operation="{0}" operation_key="pgsqld_{0}_{4}" interval="{4}" '
        'transition-magic="0:{1};{3}:1:0:u" call-id="{3}" rc-code="{1}" op-status="0" '
        'last-rc-change="{2}" exec-time="100"/>'.format(
            *run, number, 15000 if run[0] == "monitor" else 0)
        for number, run in enumerate(runs))
    return changes.of_cib(configuration.parse(
        '<cib><configuration/><status><node_state id="1" uname="srv1"><lrm><lrm_resources>'
        f'<lrm_resource id="pgsqld">{operations}</lrm_resource></lrm_resources></lrm></node_state>'
        "</status></cib>").root)


PROMOTED = (("start", 0, 1000), ("promote", 0, 1002))


@pytest.mark.parametrize("runs, kinds", [
    ((("monitor", 1, 1000),), []),
    ((*PROMOTED, ("monitor", 1, 2000), ("demote", 0, 2001)), [events.START, events.FAILOVER]),
    ((*PROMOTED, ("monitor", 1, 2000)), [events.START])])
def test_what_pacemaker_has_not_acted_on_is_no_event_and_a_demotion_after_a_failure_is_one(
        runs, kinds):
    assert [event.kind for event in events.events([], "pgsqld", live=live(*runs))] == kinds


def test_a_log_that_was_rotated_more_than_a_year_ago_is_of_its_own_year(tmp_path):
    """Pacemaker keeps 99 weeks of logs as installed, and its lines have no year."""
    for name, year in (("pacemaker.log-20250920", 2025), ("pacemaker.log", 2026)):
        (tmp_path / name).write_text(LOST.format("Sep 15 15:00:01"))
        turned = time.mktime((year, 9, 20, 0, 0, 0, 0, 0, -1))
        os.utime(tmp_path / name, (turned, turned))
    packed = tmp_path / "report.tar"
    with tarfile.open(packed, "w") as archive:
        archive.add(tmp_path / "pacemaker.log-20250920", "srv3/pacemaker.log")
    found = logs.read([str(tmp_path / "pacemaker.log-20250920"), str(packed),    # noqa: F811
                       str(tmp_path / "pacemaker.log")], NOW)
    assert [time.localtime(fact.moment).tm_year for fact in found] == [2025, 2026]


def test_a_file_without_a_time_of_its_own_is_read_as_if_it_were_new(tmp_path):
    """As some tools leave it."""
    log = tmp_path / "pacemaker.log"
    log.write_text(LOST.format("Sep 15 15:00:01"))
    os.utime(log, (0, 0))
    fact, = logs.read([str(log)], NOW)
    assert time.localtime(fact.moment).tm_year == 2026


@pytest.mark.parametrize("month", [7, 12])
def test_the_hour_that_comes_twice_is_told_by_the_order_of_lines(tmp_path, monkeypatch, month):
    """Whatever the C library was asked before: it guesses by that."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        log = tmp_path / "pacemaker.log"
        log.write_text("".join(LOST.format("Oct 25 " + clock) for clock in (
            "01:59:00", "02:58:00", "02:59:59.900", "02:59:59.800", "02:00:01", "02:30:00",
            "03:00:00")))
        time.mktime((2026, month, 1, 0, 0, 0, 0, 0, -1))
        found = [fact.moment for fact in logs.read([str(log)], NOW)]    # noqa: F811
        begin = 1792886340    # 2026-10-24 23:59:00 UTC
        assert [round(moment - begin, 1) for moment in found] == [
            0, 3540, 3659.8, 3659.9, 3661, 5460, 7260]
    finally:
        monkeypatch.undo()
        time.tzset()
