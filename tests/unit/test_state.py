"""The state table: every combination of what can be observed, and the promises it keeps."""

import itertools

import pytest

from paf import ocf
from paf.decide import state
from paf.decide.state import Observation

EVERYTHING = [Observation(*parts) for parts in itertools.product(
    state.PROCESSES, state.ANSWERS, state.CONTROL_STATES, state.FILES)]
ALIVE = [seen for seen in EVERYTHING if seen.process == state.ALIVE]
ORPHANED = [seen for seen in EVERYTHING if seen.process == state.ORPHANS]
DEAD = [seen for seen in EVERYTHING if seen.process == state.DEAD]

CRASHED = (state.CRASHED_PRIMARY, state.CRASHED_STANDBY)


def decided(observation):
    return state.decide(observation).state


def test_each_combination_fits_exactly_one_row():
    odd = [seen for seen in EVERYTHING if len(state.matching(seen)) != 1]
    assert odd == []


def test_each_row_is_needed():
    used = {state.matching(seen)[0] for seen in EVERYTHING}
    assert used == set(state.TABLE)


def test_each_state_is_reached_and_has_codes():
    reached = {decided(seen) for seen in EVERYTHING}
    assert reached == set(state.MONITOR_CODES)


def test_each_state_says_why():
    assert all(state.decide(seen).why for seen in EVERYTHING)


def test_an_observation_that_fits_no_row_is_an_error():
    with pytest.raises(LookupError):
        state.decide(Observation("levitating", state.SILENT, state.SHUT_DOWN, state.NEITHER))


# Promise: SQL wins over the control file, and over any file that lies around

@pytest.mark.parametrize("answer, expected", [
    (state.SAYS_PRIMARY, state.PRIMARY), (state.SAYS_STANDBY, state.STANDBY)])
def test_sql_wins_over_control_file_and_files(answer, expected):
    for seen in ALIVE:
        if seen.answer == answer:
            assert decided(seen) == expected


# Promise: a dead process wins over everything

def test_without_any_process_the_instance_is_down():
    assert {decided(seen) for seen in DEAD} == set(state.DOWN)


def test_what_a_dead_instance_is_said_to_answer_does_not_matter():
    for seen in DEAD + ORPHANED:
        assert decided(seen) == decided(seen._replace(answer=state.NOT_ASKED))


def test_only_a_living_postmaster_is_up():
    for seen in EVERYTHING:
        if decided(seen) in state.UP:
            assert seen.process == state.ALIVE


def test_a_living_postmaster_is_never_down():
    assert not {decided(seen) for seen in ALIVE + ORPHANED} & set(state.DOWN)


# Promise: dead is stopped. No probe of a dead instance may look like a failure

def test_a_probe_of_a_dead_instance_says_not_running():
    for name in state.DOWN:
        assert state.MONITOR_CODES[name][0] == ocf.NOT_RUNNING


@pytest.mark.parametrize("control, code", [
    (state.IN_PRODUCTION, ocf.FAILED_PROMOTED), (state.IN_ARCHIVE_RECOVERY, ocf.ERR_GENERIC),
    (state.SHUT_DOWN, ocf.NOT_RUNNING), (state.SHUT_DOWN_IN_RECOVERY, ocf.NOT_RUNNING),
    (state.UNREADABLE, ocf.ERR_GENERIC)])
def test_a_recurring_monitor_of_a_dead_instance_tells_what_it_was(control, code):
    for files in (state.SIGNAL, state.NEITHER):
        seen = Observation(state.DEAD, state.NOT_ASKED, control, files)
        assert state.MONITOR_CODES[decided(seen)][1] == code


@pytest.mark.parametrize("control", [
    state.STARTING_UP, state.SHUTTING_DOWN, state.IN_CRASH_RECOVERY])
@pytest.mark.parametrize("files, expected", [
    (state.SIGNAL, state.CRASHED_STANDBY), (state.NEITHER, state.CRASHED_PRIMARY)])
def test_a_transitional_control_state_without_process_is_a_crash(control, files, expected):
    assert decided(Observation(state.DEAD, state.NOT_ASKED, control, files)) == expected


def test_a_restored_backup_is_not_running_to_any_monitor():
    seen = Observation(state.DEAD, state.NOT_ASKED, state.IN_PRODUCTION, state.LABEL)
    assert state.MONITOR_CODES[decided(seen)] == (ocf.NOT_RUNNING, ocf.NOT_RUNNING)


