"""Trials on machines without a machine: the page that they run, their results, and their age."""

import datetime
import types

import pytest

from lab.machines import guest_questions, layout
from lab.tools import LabError, Result as Ended, run
from tests import quickstart
from tests.conftest import REPOSITORY
from trials.faults import report as namespaces
from trials.machines import __main__ as command, page, report, store
from trials.result import Played

#: Results may be so much older than the agent's code.
DAYS = 30


def played():
    """Return all that the guests run, as (node, command)."""
    return [(node, line) for block in page.blocks() for node in page.nodes(block)
            for line in page.here(block)]


def test_every_block_of_the_quick_start_is_run_somewhere():
    found = page.blocks()
    assert len(found) > 20 and all(page.nodes(block) for block in found)
    assert any(block.skipped for block in found)    # in namespaces, and run here
    assert {node for node, _ in played()} == {"srv1", "srv2", "srv3"}


def test_only_the_fence_agent_and_the_third_node_differ_from_the_page():
    text = page.PAGE.read_text(encoding="utf-8")
    changed = [line for block in page.blocks() if not block.text
               for line in page.here(block) if line not in text]
    changed.remove(page.BUSY)
    assert all("fence_paf_qmp" in line or "srv3" in line for line in changed), changed
    assert not any("fence_ipmilan" in line for line in changed)
    assert sum("fence_paf_qmp" in line for line in changed) == 3


def test_a_block_of_text_goes_to_the_hosts_file():
    block = quickstart.Block(("srv1", "srv2"), True, False,
                             ("192.168.1.1 srv1", "192.168.1.2 srv2"), text=True)
    assert page.here(block) == ["cat >> /etc/hosts <<END\n192.168.1.1 srv1\n192.168.1.2 srv2\n"
                                "192.168.1.3 srv3\nEND\n"]


ROWS = [{"node": "srv1", "membership": "online", "state": "running", "score": 1001},
        {"node": "srv2", "membership": "online", "state": "streaming", "score": 1000},
        {"node": "srv3", "membership": "online", "state": "streaming", "score": 990}]
WHOLE = {"nodes": ROWS, "primary": "srv1", "vips": [{"node": "srv1"}]}


@pytest.mark.parametrize("change, words", [
    ({}, ""),
    ({"nodes": ROWS[:2]}, "2 nodes"),
    ({"nodes": [*ROWS[:2], {**ROWS[2], "membership": "offline"}]}, "srv3 is offline"),
    ({"nodes": [*ROWS[:2], {**ROWS[2], "state": "not streaming"}]}, "not streaming"),
    ({"nodes": [*ROWS[:2], {**ROWS[2], "score": None}]}, "score of srv3 is None"),
    ({"vips": [{"node": "srv2"}]}, "the primary is"), ({"vips": []}, "the primary is"),
    ({"primary": None}, "the primary is")])
def test_what_is_missing_for_a_whole_cluster_is_said(change, words):
    found = guest_questions.missing({**WHOLE, **change})
    assert words in found and bool(words) == bool(found)


def test_only_fencings_that_succeeded_count():
    event = '<fence_event action="reboot" target="{0}" status="{1}" completed="{2}"/>'
    text = "<x>" + event.format("srv1", "success", "12:00") + event.format(
        "srv2", "failed", "12:01") + "</x>"
    assert guest_questions.history(text) == ["srv1"]


def test_faults_are_chosen_by_their_names():
    assert [fault.name for fault in command.chosen("panic,pause")] == ["panic", "pause"]
    assert {"quickstart", "switchover", "panic"} <= {row.name for row in command.chosen("smoke")}
    with pytest.raises(Exception, match="no fault nothing"):
        command.chosen("nothing")
    assert len({row.name for row in command.ROWS}) == len(command.ROWS)


