"""What the command paf does with a real server."""

from types import SimpleNamespace

import pytest

from paf.cli.common import ERROR, NOT_DONE, OK, Problem
from paf.cli.main import main
from paf.cli.operate import reload_verb
from tests.component.test_health import of


def test_a_reload_is_seen_to_be_done(node, monkeypatch):
    """A server reads its files a moment after it was asked to."""
    node.server.start()
    node.server.configure("max_connections = 77", "work_mem = '5MB'")
    for _ in range(3):
        reload_verb.reload(of(node))
        assert reload_verb.ask(of(node), reload_verb._PENDING) == [["max_connections"]]
    assert node.server.value("SHOW work_mem") == "5MB"
    node.server.configure("work_mem 5 MB")
    monkeypatch.setattr(reload_verb, "_PATIENCE", 2.0)
    with pytest.raises(Problem, match="its log says why"):
        reload_verb.reload(of(node))


@pytest.fixture
def reloadable(node, monkeypatch):
    """The node, its server the one that `paf reload` finds."""
    monkeypatch.setattr(reload_verb, "Pacemaker", lambda: SimpleNamespace(
        cib=lambda: "<cib/>", node="srv1"))
    monkeypatch.setattr(reload_verb.configuration, "find", lambda *_: None)
    monkeypatch.setattr(reload_verb.dialect, "instance_of", lambda _: of(node))
    return node


def test_a_setting_that_left_the_files_waits_for_a_restart(reloadable, capsys):
    """The server says it without a name, and with an error, for as long as it runs."""
    path = reloadable.server.pgdata / "postgresql.conf"
    without = path.read_text()
    reloadable.server.configure("max_prepared_transactions = 3")
    reloadable.server.start()
    path.write_text(without + "work_mem = '5MB'\n")
    for _ in range(2):
        assert main(["reload"]) == NOT_DONE
        assert capsys.readouterr() == (
            "reloaded\nwait for a restart: max_prepared_transactions\n", "")
    assert reloadable.server.value("SHOW work_mem") == "5MB"


@pytest.mark.since(10)
def test_a_value_that_no_server_takes_is_no_setting_that_waits_for_a_restart(
        reloadable, capsys):
    """PostgreSQL has the same words for both."""
    node = reloadable
    node.server.start()
    path = node.server.pgdata / "postgresql.conf"
    good, loaded = path.read_text(), reload_verb.ask(of(node), reload_verb._LOADED)
    number = good.count("\n") + 1

    def said(line):
        path.write_text(good + line + "\n")
        code = main(["reload"])
        return code, capsys.readouterr()
    for name, value in (("work_mem", "nonsense"), ("max_wal_senders", "abc"),
                        ("wal_level", "most"), ("max_wal_senders", "-1")):
        code, text = said(f"{name} = '{value}'")
        assert (code, text.out) == (ERROR, "")
        assert f"{path}, line {number}: {name}: " in text.err and "not reloaded" in text.err
        assert reload_verb.ask(of(node), reload_verb._LOADED) == loaded
    code, text = said("max_connections = 77")
    assert (code, text.err) == (NOT_DONE, "")
    assert text.out == "reloaded\nwait for a restart: max_connections\n"
    code, text = said("max_connections = 77\nwork_mem = 'nonsense'")
    assert code == ERROR and "work_mem" in text.err and "max_connections" not in text.err
    # it waits since the reload before
    code, text = said("max_connections = 'abc'")
    assert (code, text.out) == (ERROR, "") and "max_connections" in text.err
    assert (said("")[0]) == OK
