"""What Pacemaker does not say, or what cannot be read on this node, is neither a no nor nothing."""

import errno
import os
import types
from xml.etree import ElementTree

import pytest

from paf import ocf, runner
from paf.cluster import base, cib, corosync2, departure, notes, programs, rules
from paf.crash import objections, postmaster_end, watch, watcher
from paf.deadline import Deadline
from paf.decide.knowledge import Known
from paf.instance import proc
from tests.unit.support import Clock

NOW = 1_800_000_000
NAMES = cib.Names("score", "reason", "position", "failed", ("count",), "rule", "last", "accept",
                  "acknowledged", "copy")


def rule(inside, **attributes):
    element = ElementTree.fromstring(f"<rule>{inside}</rule>")
    element.attrib.update(attributes)
    return element


@pytest.mark.parametrize("inside", [
    '<expression attribute="a" operation="eq" value="other" value-source="param"/>',
    '<expression attribute="a" operation="lt" value="2" type="version"/>',
    '<expression attribute="a" operation="lt" value="many" type="number"/>',
    '<date_expression operation="in_range" start="2020-01-01 00:00:00Z"><duration years="90"/>'
    '</date_expression>',
    '<date_expression operation="in_range" start="some day"/>',
    '<date_expression operation="date_spec"><date_spec hours="9-16"/></date_expression>'])
def test_a_rule_that_cannot_be_judged_neither_holds_nor_fails(inside):
    assert rules.holds(rule(inside), {"a": "1"}, NOW) is None


def test_a_rule_that_is_written_elsewhere_neither_holds_nor_fails():
    """One with id-ref has no expressions of its own: that is not all of none."""
    assert rules.holds(rule(""), {}, NOW) is True
    assert rules.holds(rule("", **{"id-ref": "other"}), {}, NOW) is None


@pytest.mark.parametrize("start, end, holds", [
    (2020, 2090, True), (2020, None, True), (None, 2090, True), (2080, 2090, False),
    (2020, 2021, False)])
def test_a_range_of_dates_holds_between_its_ends(start, end, holds):
    ends = "".join(f' {name}="{year}-01-01 00:00:00Z"' for name, year in (
        ("start", start), ("end", end)) if year)
    inside = f'<date_expression operation="in_range"{ends}/>'
    assert rules.holds(rule(inside), {}, NOW) is holds


def test_a_pattern_that_python_does_not_understand_may_match():
    assert rules.matches("pgsql(", ["pgsqld"])
    assert not rules.matches("!pgsqld", ["pgsqld"])


@pytest.fixture
def store(tmp_path):
    """The notes of a resource in a folder of the test."""
    return notes.Notes(ocf.Environment({"HA_RSCTMP": str(tmp_path),
                                        "OCF_RESOURCE_INSTANCE": "pgsqld"}))


@pytest.fixture
def make_unreadable(tmp_path):
    """Return a function that puts a folder where a note has to be."""
    def make(name):
        (tmp_path / f"pgsqlms-pgsqld.{name}").mkdir()
    return make


def test_a_note_that_cannot_be_read_is_not_one_that_is_not_there(store, make_unreadable):
    assert store.read(notes.START) == ""
    make_unreadable(notes.START)
    for act in (lambda: store.read(notes.START), lambda: store.remove(notes.START),
                lambda: store.write(notes.START, "cold")):
        with pytest.raises(ocf.OcfError, match="cannot (read|remove|write) .*pgsqlms-pgsqld.start"):
            act()


def test_a_file_that_is_too_long_for_a_note_is_not_read_to_its_end(store, tmp_path):
    path = tmp_path / "pgsqlms-pgsqld.rule"
    path.write_bytes(b"")
    os.truncate(path, (1 << 20) + 1)
    with pytest.raises(ocf.OcfError, match="cannot read .*: File too large"):
        store.read(notes.RULE)


class Silent(base.Cluster):
    """A cluster of which nothing can be found out."""

    out = ""

    def view(self, deadline):
        raise ocf.OcfError("cibadmin failed: no answer in time")

    def checked(self, argv, deadline):
        return runner.Result(0, self.out, "", False)


