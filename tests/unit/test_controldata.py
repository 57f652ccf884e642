"""pg_controldata's output, as recorded from real servers of several versions."""

import pytest

from paf import runner
from paf.deadline import Deadline
from paf.decide import state, wal
from paf.decide.knowledge import Known, Unknown
from paf.instance import controldata
from tests.unit.support import instance_at

VERSIONS = ("14", "15", "16", "17", "18")

#: What PostgreSQL 9.3 and 9.4 call some lines (from the source of pg_controldata).
OLD_NAMES = (("wal_level setting:   ", "Current wal_level setting:   "),
             ("wal_log_hints setting:   ", "Current wal_log_hints setting:   "))


@pytest.fixture
def recorded(data):
    return lambda name: (data / "pg_controldata" / f"{name}.txt").read_text()


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_is_understood(recorded, version):
    found = controldata.parse(recorded(version))
    assert found.state == state.SHUT_DOWN
    assert found.timeline == 1
    assert found.segment_size == 16 * 1024 * 1024
    assert found.wal_level == "replica"
    assert found.system_identifier.isdigit()
    assert found.checkpoint == found.redo > 0


@pytest.mark.parametrize("version, expected", [("15", True), ("18", True), ("14", False)])
def test_checksums_are_read(recorded, version, expected):
    assert controldata.parse(recorded(version)).checksums is expected


@pytest.mark.parametrize("number", ["2", "3"])
def test_checksums_that_are_being_switched_are_none(recorded, number):
    """PostgreSQL 19 does that online; pg_rewind wants all of them."""
    text = recorded("18").replace("Data page checksum version:           1",
                                  "Data page checksum version:           " + number)
    assert text != recorded("18") and controldata.parse(text).checksums is False


@pytest.mark.parametrize("name, expected", [
    ("15", state.SHUT_DOWN), ("15-in-production", state.IN_PRODUCTION),
    ("15-in-archive-recovery", state.IN_ARCHIVE_RECOVERY),
    ("15-shut-down-in-recovery", state.SHUT_DOWN_IN_RECOVERY)])
def test_each_state_is_reported(recorded, name, expected):
    assert controldata.parse(recorded(name)).state == expected


@pytest.mark.parametrize("version", ["9.3", "9.4", "9.5", "9.6", "10"])
@pytest.mark.parametrize("name, expected, timeline", [
    ("in-production", state.IN_PRODUCTION, 1),
    ("in-archive-recovery", state.IN_ARCHIVE_RECOVERY, 1),
    ("shut-down", state.SHUT_DOWN, 1), ("crashed-promoted", state.IN_PRODUCTION, 2)])
def test_old_versions_are_understood(recorded, version, name, expected, timeline):
    found = controldata.parse(recorded(f"{version}-{name}"))
    assert (found.state, found.timeline) == (expected, timeline)
    assert found.system_identifier.isdigit() and found.segment_size == 16 * 1024 * 1024
    assert found.checkpoint >= found.redo > 0


@pytest.mark.parametrize("name", state.CONTROL_STATES)
def test_every_state_of_the_table_is_one_that_is_parsed(recorded, name):
    text = recorded("15").replace("shut down", name)
    found = controldata.parse(text)
    assert (found is None) if name in state.NO_CONTROL_STATES else (found.state == name)


def test_an_unknown_state_is_not_guessed(recorded):
    text = recorded("15").replace("shut down", "unrecognized status code")
    assert controldata.parse(text) is None


def test_the_names_of_old_versions_are_understood(recorded):
    text = recorded("15-in-production")
    for new, old in OLD_NAMES:
        assert new in text
        text = text.replace(new, old)
    found = controldata.parse(text)
    assert (found.wal_level, found.wal_log_hints) == ("replica", True)


def test_what_9_3_does_not_tell_has_a_default(recorded):
    lines = [line for line in recorded("15").splitlines()
             if not line.startswith(("Min recovery ending loc", "wal_log_hints"))]
    found = controldata.parse("\n".join(lines))
    assert found.recovery_end_timeline == 0 and found.wal_log_hints is False


