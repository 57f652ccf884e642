"""A copy of another server becomes this node's: its name, and where its WAL comes from."""

import os
import pwd

import pytest

from paf import runner
from paf.instance import naming, settings
from paf.ocf import BadParameter, OcfError
from tests.unit.support import instance_at

FACTS = {"node": "srv2", "conninfo": "host=10.0.0.1 application_name=srv1 dbname=replication",
         "archive": ""}


class Warnings:
    """A log that keeps what it warns of."""

    def __init__(self):
        self.texts = []

    def warning(self, text):
        """Keep a text."""
        self.texts.append(text)


@pytest.fixture
def node(tmp_path, monkeypatch):
    """An instance of version 15 whose configuration came with the copy and names no one."""
    (tmp_path / "PG_VERSION").write_text("15\n")
    monkeypatch.setattr(settings, "conninfo", lambda *_: "")
    monkeypatch.setattr(settings, "read", lambda *_: "")
    mine = pwd.getpwuid(os.geteuid())
    return instance_at(tmp_path, datadir=str(tmp_path))._replace(owner=runner.Account(
        mine.pw_name, mine.pw_uid, mine.pw_gid, mine.pw_dir))


def complete(node, **facts):
    """Complete the copy; return what was added to postgresql.auto.conf, and the warnings."""
    log, folder = Warnings(), node.parameters.datadir
    naming.complete(node, folder, dict(FACTS, **facts), log)
    path = os.path.join(folder, "postgresql.auto.conf")
    if not os.path.exists(path):
        return "", log.texts
    with open(path, encoding="utf-8") as stream:
        return stream.read(), log.texts


def refuses(*_):
    """Be a configuration that the server's program does not accept."""
    raise BadParameter("a line is wrong")


def test_the_copy_gets_this_nodes_name_and_no_parameter_of_the_other(node):
    written, warned = complete(node)
    assert written.startswith("primary_conninfo = '") and written.endswith("'\n")
    assert "10.0.0.1" in written and "srv2" in written
    assert "srv1" not in written and "dbname" not in written
    assert not warned


def test_a_copy_with_the_name_is_not_written_again(node, monkeypatch):
    monkeypatch.setattr(settings, "conninfo", lambda *_: "host=10.0.0.1 application_name=srv2")
    assert complete(node) == ("", [])


def test_a_primary_conninfo_that_cannot_be_read_is_replaced(node, monkeypatch):
    monkeypatch.setattr(settings, "conninfo", refuses)
    written, warned = complete(node)
    assert "srv2" in written
    assert warned == ["primary_conninfo of the copy cannot be read: a line is wrong"]


def test_a_way_to_the_primary_that_is_malformed_is_refused(node):
    with pytest.raises(OcfError, match="the way to the primary cannot be used"):
        complete(node, conninfo="host")


def test_an_older_server_gets_its_name_from_the_template(node, tmp_path):
    (tmp_path / "PG_VERSION").write_text("11\n")
    template = node.parameters.recovery_template
    own = node._replace(parameters=node.parameters._replace(
        recovery_template=str(tmp_path / os.path.basename(template))))
    assert complete(own) == ("", [])
    written = (tmp_path / os.path.basename(template)).read_text()
    assert "standby_mode = on\nrecovery_target_timeline = 'latest'\nprimary_conninfo = '" in written
    assert "srv2" in written


def test_the_archive_of_the_backup_is_configured_and_quoted(node):
    written, _ = complete(node, archive="cp '/a\\b/%f' %p")
    assert written.endswith("restore_command = 'cp ''/a\\\\b/%f'' %p'\n")


@pytest.mark.parametrize("answer, warned", [
    (lambda *_: "cp /own/%f %p", 0),
    (refuses, 1)])
def test_a_restore_command_is_overruled_only_where_it_is_not_known(
        node, monkeypatch, answer, warned):
    monkeypatch.setattr(settings, "read", answer)
    written, texts = complete(node, archive="cp /theirs/%f %p")
    assert ("/theirs/" in written) == bool(warned)
    assert len(texts) == warned


def test_what_the_file_holds_already_stays(node, tmp_path):
    path = tmp_path / "postgresql.auto.conf"
    path.write_text("work_mem = '5MB'")
    path.chmod(0o640)
    written, _ = complete(node)
    assert written.startswith("work_mem = '5MB'\nprimary_conninfo = ")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_that_cannot_be_written_is_named(node, tmp_path):
    (tmp_path / "postgresql.auto.conf").mkdir()
    with pytest.raises(OcfError, match="cannot write .*postgresql.auto.conf: Is a directory"):
        complete(node)
