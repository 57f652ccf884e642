"""The benchmark beside Patroni: its configuration, its address, outages without phases."""

import argparse
import re
import subprocess

import pytest

from trials.bench import modes, page, patroni, scenes, several, targets
from lab.settings import VIP, Settings
from lab.tools import LabError


@pytest.mark.parametrize("timing", [patroni.DEFAULTS, patroni.LEAST])
def test_patroni_has_the_labs_servers_and_times_that_its_documentation_allows(timing):
    found = patroni.patroni(Settings(postgres={"max_connections": "100"}), "srv2", timing)
    dcs, own = found["bootstrap"]["dcs"], found["postgresql"]
    assert dcs["loop_wait"] + 2 * dcs["retry_timeout"] <= dcs["ttl"]
    parameters = dcs["postgresql"]["parameters"]
    assert parameters["max_connections"] == "100" and parameters["wal_sender_timeout"] == "3s"
    assert not {"port", "primary_conninfo", "recovery_target_timeline"} & set(parameters)
    assert own["connect_address"] == "10.77.0.2:5432"
    assert found["etcd3"]["hosts"] == ["10.77.0.1:2379", "10.77.0.2:2379", "10.77.0.3:2379"]
    assert set(own["callbacks"].values()) == {patroni.CALLBACK}


def test_each_member_of_etcd_knows_the_others():
    found = patroni.etcd(Settings(), "srv3")
    assert found["listen-peer-urls"] == "http://10.77.0.3:2380"
    assert found["initial-cluster"] == ("srv1=http://10.77.0.1:2380,srv2=http://10.77.0.2:2380,"
                                        "srv3=http://10.77.0.3:2380")


@pytest.mark.parametrize("action, role, commands", [
    ("on_role_change", "master", ["ip address replace", "send_arp"]),
    ("on_role_change", "primary", ["ip address replace", "send_arp"]),
    ("on_start", "master", ["ip address replace", "send_arp"]),
    ("on_start", "replica", ["ip address delete"]),
    ("on_role_change", "replica", ["ip address delete"]),
    ("on_stop", "master", ["ip address delete"])])