@pytest.mark.parametrize("line", [
    "Database cluster state", "Latest checkpoint's TimeLineID", "Latest checkpoint location",
    "Bytes per WAL segment", "wal_level setting", "Database system identifier"])
def test_without_a_needed_line_nothing_is_reported(recorded, line):
    lines = [each for each in recorded("15").splitlines() if not each.startswith(line + ":")]
    assert controldata.parse("\n".join(lines)) is None


@pytest.mark.parametrize("text", ["", "x", "Database cluster state: shut down\n"])
def test_other_text_is_no_control_data(text):
    assert controldata.parse(text) is None


def test_a_standbys_lower_bound_is_the_end_of_its_recovery(recorded):
    found = controldata.parse(recorded("15-shut-down-in-recovery"))
    assert controldata.lower_bound(found) == wal.Position(1, found.recovery_end)
    assert found.recovery_end > found.redo


def test_a_primarys_lower_bound_is_its_last_checkpoint(recorded):
    found = controldata.parse(recorded("15"))
    assert controldata.lower_bound(found) == wal.Position(1, found.checkpoint)


def test_the_lower_bound_takes_the_higher_timeline(recorded):
    found = controldata.parse(recorded("15"))._replace(recovery_end_timeline=4)
    assert controldata.lower_bound(found).timeline == 4


# A tool that gave no answer does not show what the file is

@pytest.fixture
def answering(monkeypatch, tmp_path):
    """Return a function that reads the control file where pg_controldata gives these Results."""
    def read(*results):
        left = list(results)

        def run(*_, **__):
            result = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(result, Exception):
                raise result
            return result
        monkeypatch.setattr(runner, "run", run)
        return controldata.read(instance_at(tmp_path), Deadline(5))
    return read


WARNING = "WARNING: Calculated CRC checksum does not match value stored in file.\n"


def test_what_is_read_is_known(answering, recorded):
    found = answering(runner.Result(0, recorded("15"), "", False))
    assert found == Known(controldata.parse(recorded("15")))


@pytest.mark.parametrize("result, words", [
    (runner.Result(-9, "", "", True), "in time"), (runner.Result(-9, "", "", False), "signal 9"),
    (runner.Result(127, "", "error while loading shared libraries: libpq.so.5", False), "libpq"),
    (runner.Result(1, "", 'could not open file "x" for reading: Permission denied', False),
     "Permission denied"),
    (runner.Result(1, "", "could not read file: Input/output error", False), "Input/output"),
    (runner.Result(0, "something else\n", "", False), "something else"),
    (runner.NotStarted("cannot run /x/pg_controldata: No such file or directory"), "cannot run")])
def test_no_answer_is_unknown_and_names_what_is_missing(answering, result, words):
    found = answering(result)
    assert type(found) is Unknown and words in found.reason


@pytest.mark.parametrize("result", [
    runner.Result(0, "", WARNING, False), runner.Result(0, WARNING, "", False),
    runner.Result(1, "", 'could not open file "x": No such file or directory', False),
    runner.Result(1, "", 'could not read file "x": read 0 of 296', False)])
def test_a_file_that_the_tool_complains_of_is_damaged(answering, result):
    found = answering(result)
    assert type(found) is controldata.Damaged and found.reason.startswith("pg_controldata: ")


@pytest.mark.parametrize("version", ["15", "17"])
def test_a_file_of_zeros_is_damaged_in_the_words_of_each_version(answering, recorded, version):
    found = answering(runner.Result(0, recorded(f"{version}-zeroed"), "", False))
    assert type(found) is controldata.Damaged and "CRC checksum" in found.reason


def test_a_checksum_that_is_wrong_for_a_moment_only_is_no_damage(answering, recorded):
    found = answering(runner.Result(0, "", WARNING, False),
                      runner.Result(0, recorded("15"), "", False))
    assert isinstance(found, Known)
