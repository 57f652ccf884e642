"""Whatever the agent reads from outside becomes a value or a clear error, nothing else."""

import string

from hypothesis import given
from hypothesis import strategies as st

from paf import ocf, parameters
from paf.decide import scores, timelines, transition, wal
from paf.cluster import cib, corosync2
from paf.deadline import Deadline
from paf.instance import conninfo, controldata, sql
from paf.log import without_secrets
from paf.runner import Result
from tests.unit.support import environment, NO_NAMES, notify_variables

TEXT = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="srv12 .'\"()[]{}|*+?\\^$\n\t\0;&`=#:/<>-", max_size=40),
    st.sampled_from(["$(reboot)", "`reboot`", "; reboot", "srv1\nsrv2", "-n", "--", "", " ", "²",
                     "1#2#3", "#", "1#", "-1#5", "9" * 40 + "#1", "0x1#5", "1e3#5"]))
KEYS = sorted(notify_variables())
NODES = ("srv1", "srv2", "srv22", "srv")


@given(st.dictionaries(st.sampled_from(KEYS), TEXT))
def test_any_notify_variables_make_a_notification(values):
    found = transition.read(environment(**values))
    for name in transition.LISTS:
        for member in getattr(found, name):
            assert isinstance(member.node, str) and not set(member.node) & set(" \t\n")
    assert isinstance(transition.picture(found), str)
    assert transition.voters(found) == sorted(set(transition.voters(found)))
    assert transition.candidate(found) in [None, *transition.nodes(found.promote)]
    transition.transition(found)
    transition.is_switchover(found)


@given(st.dictionaries(st.sampled_from(KEYS), TEXT), st.sampled_from(NODES))
def test_a_node_is_known_by_its_whole_name(values, node):
    """One node's name may be the beginning of another's."""
    lists = transition.read(environment(**{**values, **notify_variables(
        promoted=node, demote=node, promote="srv1x", unpromoted="srv1x", active=f"{node} srv1x")}))
    assert transition.lasting_primaries(lists) == []
    assert transition.candidate(lists) == "srv1x" and not transition.is_recovery_of_primary(lists)


@given(st.dictionaries(st.sampled_from(
    ["CRM_meta_timeout", "CRM_meta_interval", "crm_feature_set", "CRM_meta_on_node"]), TEXT), TEXT)
def test_any_environment_has_a_timeout_and_a_version_or_none(values, level):
    found = ocf.Environment({**environment(**values).variables, "OCF_CHECK_LEVEL": level})
    assert found.timeout is None or found.timeout > 0
    assert isinstance(found.is_probe, bool) and isinstance(found.check_level, int)
    assert all(isinstance(number, int) for number in found.feature_set)


@given(st.dictionaries(st.sampled_from([one.name for one in parameters.DECLARED]), TEXT))
def test_any_parameters_are_read_and_what_is_wrong_is_said(values):
    found = parameters.problems(parameters.read(environment(**values)))
    assert all(isinstance(sentence, str) and len(sentence) > 10 for sentence in found)


@given(TEXT)
def test_a_position_is_two_decimal_numbers_or_nothing(value):
    found = wal.from_wire(value)
    if found is not None:
        assert wal.to_wire(found).split("#") == [str(int(part)) for part in value.split("#")]
        assert min(found) >= 0


@given(TEXT, TEXT)
def test_any_attribute_values_are_positions_or_nothing(ballot, location):
    class Cluster(corosync2.Corosync2):
        def run(self, argv, deadline):
            value = ballot if "ballot-default" in argv else location
            return Result(0, f'name="x" host="srv1" value="{value}"\n'
                             f'name="x" host="srv2" value="{value}"\n', "", False)
    cluster = Cluster(environment(CRM_meta_on_node="srv1"))
    shown = cluster.positions(["srv1", "srv2"], Deadline(0))
    assert all(isinstance(where, wal.Position) for where in shown.values())
    assert set(shown) <= {"srv1", "srv2"}


REPLICAS = st.lists(st.builds(
    scores.Replica, st.one_of(TEXT, st.sampled_from(NODES)),
    st.one_of(TEXT, st.sampled_from(["streaming", "catchup", "backup", "startup"])),
    *[st.one_of(st.none(), st.integers(0, 1 << 40))] * 3), max_size=8)


@given(REPLICAS, st.dictionaries(st.sampled_from(NODES), st.integers(-1000000, 1001)),
       st.integers(0, 1 << 30))
def test_any_connected_standbys_give_scores_to_nodes_only(replicas, current, maxlag):
    found = scores.wanted("srv1", ["srv1", "srv2", "srv22"], replicas, current, maxlag, 1 << 24)
    assert set(found) <= {"srv1", "srv2", "srv22"} | set(current)
    assert all(isinstance(score, int) and score <= 1001 for score in found.values())
    assert {**current, **found}["srv1"] == scores.PRIMARY
    assert all(score < scores.PRIMARY for node, score in found.items() if node != "srv1")


@given(TEXT, st.sampled_from(["Database cluster state: ", "wal_level setting: ", ""]))
def test_any_control_data_is_understood_or_not(text, label):
    assert controldata.parse(label + text) is None


@given(TEXT)
def test_any_history_file_is_read(text):
    assert all(switch.lsn >= 0 for switch in timelines.parse(text))


@given(TEXT)
def test_any_cib_is_a_view_or_a_clear_error(text):
    try:
        assert cib.parse(text, NO_NAMES).online == []
    except ocf.OcfError as error:
        assert "CIB" in str(error)


@given(TEXT)
def test_any_words_of_a_server_are_one_line(text):
    assert "\n" not in without_secrets(sql.last_words(text))


PASSWORDS = st.text(alphabet=string.ascii_letters + string.digits + " '\\=@/%&?", min_size=4,
                    max_size=20).filter(lambda word: len(set(word)) > 3)


@given(PASSWORDS, st.sampled_from(["host=srv1 ", "host='a b' user=x "]))
def test_no_password_of_a_conninfo_is_an_argument(password, rest):
    quoted = password.replace("\\", "\\\\").replace("'", "\\'")
    found = conninfo.connection(f"{rest}password='{quoted}' application_name=srv1")
    assert found.environment["PGPASSWORD"] == password
    assert password not in found.target and quoted not in found.target
    assert quoted not in without_secrets(f"{rest}password='{quoted}' application_name=srv1")
