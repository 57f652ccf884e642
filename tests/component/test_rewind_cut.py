"""A rewind that is cut off at any step: the instance streams afterwards, or is as it was."""

import json
import os
import shutil
import subprocess
import sys
import textwrap

import pytest

from paf import log, ocf
from paf.actions import rejoin
from paf.context import Context
from paf.deadline import Deadline
from paf.instance import divergence, journal, rewind, settings
from tests.component.cluster import AGENT
from tests.component.cutting import cut, steps_of
from tests.component.server import as_owner, clone, owner, wait_until
from tests.component.test_rewind import (
    RETURN, come_back, fail_over, journal_of, lost_of, own_files, write_commits)

#: Cuts of all steps take minutes: `make check-all` has them, the other runs have some.
SOME = 5


@pytest.fixture(scope="module")
def diverged(lasting):
    """A crashed srv1 with commits of its own, and srv2, the primary; and a copy of srv1."""
    cluster = lasting("srv1", "srv2")
    for node in cluster:
        node.server.configure("wal_log_hints = on")
        own_files(node)
    cluster.start()
    write_commits(cluster)
    cluster["srv1"].sql("CHECKPOINT")
    cluster["srv1"].sql("INSERT INTO t VALUES (1)")
    fail_over(cluster)
    # none of its steps waits for it: they are as many each time
    cluster["srv2"].sql("CHECKPOINT")
    clone(cluster["srv1"].pgdata, cluster.folder / "aside")
    return cluster


@pytest.fixture
def again(diverged):
    """The same, srv1 as it was when it had crashed."""
    node = diverged["srv1"]
    if node.processes():
        node.stop()
    for path in (node.pgdata, journal_of(node), lost_of(node)):
        shutil.rmtree(path, ignore_errors=True)
    clone(diverged.folder / "aside", node.pgdata)
    return diverged


def context_of(node, mode="rewind"):
    """Return the context of a start by the agent, within this process."""
    environment = ocf.Environment(node.environment(300, 0, RETURN, True, {"rejoin": mode}))
    return Context(environment, Deadline(300), log.Log(environment))


def rewound(node):
    """Rewind as a start does."""
    context = context_of(node)
    instance, deadline = context.instance, context.deadline
    found = divergence.fact(instance, deadline).value
    rewind.run(instance, settings.conninfo(instance, deadline), found, deadline, context.log)


def own(node):
    """Return what must be there whatever happens: the files that PostgreSQL did not make."""
    files = node.files()
    names = [name for name in files if name.startswith(("conf.d", "server.key", "link.crt",
             "access.conf", "global/deep.conf", "postgresql.", "pg_hba", "recovery.done.pcmk"))]
    return {name: files[name] for name in names}


