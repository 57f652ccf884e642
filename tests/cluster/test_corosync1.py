"""The variant for Pacemaker up to 1.1.12, on a cluster that is cut down to what that one had.

Its programs refuse every option that 1.1.12 did not have, and the agent gets the environment which
1.1.12 sent (see old_pacemaker).
"""

import itertools
import pathlib
import shutil

import pytest

from lab import scenarios
from tests import interpreters
from tests.cluster import old_pacemaker
from lab import agents
from lab.cib import RESOURCE
from lab.tools import run, wait_until

AGENTS = "usr/lib/ocf/resource.d/heartbeat"


def LAB(folder):
    """Return the settings: an agent that lives in the world of 1.1.12, monitors in short steps."""
    return {"agent": str(old_agent(folder)), "postgres": scenarios.SYNCHRONOUS, "operations": {
        "monitor:Promoted": {"interval": "5s"}, "monitor:Unpromoted": {"interval": "6s"}}}


def old_agent(folder):
    """Make a tree of the corosync1 package, with a wrapper around the agent, and the stand-ins."""
    folder.chmod(0o755)
    run(["dpkg-deb", "-x", agents.package("ours", "corosync1"), folder])
    agents.compile_library(folder)
    old = folder / old_pacemaker.FOLDER.lstrip("/")
    old.mkdir(parents=True)
    shutil.move(folder / AGENTS / old_pacemaker.AGENT, old / old_pacemaker.AGENT)
    for path in (folder / AGENTS / old_pacemaker.AGENT,
                 *(old / program for program in old_pacemaker.OPTIONS)):
        shutil.copy(old_pacemaker.__file__, path)
        path.chmod(0o755)
    python(old)
    return folder


def python(old):
    """Put the Python of those distributions where the nodes see it, wherever the checkout is."""
    found = interpreters.found().get("2.7")
    if found is None:
        pytest.fail("no Python 2.7 here: run tests/install-interpreters.sh")
    program = pathlib.Path(found).resolve()
    (old / "usr" / "bin").mkdir(parents=True)
    shutil.copy(program, old / "usr" / "bin")
    # with links as they are: some lead to what only a whole system has
    shutil.copytree(program.parents[1] / "lib" / "python2.7", old / "usr" / "lib" / "python2.7",
                    symlinks=True)
    (old / "python").symlink_to(f"usr/bin/{program.name}")


@pytest.fixture(autouse=True)
def nothing_was_refused(lab):
    """See after each test that the agent asked for nothing that 1.1.12 lacks."""
    yield
    lines = log(lab)
    assert [line for line in lines if line.startswith(old_pacemaker.REFUSED)] == []
    assert [line for line in lines if line.startswith("crm_attribute")]


def log(lab):
    return list(itertools.chain.from_iterable(
        node.log(old_pacemaker.LOG).splitlines() for node in lab.nodes.values()))


def announcements(transitions):
    """Return in how many transitions a promotion was announced."""
    return sum(any(action.notify == "pre-promote" for action in transition.actions)
               for transition in transitions)


#: A promotion is announced again whenever something else changes in between; not without end.
ROUNDS = 10


def check(play, rounds=ROUNDS):
    """Hold a play to what is promised in each."""
    assert play.client.lost == [] and play.two_primaries == []
    assert announcements(play.transitions) <= rounds


def wait_until_tidied(lab):
    """Wait until nothing of the election is left where all can see it."""
    def positions():
        return [name for name, node in lab.nodes.items() if node.is_on and lab.any_node().run(
            ["crm_attribute", "--type", "status", "--node", name, "--name",
             f"lsn_location-{RESOURCE}", "--query"], check=False).ok]
    wait_until(lambda: not positions(), 180, "the positions to be removed", step=0.5)


def test_the_options_of_later_versions_are_refused(lab):
    node = lab.any_node()
    for words in (["attrd_updater", "-n", "x", "-Q"], ["attrd_updater", "-n", "x", "-Q", "-A"],
                  ["attrd_updater", "--name", "x", "--update", "1", "--private"],
                  ["crm_attribute", "--promotion", "x", "--query"], ["crm_attribute", "-P", "x"],
                  ["crm_attribute", "-n", "x", "-v", "1", "-W"], ["crm_mon", "--output-as=xml"],
                  ["crm_resource", "--validate"], ["crm_resource", "--move", "--promoted"]):
        result = node.run([f"{old_pacemaker.FOLDER}/{words[0]}", *words[1:]], check=False)
        # as recorded: some print their usage with status 0
        assert "unrecognized option" in result.error or (
            not result.ok and "1.1.12" in result.error), words
    node.run(["rm", old_pacemaker.LOG])
    node.run([f"{old_pacemaker.FOLDER}/crm_attribute", "-t", "crm_config", "-n", "cluster-name",
              "-G"])


def test_first_start(lab):
    promoted = [(action.node, action.result) for transition in lab.transitions()
                for action in transition.actions if action.operation == "promote"]
    assert promoted == [("srv1", "ok")]
    assert announcements(lab.transitions()) <= ROUNDS
    wait_until_tidied(lab)


def test_on_a_newer_pacemaker_it_says_that_the_other_build_belongs_there(lab):
    node = lab.nodes[lab.primary()]
    node.install("/var/log/validate.log", "\n", 0o644)
    variables = {"OCF_CHECK_LEVEL": "10", "HA_LOGFILE": "/var/log/validate.log",
                 "OCF_RESKEY_pgdata": lab.settings.pgdata, "OCF_RESKEY_bindir": lab.settings.bindir}
    for feature_set, lines in (("3.0.9", 0), ("3.16.1", 1)):
        result = node.run([f"{old_pacemaker.FOLDER}/python", "-ESsB",
                           f"{old_pacemaker.FOLDER}/{old_pacemaker.AGENT}", "validate-all"],
                          env={**variables, "OCF_RESKEY_crm_feature_set": feature_set}, check=False)
        assert result.ok, result
        assert node.log("/var/log/validate.log").count("the corosync2 build") == lines


@pytest.mark.long
def test_recovery_of_a_standby(lab):
    with scenarios.watched(lab, primary=lab.primary()) as play:
        victim = scenarios.kill_standby(lab)
    assert play.actions() == [("stop", victim), ("start", victim)]
    check(play, rounds=0)


@pytest.mark.long
def test_recovery_of_the_primary(lab):
    with scenarios.watched(lab, primary=lab.primary()) as play:
        victim = scenarios.kill_primary(lab)
    assert play.actions() == [(operation, victim) for operation in
                              ("demote", "stop", "start", "promote")]
    check(play)
    wait_until_tidied(lab)


def test_failover_does_not_promote_a_stale_favourite(lab):
    with scenarios.watched(lab, settled=False) as play:
        old, stale = scenarios.power_cut_with_a_stale_favourite(lab, lab.client(play.run))
        lab.wait_settled(180, online=[name for name in lab.nodes if name != old])
        lab.client(play.run).wait_rows(100)
    assert lab.primary() not in (old, stale)
    assert ("promote", stale) not in play.actions()
    check(play)
    wait_until_tidied(lab)
    scenarios.bring_back(lab, old)


def test_switchover(lab):
    scenarios.wait_for_ranks(lab)
    old, target = lab.primary(), scenarios.ranked_standbys(lab)[0]
    with scenarios.watched(lab, primary=target) as play:
        scenarios.request_switchover(lab, target)
        lab.wait_settled(180, primary=target)
        scenarios.withdraw_request(lab)
    assert play.actions("demote", "promote") == [("demote", old), ("promote", target)]
    check(play)
    wait_until_tidied(lab)