def test_the_page_has_a_row_for_each_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "PAGE", tmp_path / "README.md")
    report.PAGE.write_text(
        f"before\n{report.BEGIN}| what was\n{report.END}after\n", encoding="utf-8")
    report.write(command.ROWS, {"panic": Played("panic", ["two | lost"], 1200, 2, 1, agent="abc",
                                                date="2026-01-02")})
    text = report.PAGE.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("after\n") and "| what was" not in text
    assert "FAILS: two \\| lost | 1200 ms | 2 | 1 | 2026-01-02, abc |" in text
    guests, containers = text.partition("Not played on guests: ")[2], text.partition(
        "Not played on containers: ")[2].partition("\n")[0]
    assert "pause" in guests and "panic" not in guests and "oom-agent" not in guests
    assert "oom-agent" in containers and "pause" not in containers


def test_the_faults_of_the_other_lab_keep_the_rows_of_machines(tmp_path, monkeypatch):
    monkeypatch.setattr(namespaces, "PAGE", tmp_path / "reliability.md")
    assert report.BEGIN + report.END in namespaces.page([], {}, {})
    namespaces.PAGE.write_text(f"an older page\n{report.BEGIN}rows\n{report.END}", encoding="utf-8")
    text = namespaces.page([], {}, {})
    assert text.endswith(f"{report.BEGIN}rows\n{report.END}") and "older" not in text


def test_containers_play_what_needs_no_kernel_and_keep_results_of_their_own(tmp_path, monkeypatch):
    rows = [row.name for row in command.fit(command.ROWS, layout.CONTAINERS)]
    assert {"quickstart", "switchover", "power", "health"} <= set(rows)
    assert not {"panic", "pause"} & set(rows)
    guests = [row.name for row in command.fit(command.ROWS, layout.GUESTS)]
    assert {"panic", "pause", "power"} <= set(guests) and not {"full", "oom-agent"} & set(guests)
    assert {*rows, *guests} == {row.name for row in command.ROWS}
    monkeypatch.setattr(report, "PAGE", tmp_path / "README.md")
    report.PAGE.write_text(f"{report.BEGIN}{report.END}", encoding="utf-8")
    report.write(command.ROWS, {"power, containers": Played("power, containers", [], 900, 0, 1)})
    lines = [line for line in report.PAGE.read_text(encoding="utf-8").splitlines()
             if line.startswith("| power")]
    assert len(lines) == 1 and "900 ms" in lines[0] and "containers" in lines[0]


class EmptyStage:
    """A stage without guests: a quick start with that problem, if any."""

    def __init__(self, *problems):
        self.problems, self.seen = list(problems), []

    def quick_start(self, say):
        self.seen.append("quickstart")
        return Played("quickstart", self.problems)

    def run(self, fault):
        self.seen.append(fault.name)
        return Played(fault.name, [])


@pytest.mark.parametrize("names, bare, problems, expected", [
    ("panic", True, (), ["quickstart", "panic"]),          # bare guests become a cluster first
    ("panic", False, (), ["panic"]),                       # a cluster that is up
    ("quickstart,panic", False, (), ["quickstart", "panic"]),
    ("panic,pause", True, ("apt fails",), ["quickstart"])])  # no cluster, no faults
def test_faults_are_played_on_a_cluster_only(names, bare, problems, expected):
    stage = EmptyStage(*problems)
    results = list(command.play(stage, command.chosen(names), bare))
    assert stage.seen == expected == [result.fault for result in results]


class Shell:
    """A guest that answers each command with the next of some exit statuses, then with 0."""

    def __init__(self, name, *statuses):
        self.name, self.statuses, self.asked = name, list(statuses), []
        self.output, self.is_emulated = "out", True

    def run(self, argv, check=True, text=None, timeout=60):
        self.asked.append((argv[-1].partition("\n")[2], text))
        return Ended(tuple(argv), self.statuses.pop(0) if self.statuses else 0, self.output,
                     "why")


def test_a_password_is_given_only_to_what_asks_for_one():
    guest = Shell("srv1")
    page.run(guest, "passwd hacluster")
    page.run(guest, "pcs cluster destroy")
    assert guest.asked == [("passwd hacluster", f"{page.PASSWORD}\n" * 2),
                           ("pcs cluster destroy", None)]


