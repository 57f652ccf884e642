"""paf timeline and history: which log files are read, packed or not; which are missing."""

import os
import bz2
import gzip
import json
import lzma
import re
import time

import jsonschema
import pytest

from paf.cli.common import Problem
from paf.cli.main import main
from paf.cli.timeline import events, files, gather, logs
from tests.unit.test_cli_history import NOW, SCHEMAS


@pytest.mark.parametrize("time", [
    "Foo 26 10:00:00", "Nov 26 10:00", "2026-11-26T10:00", "2026-11-26 10", "Nov 26 1:2:3:4",
    "Nov 26 10:00:00.1.2", "mai 26 10:00:00", "2026-1-26 10:00:00", "9999-99-99T99:99:99",
    "0000-00-00T00:00:00"])
def test_a_line_whose_time_cannot_be_read_ends_nothing(tmp_path, time):
    """A full disk cuts a line; a locale of its own writes months in its language."""
    log = tmp_path / "pacemaker.log"
    line = "Nov 26 10:00:01 srv1 pacemaker-controld [1] (x) notice: Node srv2 state is now lost\n"
    log.write_text(line.replace("Nov 26 10:00:01", time) + line)
    assert line[:15] == "Nov 26 10:00:01" and len(logs.read([str(log)])) in (1, 2)


@pytest.mark.parametrize("name", ["pacemaker.log.gz", "pacemaker.log.bz2", "report.tar.bz2",
                                  "pacemaker.log.xz", "report.tar.xz"])
