"""What a primary publishes of its synchronous standbys: when it is widened, and when narrowed."""

import types

import pytest

from paf import synchronous
from paf.cluster import cib, notes
from paf.decide import quorum

WIDE, NARROW = "ANY 1 (srv1, srv3)", "ANY 1 (srv3)"


class Store:
    """The part of a Cluster that `keep` uses: notes in a folder, rules in a dict."""

    def __init__(self, folder):
        variables = {"HA_RSCTMP": str(folder), "OCF_RESOURCE_INSTANCE": "pgsqld"}
        self.notes = notes.Notes(types.SimpleNamespace(variables=variables, resource="pgsqld"))
        self.rules, self.copies = {}, {}

    def publish_copy(self, node, text, deadline):
        """Set or remove a copy."""
        del deadline
        self.copies.pop(node, None)
        if text:
            self.copies[node] = text

    def publish_rule(self, node, entry, deadline):
        """Set or remove a rule, as it travels."""
        del deadline
        text = quorum.to_wire(entry) if entry else ""
        self.rules.pop(node, None)
        if text:
            self.rules[node] = text


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def primary(store):
    """Return a function: one monitor of the primary srv1; it returns the rules from then on."""
    def monitor(setting, end, flushed, **rules):
        store.rules.update(rules)
        view = cib.Scan(["srv1", "srv2", "srv3"], {"srv1": 1001, "srv2": 990, "srv3": 1000}, {},
                        {}, [], [], set(), dict(store.rules), {}, set(), set(), {},
                        dict(store.copies), set())
        log = types.SimpleNamespace(warning=lambda text: None)
        synchronous.keep(types.SimpleNamespace(node="srv1", cluster=store, log=log), view, setting,
                         end, flushed, None)
        return dict(store.rules)
    return monitor


def test_a_narrower_rule_is_published_by_the_third_monitor(primary):
    primary(NARROW, 100, {"srv3": 100}, srv1="1 1 srv1 srv3")
    assert primary(NARROW, 200, {"srv3": 100}) == {"srv1": "1 1 srv1 srv3"}
    assert primary(NARROW, 300, {"srv3": 199}) == {"srv1": "1 1 srv1 srv3"}
    assert primary(NARROW, 400, {"srv3": 200}) == {"srv1": "1 1 srv3"}


def test_what_an_earlier_reign_saw_does_not_narrow_the_rule_of_this_one(primary):
    """In between srv2 was the primary: srv3 may lack commits that only srv1 acknowledged."""
    primary(NARROW, 100, {"srv3": 100}, srv1="1 1 srv1 srv3")
    primary(NARROW, 200, {"srv3": 200})
    # promoted again, it publishes what the primary before it did, under a higher epoch
    found = primary(NARROW, 900, {"srv3": 250}, srv1="3 1 srv1 srv3")
    assert found == {"srv1": "3 1 srv1 srv3"}
    primary(NARROW, 1000, {"srv3": 250})
    assert primary(NARROW, 1000, {"srv3": 250}) == {"srv1": "3 1 srv1 srv3"}
    assert primary(NARROW, 1000, {"srv3": 1000}) == {"srv1": "3 1 srv3"}


@pytest.mark.parametrize("between", ["ANY 1 (srv2, srv3)", WIDE, "ANY 1 (srv3"])
def test_a_setting_that_comes_back_is_narrowed_from_the_beginning(primary, between):
    """In between another standby acknowledged commits, which are written after the LSN noted."""
    primary(NARROW, 100, {"srv3": 100}, srv1="1 1 srv1 srv3")
    primary(NARROW, 200, {"srv3": 200})
    wide = primary(between, 300, {"srv2": 300, "srv3": 200})
    assert primary(NARROW, 400, {"srv3": 200}) == wide
    assert primary(NARROW, 500, {"srv3": 200}) == wide
    assert primary(NARROW, 600, {"srv3": 499}) == wide
    assert primary(NARROW, 600, {"srv3": 500}) == {"srv1": "1 1 srv3"}


def test_with_any_standby_those_that_were_seen_are_named_at_once(primary):
    """Also what is no node; a node stays, what is none only as long as it streams."""
    assert primary("*", 100, {"srv2": 90}, srv1="1 1 *") == {"srv1": "1 1 * srv2"}
    assert primary("*", 100, {"srv2": 90, "Backup": 80, "basebackup": None}) == {
        "srv1": "1 1 * backup srv2"}
    assert primary("*", 100, {"backup": 100}) == {"srv1": "1 1 * backup srv2"}
    for _ in range(3):
        assert primary("*", 100, {"srv3": 100}) == {"srv1": "1 1 * backup srv2 srv3"}
    assert primary("*", 100, {"srv3": 100}) == {"srv1": "1 1 * srv2 srv3"}