def silent():
    return Silent(types.SimpleNamespace(resource="pgsqld", meta=lambda name: "", variables={}))


def test_nobody_has_left_a_cluster_that_gives_no_answer():
    clock = Clock()
    deadline = Deadline(60, clock)
    clock.sleep(30)
    assert departure.Departure(silent(), deadline).is_noticed(["srv1"]) is False


def test_a_node_without_a_name_is_not_the_node_with_an_empty_one():
    with pytest.raises(ocf.OcfError, match="not known: crm_node printed nothing"):
        silent().node(Deadline(5))


def test_a_program_of_pacemaker_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(programs, "_folders", lambda: ["/nonexistent"])
    with pytest.raises(ocf.OcfError, match="cannot find Pacemaker's program attrd_updater"):
        silent().run(["attrd_updater"], Deadline(5))


def test_votes_that_cannot_be_read_are_not_no_votes(monkeypatch):
    cluster = corosync2.Corosync2(types.SimpleNamespace(resource="pgsqld", variables={}))

    def refuse(name, deadline):
        raise ocf.OcfError("attrd_updater failed: no answer in time")
    monkeypatch.setattr(cluster, "_values", refuse)
    assert cluster._seen_values("ballot", Deadline(5)) is None


def test_a_cib_that_is_cut_off_is_no_reason_to_report_and_none_not_to():
    with pytest.raises(ocf.OcfError, match="cannot understand the CIB: no element found"):
        objections.read("<cib crm_feature_set='3.16.1'><configuration>", "pgsqld", "srv1")


@pytest.mark.parametrize("xml", ["<acls/>", "<pacemaker-result><status/></pacemaker-result>"])
def test_what_is_no_cib_is_no_reason_to_report_and_none_not_to(xml):
    """It counted as a cluster that this node is not in."""
    with pytest.raises(ocf.OcfError, match="cannot understand the CIB: it does not begin as one"):
        objections.read(xml, "pgsqld", "srv1")


def test_a_cib_without_a_feature_set_is_one_of_a_recent_pacemaker():
    standing = objections.read("<cib><configuration/></cib>", "pgsqld", "srv1")
    assert standing.attribute == "fail-count-pgsqld#asyncmon_0"


def test_a_node_in_maintenance_by_its_transient_attribute_is_seen():
    view = cib.parse("""<cib><configuration><nodes><node id="1" uname="srv1"/></nodes>
        </configuration><status>
        <node_state id="1" uname="srv1" crmd="online" in_ccm="true" join="member">
        <transient_attributes id="1"><instance_attributes id="a">
        <nvpair id="b" name="maintenance" value="true"/></instance_attributes>
        </transient_attributes></node_state></status></cib>""", NAMES)
    assert view.maintenance == {"srv1"}


def test_without_a_descriptor_of_the_process_its_end_is_seen_by_looking(monkeypatch):
    """Before Python 3.9 or Linux 5.3, or where the process table is full."""
    ended = [False, False, True]
    monkeypatch.setattr(os, "pidfd_open", refuse_descriptor, raising=False)
    monkeypatch.setattr(proc, "birth", lambda pid: 7)
    monkeypatch.setattr(proc, "has_ended", lambda pid, born: (pid, born) == (4711, 7)
                        and ended.pop(0))
    monkeypatch.setattr(postmaster_end.postmaster, "is_alive", lambda *_: True)
    pauses = []
    postmaster_end.await_end(None, 4711, pauses.append)
    assert len(pauses) == 2 and not ended


def refuse_descriptor(pid):
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def lock_at(folder):
    return watcher.LockFile(ocf.Environment({"HA_RSCTMP": str(folder),
                                             "OCF_RESOURCE_INSTANCE": "pgsqld"}))


def context_at(folder, said):
    return types.SimpleNamespace(
        environment=ocf.Environment({"HA_RSCTMP": str(folder), "OCF_RESOURCE_INSTANCE": "pgsqld"}),
        deadline=Deadline(5), log=types.SimpleNamespace(warning=said.append))


