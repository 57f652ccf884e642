"""make tokens: what counts as a node lost for nothing, and what the table says."""

from trials.tokens import __main__ as tokens

#: As corosync 3.1.7 logs the loss of a node, and its return; without the date and the level.
LOG = """\
12:00:00.100 [12] srv1 corosync [TOTEM ] A new membership (1.9) was formed. Members joined: 2 3
12:00:00.101 [12] srv1 corosync [QUORUM] Members[3]: 1 2 3
12:01:00.100 [12] srv1 corosync [TOTEM ] A processor failed, forming new configuration.
12:01:02.100 [12] srv1 corosync [TOTEM ] A new membership (1.d) was formed. Members left: 3
12:01:02.101 [12] srv1 corosync [QUORUM] Members[2]: 1 2
"""
BACK = """\
12:02:00.100 [12] srv1 corosync [TOTEM ] A new membership (1.11) was formed. Members joined: 3
12:02:00.101 [12] srv1 corosync [QUORUM] Members[3]: 1 2 3
"""


def test_two_of_three_that_go_on_are_a_loss():
    assert tokens.left_behind(LOG) == {"1.d"}
    assert tokens.left_behind(LOG + BACK) == {"1.d"}


def test_a_start_with_two_is_none():
    assert tokens.left_behind(BACK.replace("Members[3]: 1 2 3", "Members[2]: 1 2")) == set()


def test_the_one_that_is_alone_fences_none():
    alone = LOG.replace("Members left: 3", "Members left: 2 3").replace(
        "Members[2]: 1 2", "Members[1]: 1")
    assert tokens.left_behind(alone) == set()


def test_both_that_go_on_name_the_same_membership():
    assert len(tokens.left_behind(LOG) | tokens.left_behind(LOG.replace("srv1", "srv2"))) == 1


def test_members_are_those_named_last():
    assert [tokens.members(text) for text in ("", LOG, LOG + BACK)] == [0, 2, 3]


def test_the_table_has_losses_an_hour_and_the_share_of_the_time():
    seen = {str(token): [0, 0] for token in tokens.TOKENS}
    text = tokens.table({"minutes": 5, "date": "2026-11-28",
                         "losses": {"5 % lost": {**seen, "500": [2, 13]}}})
    assert "| 5 % lost | 24 (13 %) | 0 | 0 | 0 | 0 |\n" in text
    assert "Measured on 2026-11-28, 5 minutes for each, times an hour." in text
