"""What the command paf asks of Pacemaker's programs, with the words of each release."""

import time

import pytest

from paf.cli.common import Pacemaker, Problem
from paf.cluster.base import Cluster
from paf.deadline import Deadline
from paf.runner import NotStarted, Result
from tests.unit.support import printed, programs

LOCAL = ["cibadmin", "--query", "--local"]
HERE = ["cibadmin", "--query"]
AS_XML, OUTPUT_AS = "--as-xml", "--output-as=xml"


@pytest.fixture(params=[
    ("Pacemaker 1.1.12\nWritten by Andrew Beekhof\n", LOCAL, AS_XML),
    ("Pacemaker 2.0.2-3.el8\n", LOCAL, AS_XML),
    ("Pacemaker 2.0.3\n", LOCAL, OUTPUT_AS),
    ("Pacemaker 2.1.11-1.el9\n", LOCAL, OUTPUT_AS),
    ("Pacemaker 3.0.0\nWritten by the Pacemaker project contributors\n", HERE, OUTPUT_AS),
    ("Pacemaker 3.10.2\n", HERE, OUTPUT_AS),
    ("", LOCAL, AS_XML)], ids=lambda param: param[0].partition("\n")[0])
def release(request, monkeypatch):
    """Programs of a release: what they say of themselves, how the CIB and crm_mon are asked."""
    said, cib, option = request.param
    asked = []

    def run(_cluster, argv, _deadline):
        asked.append(argv)
        return Result(0, said if "--version" in argv else "<xml/>", "", False)
    monkeypatch.setattr(Cluster, "run", run)
    return asked, cib, option


def test_the_cib_is_asked_of_this_node_without_a_word_that_is_deprecated(release):
    asked, cib, _ = release
    pacemaker = Pacemaker()
    assert pacemaker.cib() == "<xml/>" and asked[-1] == cib
    assert pacemaker.cib() == "<xml/>" and asked.count(["cibadmin", "--version"]) == 1


def test_crm_mon_is_asked_for_xml_in_the_words_of_the_release(release):
    asked, _, option = release
    assert Pacemaker().crm_mon() == "<xml/>"
    assert asked[-1][-1] == option


@pytest.mark.parametrize("argv, asked", [
    (("crm_simulate", "--simulate"), 1), (("stonith_admin", "--list", "srv1"), 1),
    (("corosync-cmapctl", "nodelist"), 1), (("crm_resource", "--clear"), 3)])
def test_a_program_that_hangs_is_asked_once(monkeypatch, argv, asked):
    """A forecast waited 85 s in silence for nine answers of one program."""
    pacemaker, calls = Pacemaker(), []

    def hang(given, deadline):
        calls.append(given)
        return Result(-9, "", "", True)
    monkeypatch.setattr(pacemaker._cluster, "run", hang)
    assert [pacemaker.run(*argv).timed_out for _ in range(3)] == [True] * 3
    assert len(calls) == asked
    now = time.monotonic()
    monkeypatch.setattr("paf.cli.common.monotonic", lambda: now + 60)
    assert pacemaker.run(*argv).timed_out and len(calls) == asked + 1


@pytest.fixture
def root(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)


@pytest.mark.parametrize("ask", [
    lambda pacemaker: pacemaker.ask("crm_mon", "-1"), lambda pacemaker: pacemaker.run("crm_mon"),
    lambda pacemaker: pacemaker.wait(5.0, "crm_mon")])
def test_a_program_that_is_not_there_is_a_problem_in_its_words(monkeypatch, root, ask):
    programs(monkeypatch, {"crm_mon": NotStarted("crm_mon is not installed")})
    with pytest.raises(Problem, match="crm_mon is not installed"):
        ask(Pacemaker())


def test_a_question_that_fails_is_a_problem_with_what_to_do(monkeypatch, root):
    monkeypatch.setattr(Deadline, "wait_for", lambda self, condition, **_: condition())
    programs(monkeypatch, {"crm_mon": printed("", 102, "Connection to cluster failed: refused\n")})
    with pytest.raises(Problem, match="failed: refused .*does not run here, or does not answer"):
        Pacemaker().ask("crm_mon", "-1")


@pytest.mark.parametrize("answer, name", [
    (printed("srv1\n"), "srv1"), (printed(""), None), (NotStarted("refused"), None)])
def test_the_name_of_this_node_is_pacemakers_or_a_problem(monkeypatch, root, answer, name):
    programs(monkeypatch, {"crm_node": answer})
    if name:
        assert Pacemaker().node() == name
        return
    with pytest.raises(Problem, match="name of this node in the cluster is not known"):
        Pacemaker().node()


@pytest.mark.parametrize("answer, words", [
    (printed("done\n"), None), (printed("", timed_out=True), "no end after 90 s"),
    (printed("moved away\n", 1, "Error: refused by it\n"), "Error: refused by it"),
    (printed("only here\n", 1), "only here"), (printed("", 7), "status 7")])
def test_a_program_that_waits_for_the_cluster_has_ended_well_or_is_a_problem(
        monkeypatch, root, answer, words):
    programs(monkeypatch, {"crm_resource": answer})
    if words is None:
        assert Pacemaker().wait(90.0, "crm_resource", "--wait") == "done\n"
        return
    with pytest.raises(Problem, match=f"^crm_resource failed: {words}"):
        Pacemaker().wait(90.0, "crm_resource", "--wait")


def test_a_program_that_waits_may_take_longer_than_a_question(monkeypatch):
    given = []

    def run(_argv, deadline, **_):
        given.append(deadline.remaining)
        return printed()
    monkeypatch.setattr("paf.runner.run", run)
    Pacemaker(1.0).run("crm_resource", "--wait")
    Pacemaker(1.0).wait(90.0, "crm_resource", "--wait")
    assert given[0] <= 1.0 and 80.0 < given[1] <= 90.0