def test_the_address_is_where_the_primary_is(tmp_path, action, role, commands):
    for name in ("ip", "send_arp"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/asked\n')
        (tmp_path / name).chmod(0o755)
    subprocess.run(["sh", "-c", patroni.MOVE_ADDRESS, "sh", action, role, "lab"], check=True,
                   env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    asked = (tmp_path / "asked").read_text().splitlines()
    assert len(asked) == len(commands) and all(VIP in line for line in asked)
    assert all(line.startswith(command) for line, command in zip(asked, commands))


class Servers:
    """A lab whose primary, standbys and address are as given."""

    def __init__(self, primary="srv1", streaming=("srv2", "srv3"), holders=("srv1",)):
        self.settings = Settings(resource=False)
        self.nodes = dict.fromkeys(self.settings.names, argparse.Namespace(is_on=True))
        self.primary_now = lambda: primary
        self._streaming, self._holders = streaming, holders

    def streaming_now(self, _):
        """Return the standbys."""
        if self._streaming is None:
            raise LabError("the server does not answer")
        return set(self._streaming)

    def holders(self):
        """Return who has the address."""
        return list(self._holders)


@pytest.mark.parametrize("seen, expected, words", [
    ({}, {}, ""),
    ({}, {"not_primary": "srv2"}, ""),
    ({}, {"not_primary": "srv1"}, "still the old one"),
    ({"primary": None}, {}, "there is no primary"),
    ({"streaming": ["srv3"]}, {}, "srv2 does not stream from srv1"),
    ({"streaming": ["srv3"]}, {"standbys": ["srv3"]}, ""),
    ({"streaming": None}, {}, "does not answer"),
    ({"holders": []}, {}, "the address is on"),
    ({"holders": ["srv1", "srv2"]}, {}, "the address is on")])
def test_a_cluster_of_patroni_is_settled_with_a_primary_its_address_and_all_standbys(
        seen, expected, words):
    missing = patroni.Settled(Servers(**seen), **expected).missing()
    assert words in " ".join(missing) and bool(missing) == bool(words)


@pytest.mark.parametrize("scene", ["crash of the primary", "power cut of the primary",
                                   "partition of the primary"])
def test_without_pacemaker_an_outage_is_its_total(monkeypatch, scene):
    seen = scenes.Seen.__new__(scenes.Seen)
    seen.fault, seen.gaps = 100.0, [(100.5, 101.0), (102.0, 104.5)]
    monkeypatch.setattr(scenes, "_watched", lambda *_, **__: seen)
    node = argparse.Namespace(fence_policy=lambda _: None)
    lab = argparse.Namespace(settings=Settings(services="etcd &"), nodes={"srv1": node},
                             primary=lambda: "srv1")
    assert scenes.SCENES[scene](lab) == ({"total": 4.5}, {})


def options(**more):
    """Return the command line's options."""
    return argparse.Namespace(**{"sync": False, "load": False, "peer": "perl", **more})


@pytest.mark.parametrize("asked, name, load", [
    ({"peer": "patroni"}, "patroni", False),
    ({"peer": "patroni", "load": True}, "load-patroni", True)])
def test_patroni_is_compared_in_outages_alone_as_it_comes_and_tuned(asked, name, load):
    mode = modes.of(options(**asked))
    assert (mode.name, mode.outages, mode.load) == (name, True, load)
    assert mode.agents == ("ours", "failover" if load else "patroni", "tuned")
    assert mode.checkpoint == load
    assert modes.of(options(load=True)).agents == ("ours", "perl", "pgsql")


@pytest.mark.parametrize("load, name, agents", [
    (False, "all", ("ours", "perl", "pgsql", "patroni", "tuned")),
    (True, "load-all", ("ours", "failover", "perl", "pgsql", "tuned"))])
def test_all_others_are_measured_in_one_run(tmp_path, monkeypatch, load, name, agents):
    mode = modes.of(options(peer="all", load=load))
    assert (mode.name, mode.agents) == (name, agents)
    assert (mode.outages, mode.load, mode.checkpoint) == (True, load, load)
    monkeypatch.setattr(page, "DOCS", tmp_path)
    (tmp_path / "pictures").mkdir()
    found = results(name, **{**dict.fromkeys(agents, 20.0), "ours": 1.0})
    assert targets.missed(found) == []
    assert [one.what for one in targets.missed({**found, "results": {
        **found["results"], "tuned": results(name, tuned=1.5)["results"]["tuned"]}})] == [
            "power cut of the primary, beside tuned"]
    text = several.write(found).read_text()
    assert "commit abc1234" in text and "load average was 0.2 before" in text
    assert "Patroni 3.0.2, tuned" in text and "pgsql agent" in text


def results(mode, **seconds):
    """Return results of a mode: outages have phases, those of Patroni a total."""
    def phases(agent, value):
        return {"total": value} if agent in ("patroni", "tuned") else {
            "until seen": value / 4, "recovery": value * 3 / 4}
    return {"peer": "patroni", "mode": mode, "runs": 1, "date": "2026-01-01", "load": 0.1,
            "load before": 0.2, "agent": "abc1234",
            "results": {agent: {
                "outages": {"switchover": [{"without writes": value}],
                            **{scene: [phases(agent, value)] for scene in (targets.CRASH,
                                                                           targets.POWER)}},
                "actions": {}, "load": [], "costs": {}, "many": {}, "failed": []}
                for agent, value in seconds.items()}}


@pytest.mark.parametrize("mode", ["patroni", "load-patroni"])
def test_the_page_has_totals_beside_phases(tmp_path, monkeypatch, mode):
    monkeypatch.setattr(page, "DOCS", tmp_path)
    (tmp_path / "pictures").mkdir()
    text = several.write(results(mode, ours=1.0, patroni=8.0, tuned=4.0)).read_text()
    assert "| power cut of the primary | recovery | 0.75 s (1 run) | - | - | - | - |" in text
    assert ("| power cut of the primary | total | 1.00 s (1 run) | 8.00 s (1 run) | 4.00 s (1 run) "
            "| 0.12 | 0.25 |") in text
    picture = (tmp_path / "pictures" / f"performance-{mode}.svg").read_text()
    assert re.findall(r"<title>total: (\S+) s", picture) == ["8.00", "4.00"] * 2
    assert "loop_wait" in text


@pytest.mark.parametrize("ours, missed", [
    (1.9, []), (2.1, ["power cut of the primary, beside tuned"])])
def test_a_power_cut_lasts_at_most_half_as_long_as_with_patroni_tuned(ours, missed):
    found = targets.missed(results("patroni", ours=ours, patroni=1.0, tuned=4.0))
    assert [target.what for target in found] == missed
