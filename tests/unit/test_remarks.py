"""What a monitor says without a failure: which worries last, and what its exit status is then."""

import time
from types import SimpleNamespace

import pytest

from paf import ocf, remarks

WORRY = ["this standby does not stream from a primary"]
NEW = "3.6.1"


@pytest.fixture
def context(tmp_path):
    """A context of Pacemaker 2.0.5, and what its log was given."""
    said = []
    return SimpleNamespace(
        said=said, in_cluster=True, log=SimpleNamespace(
            exit_reason=said.append, warning=said.append), environment=ocf.Environment({
                "HA_RSCTMP": str(tmp_path), "OCF_RESOURCE_INSTANCE": "pgsqld",
                "OCF_RESKEY_crm_feature_set": NEW}))


def began(context, tmp_path, seconds):
    (tmp_path / "pgsqlms-pgsqld.worries").write_text(str(int(time.time() - seconds)))


def test_a_worry_lasts_after_ten_seconds(context, tmp_path):
    assert remarks.lasting(context, WORRY) == []
    assert remarks.lasting(context, WORRY) == []
    began(context, tmp_path, 11)
    assert remarks.lasting(context, WORRY) == WORRY
    assert remarks.lasting(context, []) == [] and remarks.lasting(context, WORRY) == []


def test_a_clock_that_was_set_back_hides_none(context, tmp_path):
    began(context, tmp_path, -3600)
    assert remarks.lasting(context, WORRY) == WORRY


def test_a_note_that_cannot_be_read_is_written_again(context, tmp_path):
    (tmp_path / "pgsqlms-pgsqld.worries").write_text("x")
    assert remarks.lasting(context, WORRY) == []
    began(context, tmp_path, 11)
    assert remarks.lasting(context, WORRY) == WORRY


def test_where_nothing_can_be_noted_the_worry_is_shown(context):
    context.environment.variables["HA_RSCTMP"] = "/nonexistent"
    assert remarks.lasting(context, WORRY) == WORRY and "cannot remember" in context.said[0]


@pytest.mark.parametrize("feature_set, code, expected", [
    (NEW, 0, 190), (NEW, 8, 191), ("3.16.1", 0, 190), ("3.6.0", 0, 0), ("3.0.14", 8, 8),
    ("", 0, 0), ("x", 0, 0)])
def test_the_status_is_one_that_pacemaker_does_not_recover_from(
        context, feature_set, code, expected):
    context.environment.variables["OCF_RESKEY_crm_feature_set"] = feature_set
    assert remarks.status(context, code, WORRY) == expected
    assert context.said == ["PAF-E309 " + WORRY[0]] * (expected != code)


def test_without_a_worry_and_by_hand_it_stays(context):
    assert remarks.status(context, 8, []) == 8
    context.in_cluster = False
    assert remarks.status(context, 8, WORRY) == 8 and context.said == []
