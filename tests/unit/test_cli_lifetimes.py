"""Constraints whose <lifetime> is over have no effect up to Pacemaker 2.1, and are found so."""

import pytest

from paf.cli import configuration
from tests.unit import cures
from tests.unit.test_cli_check import text
from tests.unit.test_cli_check_forms import COLOCATION

__all__ = ["text"]

NOW = 1795653840    # 2026-11-26 00:44:00 UTC
OVER, LATER, NO_ZONE = "2020-01-01 00:00:00Z", "2999-01-01 00:00:00Z", "2020-01-01 00:00:00"
APART = "pgsql-master-ip is not colocated with the primary"
ORDER = '<rsc_order id="promote-then-start-ip" first="pgsqld-clone" first-action="promote" ' \
        'then="pgsql-master-ip" then-action="start" symmetrical="false" kind="Mandatory"/>'
LOOSE = "no constraint ties the address pgsql-master-ip to the primary"
RULE = '<rule id="l{0}" score="0"><date_expression id="t{0}" operation="lt" end="{1}"/></rule>'
ELSEWHERE = '<rule id="r" score="0"><expression id="e" attribute="#uname" operation="eq" ' \
            'value="srv1"/></rule>'


def living(constraint, *ends):
    """Return a constraint with a lifetime of rules, each of which holds until a date."""
    tag, name = constraint[1:].split()[0], constraint.split('"')[1]
    rules = "".join(RULE.format(f"-{name}-{number}", end) for number, end in enumerate(ends))
    return constraint.replace("/>", f"><lifetime>{rules}</lifetime></{tag}>")


@pytest.mark.parametrize("changed, ends, version, words", [
    ([COLOCATION], [OVER], "2.1.5", APART), ([COLOCATION], [LATER], "2.1.5", ""),
    ([COLOCATION], [OVER, LATER], "2.1.5", ""),    # one rule is enough
    ([COLOCATION], [NO_ZONE], "2.1.5", ""), ([COLOCATION], [OVER], "1.1.24", APART),
    ([COLOCATION], [OVER], "3.0.0", ""), ([COLOCATION], [OVER], "", ""),
    ([ORDER], [OVER], "2.1.5", "pgsql-master-ip has no order: promote, then start")])
def test_what_ties_the_address_may_have_ended(
        text, tmp_path, changed, ends, version, words):  # noqa: F811
    """Each cure is tried: pcs makes no constraint that is there, be it over."""
    text = text.replace('"2.1.5-', f'"{version}-')
    for one in changed:
        assert one in text
        text = text.replace(one, living(one, *ends))
    found = cures.found(text, "pgsqld")
    assert [item.what for _, item in found] == [words] * bool(words)
    for name, item in found:
        assert cures.faults(tmp_path, text, "pgsqld", name, item, "pcs") == []
        assert item.crm[0].startswith("crm configure delete")


def test_an_address_that_nothing_ties_any_longer(text, tmp_path):  # noqa: F811
    for one in [COLOCATION] + [line.strip() for line in text.splitlines() if "<rsc_order " in line]:
        text = text.replace(one, living(one, OVER))
    (name, item), = cures.found(text, "pgsqld")
    assert item.what == LOOSE
    assert cures.faults(tmp_path, text, "pgsqld", name, item, "pcs") == []


@pytest.mark.parametrize("version, rules, now, has_ended", [
    ("2.1.5", RULE.format(1, OVER), NOW, True), ("2.1.5", RULE.format(1, OVER), None, False),
    ("3.0.0", RULE.format(1, OVER), NOW, True),    # its schema makes the lifetime a rule
    ("", RULE.format(1, OVER), NOW, True),
    ("2.1.5", RULE.format(1, OVER) + ELSEWHERE, NOW, True),    # judged without a node
    ("3.0.0", RULE.format(1, OVER) + ELSEWHERE, NOW, False), ("2.1.5", "", NOW, False),
    ("2.1.5", '<rule id-ref="gone"/>', NOW, False)])
def test_a_ban_whose_lifetime_is_over_is_none(text, version, rules, now, has_ended):  # noqa: F811
    text = text.replace('"2.1.5-', f'"{version}-').replace(
        "<constraints>", '<constraints><rsc_location id="b" rsc="pgsqld-clone" node="srv1" '
        f'score="-INFINITY"><lifetime>{rules}</lifetime></rsc_location>')
    found = configuration.barred(configuration.parse(text, now), ("pgsqld-clone",))
    assert found == (set() if has_ended else {"srv1"})
