"""What is gathered for a history beside the logs."""

import json
from types import SimpleNamespace

import pytest

from paf.cli.common import NOT_DONE, Pacemaker, Problem
from paf.cli.health import looks, metrics
from paf.cli.main import main
from paf.cli.status import forecast
from paf.cli.timeline import gather
from paf.ocf import OcfError


@pytest.mark.parametrize("printed, seconds", [
    ("runtime.config.totem.consensus (u32) = 4380\nruntime.config.totem.token (u32) = 3650\n"
     "runtime.config.totem.token_retransmit (u32) = 869\n", 8.03),
    ("runtime.config.totem.token (u32) = 3650\n", None), ("", None), (None, None)])
def test_what_corosync_does_not_say_of_its_patience_is_not_zero(printed, seconds):
    def run(*_):
        if printed is None:
            raise Problem("corosync-cmapctl is not installed")
        return SimpleNamespace(out=printed)
    found = gather.silence(SimpleNamespace(run=run))
    assert found == seconds
    text = "\n".join(forecast.lines([], "srv3", [], "", found))
    assert ("lost after 8.0 s" if seconds else "silent node is not known") in text


@pytest.mark.parametrize("verb", ["history", "timeline"])
def test_a_file_that_is_no_log_of_pacemakers_is_not_a_log_without_events(verb, tmp_path, capsys):
    path = tmp_path / "notes.txt"
    path.write_text("milk, bread\n")
    words = [verb, "--log", str(path), "--resource", "pgsqld"]
    assert main(words) == NOT_DONE
    said = capsys.readouterr()
    assert said.out == "the logs have no change of pgsqld\n"
    assert f"nothing that Pacemaker wrote in {path}" in said.err
    assert main([*words, "--output", "json"]) == NOT_DONE
    assert "nothing that Pacemaker wrote" in json.loads(capsys.readouterr().out)["missing"][0]


def test_a_node_whose_name_is_not_known_says_what_to_do(monkeypatch):
    pacemaker = Pacemaker()

    def fail(_):
        raise OcfError("crm_node failed: Connection refused")
    monkeypatch.setattr(pacemaker._cluster, "node", fail)
    with pytest.raises(Problem, match="systemctl status pacemaker|only root"):
        pacemaker.node()


def test_metrics_say_why_there_are_none(monkeypatch, capsys):
    monkeypatch.setattr(metrics.looks, "look", lambda *_, **__: looks.nothing("no answer"))
    assert main(["metrics"]) == NOT_DONE
    said = capsys.readouterr()
    assert "paf_look_success 0" in said.out and said.err == "paf: no answer\n"


def test_a_load_balancer_gets_nothing_of_what_a_program_printed():
    def fail():
        raise Problem("crm_node failed: a secret")
    with pytest.raises(Problem, match="^the name of this node is not known$"):
        looks._node(SimpleNamespace(node=fail), [])