def test_only_what_the_page_repeats_is_run_again():
    guest = Shell("srv1", 1, 0)
    assert page.run(guest, "paf status", until=True).ok and len(guest.asked) == 2
    with pytest.raises(LabError, match="srv1: pcs status: outwhy"):
        page.run(Shell("srv1", 1), "pcs status")


def test_the_page_begins_once_the_boot_has_ended():
    guest = Shell("srv1", 1)                   # something else has failed
    guest.output = "degraded\n"
    page.wait_booted(guest)
    guest = Shell("srv1", 0, 3)
    guest.output = "running\n"
    with pytest.raises(LabError, match="srv1: pcsd does not run"):
        page.wait_booted(guest)


def test_a_systemd_that_does_not_listen_yet_has_not_booted(monkeypatch):
    monkeypatch.setattr(page, "BOOTED", 0)
    guest = Shell("srv1", 1)
    guest.output = "offline\n"
    with pytest.raises(LabError, match="the end of the boot of srv1"):
        page.wait_booted(guest)


def test_a_block_is_run_on_each_of_its_guests_and_an_error_ends_the_page(monkeypatch):
    first, second = (quickstart.Block(("srv1", "srv2"), False, False, (line,))
                     for line in ("true", "false"))
    monkeypatch.setattr(page, "blocks", lambda: [first, second])
    lab = types.SimpleNamespace(nodes={name: Shell(name) for name in ("srv1", "srv2", "srv3")})
    monkeypatch.setattr(page, "wait_booted", lambda guest: None)
    page.play(lab, lambda line: None)
    assert all([line for line, _ in guest.asked] == ["true", "false"]
               for guest in lab.nodes.values())
    lab.nodes["srv3"] = Shell("srv3", 1)
    with pytest.raises(LabError, match="srv3: true"):
        page.play(lab, lambda line: None)
    assert len(lab.nodes["srv1"].asked) == 3


@pytest.mark.parametrize("is_emulated", [True, False])
def test_operations_may_take_longer_on_emulated_processors(is_emulated, tmp_path):
    guest = Shell("srv1")
    guest.is_emulated = is_emulated
    page._play(guest, quickstart.Block(("srv1",), False, False, ("pcs cluster cib-push x",)), print)
    assert [line for line, _ in guest.asked] == [""] * is_emulated + ["pcs cluster cib-push x"]
    place = tmp_path / "paf.xml"
    place.write_text('<op id="a" timeout="10s"/><op timeout="60"/>\n<nvpair timeout="10s"/>')
    run(["sh", "-c", page._LONGER.replace("/root/paf.xml", str(place))])
    assert place.read_text() == (
        '<op id="a" timeout="100s"/><op timeout="600s"/>\n<nvpair timeout="10s"/>')


def changed():
    """Return the day of the last commit to the agent's code, None without its history."""
    git = ["git", "-c", f"safe.directory={REPOSITORY}", "-C", str(REPOSITORY)]
    found = run([*git, "log", "-1", "--format=%cs", "--", "paf", "resource.d"], check=False)
    return datetime.date.fromisoformat(found.output.strip()) if found.output.strip() else None


def stale(results, code):
    """Return the results that do not hold, or are too old for code of that day."""
    oldest = code - datetime.timedelta(days=DAYS)
    return [name for name, result in results.items() if not result.holds
            or datetime.date.fromisoformat(result.date) < oldest]


def test_the_results_on_machines_are_not_older_than_the_agents_code_by_a_month():
    code = changed()
    if code is None:
        pytest.skip("no history of the agent's code: this is not a clone")
    assert stale(store.load(), code) == [], "play them again: make machines ONLY=..."


def test_old_and_failed_results_are_stale():
    code = datetime.date(2026, 3, 1)
    good = {"panic": Played("panic", [], date="2026-01-31"),
            "pause": Played("pause", [], date="2026-02-01")}
    assert stale(good, code) == [] == stale({}, code)
    assert stale({**good, "panic": Played("panic", [], date="2026-01-29")}, code) == ["panic"]
    assert stale({**good, "panic": Played("panic", ["x"], date="2026-02-01")}, code) == ["panic"]
