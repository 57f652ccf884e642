"""paf check: what pg_rewind would lack where an old primary has diverged."""

from types import SimpleNamespace

import pytest

from paf import ocf
from paf.cli import finding
from paf.cli.check import primary as check_primary
from paf.decide.knowledge import Known
from paf.instance import rewindrole
from tests.unit.test_cli_check import found


@pytest.mark.parametrize(
    "rejoin, level", [("safe", finding.WARNING), ("rewind", finding.ERROR), ("manual", None)]
)
@pytest.mark.parametrize(
    "changes, command",
    [
        (
            {
                "upstream": {"system_identifier": "1", "rewind": rewindrole.MAY_NOT},
                "mine": {"major": 15},
            },
            "pg_read_binary_file(text),",
        ),
        (
            {
                "upstream": {"system_identifier": "1", "rewind": rewindrole.MAY_NOT},
                "mine": {"major": 10},
            },
            None,
        ),
        (
            {
                "upstream": {"system_identifier": "1", "rewind": rewindrole.MAY_NOT},
                "mine": {"major": 906},
            },
            None,
        ),
        ({"upstream": {"system_identifier": "1", "rewind": "no pg_hba.conf entry"}}, None),
        ({"settings": {"wal_log_hints": "off"}}, "wal_log_hints = "),
    ],
)
def test_what_a_rewind_would_need_is_missing(rejoin, level, changes, command):
    items = found(rejoin=rejoin, **changes)
    assert [item.level for item in items] == [level] * (level is not None)
    assert all(f"rejoin={rejoin}, but" in item.what for item in items)
    assert all((command in item.pcs[0]) if command else item.pcs == [] for item in items)


@pytest.mark.parametrize(
    "error, known",
    [
        (ocf.NotUsable("no pg_hba.conf entry"), "no pg_hba.conf entry"),
        (ocf.OcfError("timeout"), None),
        (None, None),
    ],
)
def test_a_primary_that_does_not_answer_may_let_pg_rewind_in(monkeypatch, error, known):
    def ask(*_):
        if error:
            raise error

    monkeypatch.setattr(rewindrole, "check", ask)
    monkeypatch.setattr(
        check_primary.upstream, "ask", lambda *_: Known(SimpleNamespace(system_identifier="1"))
    )
    monkeypatch.setattr(check_primary, "remote", lambda *_: [["150018"]])
    assert check_primary.primary(None, "", None).get("rewind") == known


@pytest.mark.parametrize("rejoin, level", [("safe", [finding.WARNING]), ("manual", [])])
def test_what_the_primary_did_not_answer_is_not_known(rejoin, level):
    upstream = {"system_identifier": "1", "rewind_unknown": "too many clients"}
    items = found(rejoin=rejoin, upstream=upstream)
    assert [item.level for item in items] == level
    assert all("is not known: too many clients" in item.what for item in items)


@pytest.mark.parametrize("rejoin, level", [("safe", []), ("rewind", [finding.ERROR])])
def test_a_server_without_pg_rewind_gets_no_cure_for_it(rejoin, level):
    items = found(rejoin=rejoin, settings={"wal_log_hints": "off", "server_version_num": "90400"},
                  upstream={"system_identifier": "1", "rewind": rewindrole.MAY_NOT},
                  mine={"major": 904})
    assert [item.level for item in items] == level
    assert all(item.pcs == item.crm == [] for item in items)
