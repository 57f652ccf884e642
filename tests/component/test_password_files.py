"""The password file of primary_conninfo is in the data directory: the primary is reached anyway."""

import shutil

import pytest

from tests.component.cluster import SECRET
from tests.component.server import owner, quoted
from tests.component.test_rebuild import work_of
from tests.component.test_rewind import come_back, fail_over, journal_of, write_no_commit
from tests.component.test_rewind_cut import FULL, programs_with, same_rows


@pytest.fixture
def guarded(hinted):
    """A crashed srv1 without a commit of its own; srv2 wants a password, each has its own file."""
    hinted["srv1"].sql(f"CREATE ROLE rep SUPERUSER LOGIN PASSWORD '{SECRET}'")
    hinted.wait_for_streams("srv1", 1)
    for node in hinted:
        path = node.pgdata / "pass"
        path.write_text(f"*:*:*:*:{SECRET if node.name == 'srv1' else 'another'}\n")
        path.chmod(0o600)
        shutil.chown(path, owner().pw_uid, owner().pw_gid)
        hba = node.pgdata / "pg_hba.conf"
        hba.write_text("local all,replication rep scram-sha-256\n" + hba.read_text())
    hinted["srv2"].sql("SELECT pg_reload_conf()")
    connection = write_no_commit(hinted)
    fail_over(hinted)
    connection.close()
    return hinted


def name_file(node, path):
    node.server.configure("primary_conninfo = " + quoted(
        f"host={node.cluster.vip} port=5432 user=rep passfile={path} application_name=srv1"))


@pytest.mark.parametrize("relative", [False, True])
def test_a_rewind_reaches_the_primary_while_the_file_is_aside(guarded, relative):
    """A server reads it relative to its data directory."""
    node = guarded["srv1"]
    name_file(node, "pass" if relative else node.pgdata / "pass")
    programs = programs_with(guarded.folder / "full", node, FULL)
    run = come_back(guarded, None, code=1, bindir=programs)
    assert "No space left" in run.reason and journal_of(node).exists()
    come_back(guarded, None)
    assert SECRET in (node.pgdata / "pass").read_text()


def test_a_copy_reaches_the_primary_after_the_old_directory_was_given_up(guarded):
    node = guarded["srv1"]
    name_file(node, node.pgdata / "pass")
    work_of(node, "--copy", "--discard").do()
    come_back(guarded, "manual")
    assert SECRET in (node.pgdata / "pass").read_text()
    same_rows(guarded)
