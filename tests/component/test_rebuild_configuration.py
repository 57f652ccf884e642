"""paf rebuild where the configuration is not in the data directory, as on Debian."""

import shutil

import pytest

from tests.component.server import as_owner, bindir, owner, remove
from tests.component.test_rebuild import RETURN, origin, work_of


def move_configuration(node, by):
    """Move the node's configuration out of its data directory; by: what leads there."""
    place = node.cluster.folder / f"etc-{node.name}"
    place.mkdir()
    for name in ("postgresql.conf", "pg_hba.conf", "pg_ident.conf"):
        shutil.move(node.pgdata / name, place / name)
    with (place / "postgresql.conf").open("a") as stream:
        stream.write(f"data_directory = '{node.pgdata}'\nhba_file = '{place}/pg_hba.conf'\n"
                     f"ident_file = '{place}/pg_ident.conf'\n")
    for path in (place, *place.iterdir()):
        shutil.chown(path, owner().pw_uid, owner().pw_gid)
    if by == "start_opts":
        node.parameters["start_opts"] = f"-c config_file={place}/postgresql.conf"
    else:
        node.parameters.update(pgdata=str(place), datadir=str(node.pgdata))


@pytest.fixture(params=["start_opts", "pgdata"])
def apart(make_cluster, request):
    """srv2, a primary that was once a copy: it has its own name in postgresql.auto.conf; srv1."""
    cluster = make_cluster("srv1", "srv2")
    for node in cluster:
        text = (node.pgdata / "postgresql.conf").read_text()
        conninfo = [line for line in text.splitlines() if line.startswith("primary_conninfo")][-1]
        move_configuration(node, request.param)
    auto = cluster["srv2"].pgdata / "postgresql.auto.conf"
    auto.write_text(conninfo + "\n")
    (cluster["srv2"].pgdata / "standby.signal").unlink()
    cluster.note_starts()
    cluster.move_vip("srv2")
    as_owner(f"{bindir()}/pg_ctl", "-D", cluster.folder / "etc-srv2", "-w", "-s", "-l", "/dev/null",
             "start")
    return cluster


@pytest.mark.parametrize("knows_the_way", [True, False])
def test_a_copy_into_an_empty_folder_has_this_nodes_name(apart, knows_the_way):
    """The primary's postgresql.auto.conf came with it, and outweighs what is in /etc.

    The way to the primary is in /etc too: it is not asked for.
    """
    node = apart["srv1"]
    remove(node.pgdata)
    work = work_of(node, *["--from", origin(apart)] * (not knows_the_way))
    work.do()
    run = node.agent("start", lists=RETURN)
    assert run.code == 0, run.reason
    apart.wait_for_streams("srv2", 1)
    assert apart["srv2"].value("SELECT application_name FROM pg_stat_replication") == "srv1"


def test_what_has_this_nodes_name_is_not_written_again(apart):
    node = apart["srv1"]
    auto = node.pgdata / "postgresql.auto.conf"
    before = auto.read_bytes()
    node.pgdata.chmod(0o750)
    work = work_of(node, "--copy")
    work.do()
    assert auto.read_bytes() == before
    assert node.pgdata.stat().st_mode & 0o777 == 0o750, "a group may read it, as before"
    assert node.agent("start", lists=RETURN).code == 0