def test_a_cut_at_any_step_is_made_good_by_the_next_start(again):
    node = again["srv1"]
    before = own(node)
    total = steps_of(lambda: rewound(node))
    assert total > 40
    steps = range(total) if os.environ.get("PAF_ALL_CUTS") else (
        total * number // SOME for number in range(SOME))
    for step in steps:
        shutil.rmtree(node.pgdata)
        shutil.rmtree(journal_of(node), ignore_errors=True)
        clone(again.folder / "aside", node.pgdata)
        assert cut(lambda: rewound(node), step), step
        context = context_of(node)
        if journal.exists(context.instance):
            rejoin.finish(context)
        assert own(node) == before, step
        assert not journal.exists(context.instance), step
        if divergence.fact(context.instance, context.deadline).value is not None:
            rewound(node)
        assert divergence.fact(context.instance, context.deadline).value is None, step
        assert own(node) == before, step
    come_back(again, "safe")
    same_rows(again)


def same_rows(cluster):
    """See that the standby has the primary's rows, and that its pages are whole."""
    cluster.wait_for_streams("srv2", 1)
    rows = "SELECT n, count(*) FROM t GROUP BY n ORDER BY n"
    assert cluster["srv1"].sql(rows) == cluster["srv2"].sql(rows)


def programs_with(folder, node, script):
    """Return a folder of PostgreSQL's programs in which pg_rewind is a script of ours."""
    folder.mkdir()
    folder.chmod(0o755)
    for name in os.listdir(node.programs):
        (folder / name).symlink_to(os.path.join(node.programs, name))
    (folder / "pg_rewind").unlink()
    (folder / "pg_rewind").write_text(f"#!{sys.executable}\n" + textwrap.dedent(script).format(
        real=os.path.join(node.programs, "pg_rewind"), data=node.pgdata))
    (folder / "pg_rewind").chmod(0o755)
    return str(folder)


HALF_WAY = """
import os, subprocess, sys, time
if "--dry-run" in sys.argv:
    os.execv("{real}", sys.argv)
child = subprocess.Popen(["{real}"] + sys.argv[1:])
while child.poll() is None and not os.path.exists("{data}/pg_wal/00000002.history"):
    pass
child.kill()
child.wait()
open("{data}/../killed", "w").close()
agent = os.getppid()
while os.getppid() == agent:
    time.sleep(0.01)
"""


@pytest.mark.parametrize("archive", ["", "restore_command = 'false'"])
def test_pg_rewind_that_was_killed_half_way_is_never_started_and_is_repeated(again, archive):
    """It reads restore_command from the data directory, where it has put the primary's files."""
    node = again["srv1"]
    node.server.configure("", archive)
    before = own(node)
    programs = programs_with(again.folder / f"half-{len(archive)}", node, HALF_WAY)
    environment = node.environment(300, 0, RETURN, True, {"rejoin": "rewind", "bindir": programs})
    with subprocess.Popen([sys.executable, "-ISB", str(AGENT), "start"], env=environment, cwd="/",
                          stderr=subprocess.DEVNULL) as agent:
        wait_until((node.pgdata.parent / "killed").exists, "pg_rewind to be killed half way")
        agent.kill()
    assert not node.processes() and journal_of(node).exists()
    again.move_vip(None)
    run = node.agent("start", lists=RETURN)
    assert run.code == 1 and "the primary cannot be asked" in run.reason
    assert not node.processes()
    again.move_vip("srv2")
    come_back(again, "manual")    # what was started is completed
    assert own(node) == before
    same_rows(again)
    (node.pgdata.parent / "killed").unlink()


FULL = """
import os, sys
if "--dry-run" in sys.argv:
    os.execv("{real}", sys.argv)
open("{data}/global/1262", "wb").close()
sys.stderr.write("pg_rewind: error: could not write file: No space left on device\\n")
sys.exit(1)
"""


def test_a_full_disk_leaves_it_stopped_and_the_next_start_makes_it_good(again):
    node = again["srv1"]
    programs = programs_with(again.folder / "full", node, FULL)
    run = come_back(again, "rewind", code=1, bindir=programs)    # it can pass: no hard error
    assert "No space left" in run.reason and not node.processes()
    come_back(again, "rewind")
    same_rows(again)


def test_it_is_not_repeated_against_another_history(again):
    node = again["srv1"]
    programs = programs_with(again.folder / "other", node, FULL)
    come_back(again, "rewind", code=1, bindir=programs)
    name = journal_of(node) / "state.json"
    name.write_text(json.dumps(dict(json.loads(name.read_text()), timeline=1)))
    run = come_back(again, "rewind", code=5)
    assert "rebuild this instance" in run.reason and not node.processes()


def test_two_data_directories_that_are_mount_points_keep_their_own_files(again, tmp_path):
    """The roots of two file systems have the same inode number."""
    one, two = tmp_path / "a" / "data", tmp_path / "b" / "data"
    folders = [journal.folder(context_of(again["srv1"]).instance._replace(
        parameters=context_of(again["srv1"]).parameters._replace(datadir=str(path))))
        for path in (one, two)]
    assert folders[0] != folders[1]


@pytest.mark.root
def test_a_file_that_cannot_be_kept_aside_is_named_before_anything_is_done(again):
    """A folder of root's in the data directory cannot be moved by the owner of the instance."""
    node = again["srv1"]
    (node.pgdata / "roots").mkdir()
    (node.pgdata / "roots" / "file").write_text("x")
    before = {name: value for name, value in node.files().items() if name.startswith("roots")}
    run = come_back(again, "rewind", code=5)
    assert "cannot keep roots aside" in run.reason
    assert not journal_of(node).exists()
    assert {name: value for name, value in node.files().items()
            if name.startswith("roots")} == before
    assert as_owner("stat", "-c", "%U", node.pgdata / "postgresql.conf").strip() == (
        owner().pw_name)
