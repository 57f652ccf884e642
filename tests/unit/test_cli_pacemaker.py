"""What the command paf asks of Pacemaker's programs, with the words of each release."""

import time

import pytest

from paf.cli.common import Pacemaker
from paf.cluster.base import Cluster
from paf.runner import Result

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
    now = time.time()
    monkeypatch.setattr("paf.cli.common.time.time", lambda: now + 60)
    assert pacemaker.run(*argv).timed_out and len(calls) == asked + 1
