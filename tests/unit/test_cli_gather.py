"""What is gathered for a history beside the logs."""

import json
from types import SimpleNamespace

import pytest

from paf.cli.common import ERROR, NOT_DONE, OK, Pacemaker, Problem
from paf.cli.health import looks, metrics
from paf.cli.main import main
from paf.cli.status import forecast, votequorum
from paf.cli.timeline import gather, logs
from paf.ocf import OcfError
from paf.runner import Result


@pytest.mark.parametrize("printed, seconds", [
    ("runtime.config.totem.consensus (u32) = 4380\nruntime.config.totem.token (u32) = 3650\n"
     "runtime.config.totem.token_retransmit (u32) = 869\n", 8.03),
    ("runtime.config.totem.token (u32) = 3650\n", None), ("", None), (None, None)])
def test_what_corosync_does_not_say_of_its_patience_is_not_zero(printed, seconds):
    def run(*_):
        if printed is None:
            raise Problem("corosync-cmapctl is not installed")
        return Result(0, printed, "", False)
    found = gather.silence(SimpleNamespace(run=run))
    assert found == seconds
    text = "\n".join(forecast.lines([], "srv3", [], "", found))
    assert ("lost after 8.0 s" if seconds else "silent node is not known") in text


DEVICE = "quorum.device.model (str) = net\nquorum.device.net.host (str) = srv4\n"
NO_DEVICE = votequorum.Votes(3, 3, 2, {}, {"Quorate"}, "")
WITH_DEVICE = NO_DEVICE._replace(flags={"Quorate", "Qdevice"})


@pytest.mark.parametrize("votes, printed, seconds, words", [
    (NO_DEVICE, None, 0.0, "consensus); fencing"),
    (WITH_DEVICE, DEVICE, 30.0,
     "consensus), up to 30.0 s later while the quorum device does not vote; fencing"),
    (WITH_DEVICE, DEVICE + "quorum.device.sync_timeout (u32) = 12500\n", 12.5, "up to 12.5 s"),
    (WITH_DEVICE, "", None, "consensus); how much later where the quorum device does not vote is "
                            "not known; fencing"),
    (WITH_DEVICE, None, None, "is not known; fencing"),
    (NO_DEVICE._replace(unknown="no answer", flags=set()), DEVICE, None, "is not known; fencing")])
def test_corosync_waits_for_the_vote_of_a_quorum_device_too(votes, printed, seconds, words):
    """The nodes that are left agree on their membership, and tell Pacemaker, only then."""
    def run(*words):
        assert words == ("corosync-cmapctl", "quorum.device.")
        if printed is None:
            raise Problem("corosync-cmapctl is not installed")
        return Result(0, printed, "", False)
    found = votequorum.device_wait(SimpleNamespace(run=run), votes)
    assert found == seconds
    assert words in "\n".join(forecast.lines([], "srv3", [], "", 6.6, found))


@pytest.mark.parametrize("status, timed_out", [(-9, True), (-15, False), (1, False)])
def test_what_was_not_read_to_its_end_is_not_known(status, timed_out):
    """A number that is cut off is another number; a setting behind the cut is not the default."""
    def run(*words):
        return Result(status, {
            "runtime.config.totem.": "runtime.config.totem.consensus (u32) = 4380\n"
                                     "runtime.config.totem.token (u32) = 36",
            "quorum.device.": DEVICE, "-s": "Expected votes: 3\nTotal votes: 3\nQuorum: 2\n"
                                            "Flags: Quorate Qdevice\n"}[words[1]], "", timed_out)
    pacemaker = SimpleNamespace(run=run)
    assert gather.silence(pacemaker) is None
    assert votequorum.device_wait(pacemaker, WITH_DEVICE) is None
    # of that program the status says whether there is quorum
    assert bool(votequorum.of(pacemaker).unknown) == (status < 0)


@pytest.mark.parametrize("verb", ["history", "timeline"])
def test_logs_where_no_cluster_runs_need_names_and_it_is_said_at_once(
        verb, tmp_path, monkeypatch, capsys):
    """It was asked again for nine seconds, and the answer was of Pacemaker alone."""
    asked = tmp_path / "asked"
    program = tmp_path / "cibadmin"
    program.write_text(f"#!/bin/sh\n[ $1 = --version ] && exit\necho x >> {asked}\n"
                       "echo 'Connection refused' >&2; exit 102\n")
    program.chmod(0o755)
    monkeypatch.setenv("HA_SBIN_DIR", str(tmp_path))
    assert main([verb, "--log", str(tmp_path)]) == ERROR
    shown = capsys.readouterr().err
    assert "name them with --resource and --vip" in shown and "Connection refused" in shown
    assert asked.read_text() == "x\n"


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


GAP = "srv2 ran no Pacemaker from "


@pytest.mark.parametrize("named, code", [
    (["srv1"], OK), (["srv2"], NOT_DONE), (["srv3"], OK), (["srv2", "srv3"], OK)])
@pytest.mark.parametrize("verb", ["history", "timeline"])
def test_what_no_log_that_is_named_can_know_is_said(data, capsys, verb, named, code):
    """srv2 was fenced, and off for 16 s: its own log has nothing of the failover."""
    words = [verb, "--resource", "pgsqld", "--vip", "pgsqld-ip"]
    for name in named:
        words += ["--log", str(data / "cli" / "history" / name)]
    assert main(words) == code
    said = capsys.readouterr().err
    assert said.startswith(f"paf: {GAP}") == (code == NOT_DONE)
    assert ("is named: give it with --log" in said) == bool(said)


@pytest.mark.parametrize("others, is_said", [
    ([50.0], True), ([50.0, 150.0], False), ([90.0, 300.0], False), ([99.0], True),
    ([201.0], True)])
def test_whose_log_reaches_into_a_gap_knows_it(others, is_said):
    """Or was off as well, as where the whole cluster was stopped."""
    facts = [logs.LogFact("began", 200.0, "srv2", {"after": "100.0"})] + [
        logs.LogFact("name", moment, "srv1", {}) for moment in others]
    assert [item.startswith(GAP) for item in gather.uncovered(facts)] == [True] * is_said


def test_a_node_does_not_know_its_own_gap_by_another_spelling_of_its_name():
    """rsyslog cuts the name at the first dot, and Pacemaker's own log has it whole."""
    facts = [logs.LogFact("began", 200.0, "srv2", {"after": "100.0"})] + [
        logs.LogFact("name", moment, "srv2.example.com", {}) for moment in (50.0, 150.0, 300.0)]
    assert [item.startswith(GAP) for item in gather.uncovered(facts)] == [True]


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