def test_a_setting_that_cannot_be_understood_may_ask_for_any_standby(primary):
    """As of a PostgreSQL that is newer than this agent."""
    assert primary("MOST 1 (srv2)", 100, {"srv3": 100}, srv1="1 2 srv1 srv3") == {
        "srv1": "1 1 * srv1 srv3"}


@pytest.mark.parametrize("setting", ["", " ", NARROW])
@pytest.mark.parametrize("node", ["srv1", "srv2"])
@pytest.mark.parametrize("text", ["", "gibberish", "5 1", "x 1 srv2"])
def test_a_rule_that_cannot_be_understood_fails_no_monitor(primary, setting, node, text):
    primary(setting, 100, {"srv3": 100}, **{node: text})


def test_a_rule_that_cannot_be_understood_is_removed_once_no_commit_may_need_it(primary):
    both = {"srv1": "1 1 *", "srv2": "gibberish"}    # it may have asked for any standby
    assert primary("", 100, {"srv3": 100}, srv2="gibberish") == both
    primary("", 100, {"srv3": 100})
    primary("", 200, {"srv3": 100})
    assert primary("", 300, {"srv3": 199}) == both
    assert primary("", 300, {"srv3": 200}) == {}


def test_the_rule_of_a_former_primary_is_removed_once_its_node_follows(primary):
    """Until then it shows that the newest timeline there may be one of its own."""
    both = {"srv1": "2 1 srv1 srv3", "srv2": "1 1 srv1 srv3"}
    left = dict(both, srv2="0 1 srv1 srv3")    # no longer one that could be the last primary's
    assert primary(WIDE, 100, {"srv3": 100}, **both) == left
    assert primary(WIDE, 100, {"srv3": 100, "srv2": None}) == left    # nothing says what it has
    assert primary(WIDE, 100, {"srv3": 100, "srv2": 70}) == {"srv1": "2 1 srv1 srv3"}


def test_a_former_primary_that_is_promoted_publishes_under_an_epoch_of_its_own(primary):
    assert primary(WIDE, 100, {"srv3": 100}, srv1="0 1 srv1 srv3") == {"srv1": "1 1 srv1 srv3"}


def test_no_rule_is_left_where_commits_wait_for_no_standby_any_longer(primary):
    """Else that of the former primary would be the last one's, in the next election."""
    primary("", 100, {"srv3": 100}, srv1="2 1 srv1 srv3", srv2="1 1 srv1 srv3")
    primary("", 100, {"srv3": 100})
    assert primary("", 100, {"srv3": 100}) == {}


def test_a_setting_in_another_character_set_is_kept_like_any_other(primary):
    setting = 'ANY 1 ("n\udce9")'    # as psql's output is read: what is no UTF-8 survives
    primary(setting, 100, {"srv3": 100}, srv1="1 1 n%E9 srv3")
    primary(setting, 200, {"n\udce9": 200})
    assert primary(setting, 200, {"n\udce9": 200}) == {"srv1": "1 1 n%E9"}


def test_a_note_is_read_whole_however_long_it_is(store):
    """A part of the rule that a candidate noted is a narrower one."""
    rule = quorum.Rule(1, tuple(sorted(f"standby-{number:04d}" for number in range(1000))))
    store.notes.write(notes.RULE, quorum.to_wire(quorum.Entry(7, rule)))
    assert quorum.from_wire(store.notes.read(notes.RULE)).value == quorum.Entry(7, rule)


def test_other_nodes_keep_a_copy_of_the_rule(primary, store):
    """Removing the primary's node from the cluster removes the rule that it published."""
    primary(NARROW, 100, {"srv3": 100})
    assert store.copies == dict.fromkeys(("srv2", "srv3"), "srv1 1 1 srv3")
    store.copies = {"srv1": "srv2 1 1 srv1", "srv2": "srv1 1 1 srv9"}    # of earlier primaries
    primary(NARROW, 100, {"srv3": 100})
    assert store.copies == dict.fromkeys(("srv2", "srv3"), "srv1 1 1 srv3")


def test_a_copy_goes_before_the_rule_does(primary, store, monkeypatch):
    """One that is left would ask for standbys of which no primary says anything."""
    primary(NARROW, 100, {"srv3": 100})
    left = []
    monkeypatch.setattr(store, "publish_rule", lambda *words: left.append(dict(store.copies)))
    for end in (100, 200, 300):
        primary("", end, {"srv3": 300})
    assert left == [{}]