def test_a_file_of_the_watcher_that_cannot_be_opened_is_no_report(tmp_path):
    """A link that was put there is not followed."""
    (tmp_path / "pgsqlms-pgsqld.watcher").symlink_to(tmp_path / "elsewhere")
    said = []
    assert watcher.has_reported(context_at(tmp_path, said)) is False
    watcher.end(context_at(tmp_path, said))
    assert ["the watcher was not ended" in line for line in said] == [True, True]
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(EnvironmentError):
        lock_at(tmp_path).words()


def test_a_watcher_that_does_not_end_is_said_to_be_able_to_report(tmp_path, monkeypatch):
    lock = lock_at(tmp_path)
    assert lock.take()
    monkeypatch.setattr(watcher, "_END_PATIENCE", 0.0)
    said = []
    watcher.end(context_at(tmp_path, said))
    assert said == ["the watcher did not end in time, and may report a crash"]
    assert lock_at(tmp_path).exists()


def test_a_lock_on_a_file_that_its_holder_removes_is_none(tmp_path, monkeypatch):
    """The next watcher locks the new file of that name."""
    path = tmp_path / "pgsqlms-pgsqld.watcher"
    lock_file = watcher.fcntl.flock
    monkeypatch.setattr(watcher.fcntl, "flock", lambda *words: (path.unlink(), lock_file(*words)))
    assert lock_at(tmp_path).take() is False
    assert lock_at(tmp_path).words() == []


def test_a_file_that_cannot_be_locked_is_not_held_by_a_watcher(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
    monkeypatch.setattr(watcher.fcntl, "flock", refuse)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match="No locks available"):
        lock_at(tmp_path).take()
    assert os.listdir("/proc/self/fd") == before
    said = []
    watcher.keep(types.SimpleNamespace(**vars(context_at(tmp_path, said)), in_cluster=True,
                                       parameters=types.SimpleNamespace(crash_watch=True)))
    assert said == ["no watcher: [Errno 37] No locks available"]


def test_a_second_watcher_leaves_the_server_to_the_first(tmp_path):
    held = lock_at(tmp_path)
    assert held.take()
    assert watch.run(context_at(tmp_path, [])) == ocf.SUCCESS
    assert held.words() == []


class Report:
    """A report to Pacemaker whose steps are noted."""

    def __init__(self, later):
        self.steps, self._later = [], later

    def prepare(self, reason, deadline):
        """Prepare it; meanwhile something happens."""
        self.steps.append("prepare")
        self._later()

    def withdraw(self, deadline):
        """Withdraw it."""
        self.steps.append("withdraw")


@pytest.mark.parametrize("ended, server", [([], Known(types.SimpleNamespace(pid=1))),
                                           ([True], Known(None))])
def test_a_report_is_withdrawn_when_an_action_takes_over(monkeypatch, ended, server):
    """It ends the watcher, or has started the server again, while the report is prepared."""
    asked = []
    report = Report(lambda: asked.extend(ended))
    monkeypatch.setattr(watch.observe, "observe", lambda *_: types.SimpleNamespace(
        verdict=types.SimpleNamespace(state=watch.state.CRASHED_PRIMARY)))
    monkeypatch.setattr(watch.objections, "read", lambda *_: types.SimpleNamespace(
        objection="", attribute="a", failures=""))
    monkeypatch.setattr(watch.monitor, "describe", lambda *_: "the postmaster is dead")
    monkeypatch.setattr(watch.reports, "Report", lambda *_: report)
    monkeypatch.setattr(watch.postmaster, "find", lambda _: server)
    cluster = types.SimpleNamespace(cib=lambda _: "", resource="pgsqld")
    context = types.SimpleNamespace(instance=None, cluster=cluster, node="srv1")
    lock = types.SimpleNamespace(is_in_place=lambda: True)
    assert watch._report(context, lock, asked) is False
    assert report.steps == ["prepare", "withdraw"]