def test_a_primary_that_died_in_an_exclusive_backup_has_failed_and_is_no_last_primary():
    seen = Observation(state.DEAD, state.NOT_ASKED, state.IN_PRODUCTION, state.EXCLUSIVE)
    assert decided(seen) == state.IN_BACKUP
    assert state.MONITOR_CODES[state.IN_BACKUP] == (ocf.NOT_RUNNING, ocf.FAILED_PROMOTED)
    seen = seen._replace(control=state.SHUT_DOWN_IN_RECOVERY)
    assert decided(seen) == state.RESTORED


def test_a_crashed_primary_is_distinguished_from_a_crashed_standby():
    found = {decided(seen) for seen in DEAD if seen.control == state.IN_PRODUCTION
             and seen.files in (state.SIGNAL, state.NEITHER)}
    assert found == {state.CRASHED_PRIMARY}


# Promise: backends without a postmaster are not a stopped instance

def test_orphans_are_never_not_running():
    for seen in ORPHANED:
        assert ocf.NOT_RUNNING not in state.MONITOR_CODES[decided(seen)]


def test_orphans_of_a_possible_primary_are_taken_for_one():
    for seen in ORPHANED:
        if seen.control in (state.IN_PRODUCTION, state.SHUT_DOWN, state.UNREADABLE):
            assert decided(seen) == state.ORPHANED_PRIMARY


# Promise: too many connections, or no way to ask, do not bring a running server down

@pytest.mark.parametrize("control, expected", [
    (state.IN_PRODUCTION, state.PRIMARY), (state.IN_ARCHIVE_RECOVERY, state.STANDBY)])
@pytest.mark.parametrize("answer", [state.NO_LOGIN, state.NOT_ASKED])
def test_without_an_answer_the_control_file_says_the_role(answer, control, expected):
    for files in state.FILES:
        assert decided(Observation(state.ALIVE, answer, control, files)) == expected


@pytest.mark.parametrize("control", state.NO_CONTROL_STATES)
@pytest.mark.parametrize("answer", [state.NO_LOGIN, state.NOT_ASKED])
def test_without_a_control_file_the_data_directory_says_the_role(answer, control):
    found = [decided(Observation(state.ALIVE, answer, control, files)) for files in (
        state.SIGNAL, state.NEITHER, state.HIDDEN)]
    assert found == [state.STANDBY, state.PRIMARY, state.UNKNOWN]


def test_a_running_server_that_cannot_be_asked_stays_up():
    for seen in ALIVE:
        if seen.answer == state.NOT_ASKED and seen.files != state.HIDDEN:
            assert decided(seen) in state.UP


# Promise: what is not known is not "stopped", not "damaged", and no role

UNKNOWN = (state.UNKNOWN, state.UNEXAMINED)


def test_a_process_that_could_not_be_looked_for_is_not_stopped():
    for seen in EVERYTHING:
        if seen.process == state.UNSEEN:
            assert ocf.NOT_RUNNING not in state.MONITOR_CODES[decided(seen)]
            assert decided(seen) not in state.DOWN + state.UP


def test_a_tool_without_an_answer_says_nothing_of_the_data_directory():
    for seen in EVERYTHING:
        if state.UNANSWERED == seen.control:
            assert decided(seen) != state.DAMAGED
        if decided(seen) == state.DAMAGED:
            assert seen.control == state.UNREADABLE


def test_a_dead_instance_whose_last_state_is_unknown_is_no_clean_one():
    for seen in DEAD:
        if seen.control == state.UNANSWERED or seen.files == state.HIDDEN:
            assert decided(seen) in (state.UNEXAMINED, state.DAMAGED)


def test_a_hung_server_is_a_soft_failure():
    for seen in ALIVE:
        if seen.answer == state.SILENT:
            assert state.MONITOR_CODES[decided(seen)] == (ocf.ERR_GENERIC, ocf.ERR_GENERIC)


# Promise: codes. A monitor never says what would ban a node

def test_no_state_gives_a_hard_or_fatal_code():
    codes = {code for pair in state.MONITOR_CODES.values() for code in pair}
    assert codes <= {ocf.SUCCESS, ocf.ERR_GENERIC, ocf.NOT_RUNNING, ocf.RUNNING_PROMOTED,
                     ocf.FAILED_PROMOTED}


def test_only_the_primary_state_says_running_promoted():
    saying = [name for name, pair in state.MONITOR_CODES.items()
              if ocf.RUNNING_PROMOTED in pair]
    assert saying == [state.PRIMARY]


def test_only_the_standby_state_says_success():
    assert [name for name, pair in state.MONITOR_CODES.items()
            if ocf.SUCCESS in pair] == [state.STANDBY]


def test_what_was_not_looked_at_fits_any_row():
    assert decided(Observation(state.ALIVE, state.SAYS_STANDBY, None, None)) == state.STANDBY
