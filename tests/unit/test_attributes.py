"""What is stored in attributes of nodes: plain text, which every Pacemaker's tools can show."""

import unicodedata
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paf.cluster import attributetext, corosync1, corosync2
from paf.crash import failure_report
from paf.deadline import Deadline
from paf.runner import Result
from tests.unit.support import environment

REASON = 'crashed primary with backends left: "in production", 1 < 2 & so\non'
STORED = ("PAF-E301 crashed primary with backends left: 'in production', 1 less than 2 "
          "and so on")


def recorded(kind):
    """Return a cluster of that kind, and the list of what its programs are called with."""
    cluster, calls = kind(environment(CRM_meta_on_node="srv1")), []
    cluster.run = lambda argv, deadline: calls.append(argv) or Result(0, "", "", False)
    return cluster, calls


@pytest.mark.parametrize("kind", [corosync1.Corosync1, corosync2.Corosync2])
def test_reasons_are_stored_as_plain_text(kind):
    cluster, calls = recorded(kind)
    cluster.explain("srv2", REASON, Deadline(1))
    cluster.show_failure(REASON, Deadline(1))
    assert [argv[argv.index("--update") + 1] for argv in calls] == [STORED, STORED]


def test_a_reason_that_ends_is_removed():
    cluster, calls = recorded(corosync2.Corosync2)
    cluster.explain("srv2", "", Deadline(1))
    assert "--delete" in calls[0] and "--update" not in calls[0]


@given(st.text(st.characters(blacklist_categories=(), blacklist_characters="\ufffe\uffff")))
def test_any_text_is_stored_so_that_unescaped_xml_stays_xml(text):
    stored = attributetext.plain(text)
    assert stored.isascii()    # else Pacemaker's programs refuse it since 2.1
    assert ElementTree.fromstring(f'<attribute value="{stored}" />').get("value") == stored
    assert attributetext.plain(stored) == stored


@pytest.mark.parametrize("text, stored", [
    ("FATAL: Peer-Authentifizierung f\u00fcr Benutzer \u00bbpostgres\u00ab fehlgeschlagen",
     "FATAL: Peer-Authentifizierung fur Benutzer 'postgres' fehlgeschlagen"),
    ("a \u00e9t\u00e9 arr\u00eat\u00e9", "a ete arrete"), ("\u63a5\u7d9a", "??"),
    ("stra\u00dfe \u0159", "strase r"), ("/srv/\udcff", "/srv/?")])
def test_what_a_server_says_in_its_own_language_is_stored_all_the_same(text, stored):
    assert attributetext.plain(text) == stored


def test_a_letter_with_an_accent_is_stored_as_that_letter():
    for number in range(0xc0, 0x180):
        letter = unicodedata.normalize("NFD", chr(number))[0]
        assert attributetext.plain(chr(number)) == letter or not letter.isascii()


@pytest.mark.parametrize("feature_set, name", [
    ((3, 0, 9), "fail-count-pgsqld"), ((3, 0, 11), "fail-count-pgsqld"),      # 1.1.12, 1.1.16
    ((3, 0, 13), "fail-count-pgsqld#asyncmon_0"), ((3, 0, 14), "fail-count-pgsqld#asyncmon_0"),
    ((3, 20, 5), "fail-count-pgsqld#asyncmon_0"), ((), "fail-count-pgsqld#asyncmon_0")])
def test_a_failure_is_counted_under_the_name_that_the_dc_uses(feature_set, name):
    assert failure_report.attribute("pgsqld", feature_set) == name