def test_a_packed_log_that_is_cut_off_is_a_problem(tmp_path, name):
    whole = {"gz": gzip, "z2": bz2, "xz": lzma}[name[-2:]].compress(b"x" * 99999)
    (tmp_path / name).write_bytes(whole[:len(whole) // 2])
    with pytest.raises(Problem, match=f"cannot read .*{name}"):
        logs.read([str(tmp_path / name)])


LOST = "Nov 23 15:00:{0:02d} srv3 pacemaker-controld [5] (x) notice: Node srv2 state is now lost\n"


def test_what_cannot_be_read_is_named_and_the_rest_is_read(tmp_path, monkeypatch):
    """A packer that is not known here, a log that is cut off, one that is gone."""
    whole = gzip.compress((LOST.format(1) * 9999).encode()) + gzip.compress(LOST.format(2).encode())
    (tmp_path / "pacemaker.log-1.gz").write_bytes(whole[:-20])
    (tmp_path / "pacemaker.log-2.zst").write_bytes(b"\x28\xb5\x2f\xfdxxxx")
    (tmp_path / "pacemaker.log-3.xz").write_bytes(lzma.compress(LOST.format(3).encode()))
    (tmp_path / "pacemaker.log").write_text(LOST.format(4))
    monkeypatch.setattr(files, "lzma", None)
    names = [*files.find([str(tmp_path)]), str(tmp_path / "gone")]
    broken: list = []
    facts = logs.read(names, NOW, broken)
    assert [time.localtime(fact.moment).tm_sec for fact in facts] == [1, 4]
    shown = "\n".join(sorted(broken))
    assert re.findall(r"cannot read \S*/(\S+):", shown) == [
        "gone", "pacemaker.log-1.gz", "pacemaker.log-2.zst", "pacemaker.log-3.xz"]
    assert "packed with zstd" in shown and "packed with xz" in shown and "No such file" in shown


def test_what_could_not_be_read_is_missing(tmp_path, capsys):
    (tmp_path / "pacemaker.log-2.zst").write_bytes(b"\x28\xb5\x2f\xfdxxxx")
    words = ["history", "--resource", "p", "--log", str(tmp_path)]
    assert main(words) == 2 and "packed with zstd" in capsys.readouterr().err
    (tmp_path / "pacemaker.log").write_text(LOST.format(4))
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert "packed with zstd" in err and "the logs begin at 2026-11-23 15:00:04.000" in out


@pytest.mark.parametrize("name, content, place, silent", [
    ("etc/sysconfig/pacemaker", "# PCMK_logfile=/a\nPCMK_logfile=/var/log/ha/p.log # here\n",
     "/var/log/ha/p.log", False),
    ("etc/default/pacemaker", 'export PCMK_logfile="/x/y.log"\n', "/x/y.log", False),
    ("etc/corosync/corosync.conf", "logging {\n  to_logfile: yes\n  logfile: /c/o.log\n}\n",
     "/c/o.log", False),
    ("etc/default/pacemaker", "PCMK_logfile=/var/log/pacemaker.log\n", None, False),
    ("etc/sysconfig/pacemaker", "PCMK_logfile=none\n", None, True),
    ("etc/default/pacemaker", "PCMK_logfile=/dev/stderr\n", None, True)])
def test_logs_are_looked_for_where_they_are_written(tmp_path, name, content, place, silent):
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(content)
    root = str(tmp_path)
    usual = [root + one for one in files.FILES]
    assert files.places(root) == usual + ([root + place] if place else [])
    assert files.is_silenced(root) is silent


def test_a_pipe_in_the_place_of_a_log_is_not_read(tmp_path):
    """There is no end of it. A link to a log is one."""
    folder = tmp_path / "var/log/pacemaker"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "pacemaker.log")
    assert files.mine(str(tmp_path)) == ([], [])
    os.unlink(folder / "pacemaker.log")
    (tmp_path / "real").write_text("x")
    (folder / "pacemaker.log").symlink_to(tmp_path / "real")
    assert files.mine(str(tmp_path)) == ([str(folder / "pacemaker.log")], [])


def test_a_folder_that_cannot_be_looked_into_is_named(monkeypatch, tmp_path):
    folder = tmp_path / "var/log/pacemaker"
    folder.mkdir(parents=True)
    (tmp_path / "var/log/pacemaker.log").write_text(LOST.format(4))
    monkeypatch.setattr(files, "FILES", tuple(str(tmp_path) + name for name in files.FILES))
    assert gather.read([])[1] == []
    monkeypatch.setattr(files.os, "access", lambda name, _: name != str(folder))
    facts, unread = gather.read([])
    assert len(facts) == 1 and unread == [f"cannot look into {folder}: run it as root"]
    (tmp_path / "var/log/pacemaker.log").unlink()
    with pytest.raises(Problem, match="cannot look into"):
        gather.read([])


def test_a_log_without_any_time_that_is_known_is_said_not_to_be_read(tmp_path):
    log = tmp_path / "pacemaker.log"
    log.write_text(LOST.format(1).replace("Nov 23 15:00:01", "Mo 2026-11-23 15:00:01 CET"))
    with pytest.raises(Problem, match="no line has a time"):
        logs.read([str(log)], NOW)
    # corosync may be shown to write no times; its log is only an addition
    log.write_text("notice  [TOTEM ] A processor failed, forming new configuration.\n")
    assert logs.read([str(log)], NOW) == []


@pytest.mark.parametrize("stamp, moment", [
    ("2026-11-23T15:00:01Z", 1795446001.0), ("2026-11-23T15:00:01.25+02:00", 1795438801.25),
    ("2026-11-23T15:00:01,250-0330", 1795458601.25), ("2026-11-23 15:00:01+0000", 1795446001.0)])
def test_the_offset_of_a_line_counts(stamp, moment, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        fact, = logs.facts_of(LOST.replace("Nov 23 15:00:{0:02d}", stamp), NOW)
        assert fact.moment == moment
    finally:
        monkeypatch.undo()
        time.tzset()


def test_lines_of_other_programs_do_not_show_when_pacemaker_ended(tmp_path):
    """Syslog has those of the boot, and of the time before it."""
    log = tmp_path / "messages"
    log.write_text("Nov 23 15:00:04 srv3 pacemakerd[5]: notice: Shutting down\n"
                   + "Nov 23 15:09:59 srv3 kernel: pacemaker is not here\n" * 100
                   + "Nov 23 15:10:00 srv3 pacemakerd[5]: notice: Starting Pacemaker 2.1.5\n")
    (begin, end), = events.gaps(logs.read([str(log)], NOW), ("srv3",))
    assert end - begin == 596


def test_when_pacemaker_ended_is_read_in_the_rotated_log(tmp_path):
    began = "Nov 23 15:10:00 srv3 pacemakerd [5] (main) notice: Starting Pacemaker 2.1.5\n"
    (tmp_path / "pacemaker.log.1").write_text(LOST.format(4))
    (tmp_path / "pacemaker.log").write_text(began)
    names = [str(tmp_path / name) for name in ("pacemaker.log.1", "pacemaker.log")]
    (begin, end), = events.gaps(logs.read(names, NOW), ("node3", "srv3"))
    assert end - begin == 596
    (begin, _), = events.gaps(logs.read(names[::-1], NOW), ("node3", "srv3"))
    assert begin is None
    other = tmp_path / "other"
    other.mkdir()
    (other / "pacemaker.log").write_text(began)
    (begin, _), = events.gaps(logs.read([names[0], str(other / "pacemaker.log")], NOW),
                              ("node3", "srv3"))
    assert begin is None


def test_a_name_that_the_logs_do_not_have_is_said(data, capsys):
    folder = str(data / "cli" / "history" / "srv1")
    assert main(["history", "--resource", "pgsqld-clone", "--log", folder]) == 1
    assert "nothing of pgsqld-clone, but of " in capsys.readouterr().err
    main(["history", "--resource", "pgsqld", "--log", folder])
    out, err = capsys.readouterr()
    assert err == "" and "until a start" in out


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_timeline_without_an_event_has_a_form_too(tmp_path, capsys, output):
    (tmp_path / "pacemaker.log").write_text(LOST.format(4))
    assert main(["timeline", "--resource", "p", "--log", str(tmp_path), "--output", output]) == 1
    out = capsys.readouterr().out
    if output == "json":
        jsonschema.validate(json.loads(out), json.loads((SCHEMAS / "timeline.json").read_text()))
        assert json.loads(out)["kind"] is None
    else:
        assert "no change of p" in out


@pytest.mark.parametrize("verb", ["history", "timeline"])
def test_a_time_zone_of_the_shell_changes_no_time(data, capsys, monkeypatch, verb):
    words = [verb, "--resource", "pgsqld", "--output", "json",
             "--log", str(data / "cli" / "history" / "srv1")]
    found = []
    for zone in (None, "Asia/Kolkata", "America/St_Johns"):
        if zone:
            monkeypatch.setenv("TZ", zone)
            time.tzset()
        main(words)
        found.append(capsys.readouterr().out)
    assert found[1:] == [found[0], found[0]] and len(found[0]) > 1000
