"""A lab for each module of tests; the logs of all nodes when a test fails."""

import os
import re
import shutil

import pytest

from tests import traced
from tests.conftest import REPOSITORY
from lab.lab import Lab
from lab.owner import free_name
from lab.tools import LabError

LOGS = REPOSITORY / "build" / "cluster-logs"
#: Of the lines below in the log, that a test which fails prints for each node.
LINES = 60
#: The same of each daemon's log, where a lab does not start.
LAST = 12
#: What the agent says, what the scheduler decides and why, what it takes for a failure, and which
#: node it fences. Where the folder of logs is out of a reader's reach, this has to explain the
#: failure.
_LINES_OF = re.compile(r"pgsqlms\(|Actions: |Unexpected result|Transition \d+ aborted|"
                       r"saving inputs|will be fenced")
#: Of corosync, in milliseconds.
TOKEN = 3000
_failed = pytest.StashKey()

#: Timeouts for a machine that is busy, or stops for some seconds: what is slow does not count as
#: dead there, and a node whose corosync waits for a processor is no lost one. A module's own LAB
#: overrides them.
PATIENT: dict = {
    "postgres": {"wal_sender_timeout": "30s", "wal_receiver_timeout": "30s"},
    "operations": {"monitor:Promoted": {"timeout": "30s"},
                   "monitor:Unpromoted": {"timeout": "30s"}},
    "properties": {"stonith-timeout": "60s"},
}


def patient(settings):
    """Return the settings of a lab (a dictionary), with those of PATIENT that it does not have."""
    operations = {**PATIENT["operations"], **settings.get("operations", {})}
    operations = {name: {**PATIENT["operations"].get(name, {}), **values}
                  for name, values in operations.items()}
    return {"token": TOKEN, **settings, "operations": operations,
            **{kind: {**PATIENT[kind], **settings.get(kind, {})}
               for kind in ("postgres", "properties")}}


@pytest.fixture(scope="session", autouse=True)
def root():
    """Namespaces need root."""
    if os.geteuid() != 0:
        pytest.fail("the cluster tests make network namespaces: run them as root")
    if shutil.which("pacemakerd", path="/usr/sbin") is None:
        pytest.fail("the cluster tests need Pacemaker: run tests/install-tools.sh lab")


@pytest.fixture(scope="module")
def cluster(request, tmp_path_factory):
    """The module's lab, up: three nodes, and what its LAB says otherwise.

    LAB is a dictionary, or a function that returns one and is given a folder to make files in.
    """
    name = request.module.__name__.rpartition(".")[2].replace("test_", "").replace("_", "-")[:20]
    settings = getattr(request.module, "LAB", {})
    if callable(settings):
        settings = settings(tmp_path_factory.mktemp(name))
    lab = Lab(free_name(name), **traced.settings(patient(settings)))
    try:
        lab.up()
        yield lab
    except LabError:
        lab.gather(LOGS / f"{name}-start")
        for node in lab.nodes.values():
            print(f"{node.name}, what corosync and Pacemaker said last:", *_daemons(node),
                  sep="\n  ")
        raise
    finally:
        lab.down()


@pytest.fixture
def lab(cluster, request):
    """The module's lab, settled and whole; started again if an earlier test left it otherwise."""
    if not _is_whole(cluster):
        cluster.up()
    yield cluster
    if request.node.stash.get(_failed, False):
        folder = LOGS / request.node.name.replace("/", "-")
        cluster.gather(folder)
        print(f"the logs of all nodes are in {folder}")
        for name, node in cluster.nodes.items():
            print(f"{name}, what the agent and Pacemaker said last:", *_said(node), sep="\n  ")
        cluster.up()


def _said(node):
    """Return the last lines in a node's log that explain what happened, without repetitions."""
    lines = [line for line in node.log().splitlines() if _LINES_OF.search(line)]
    return list(dict.fromkeys(lines))[-LINES:]


def _daemons(node):
    """Return the last lines in the logs of a node's daemons; one that has none did not start."""
    return [line for name in ("corosync/corosync.log", "pacemaker/pacemaker.log")
            for line in node.log(f"/var/log/{name}").splitlines()[-LAST:]]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Remember that a test failed, for the fixture that gathers the logs."""
    outcome = yield
    if outcome.get_result().failed:
        item.stash[_failed] = True


def _is_whole(lab):
    try:
        lab.wait_settled(180, online=list(lab.nodes))
    except LabError:
        return False
    return True
