"""Which files and folders are the server's configuration."""

import errno
import os
import pwd

import pytest

from paf import runner
from paf.deadline import Deadline
from paf.instance import configfiles, settings
from paf.ocf import OcfError
from tests.unit.support import instance_at


@pytest.fixture
def node(tmp_path, monkeypatch):
    """An instance whose settings name what a test asks for."""
    (tmp_path / "PG_VERSION").write_text("15\n")
    (tmp_path / "postgresql.conf").write_text("")
    values = {"config_file": str(tmp_path / "postgresql.conf")}
    monkeypatch.setattr(settings, "read", lambda _, name, __: values.get(name, ""))
    mine = pwd.getpwuid(os.geteuid())
    found = instance_at(tmp_path, datadir=str(tmp_path))._replace(owner=runner.Account(
        mine.pw_name, mine.pw_uid, mine.pw_gid, mine.pw_dir))
    return found, values


def names(node, folder):
    """Return the names without the data directory in front."""
    return [os.path.relpath(path, str(folder))
            for path in configfiles.names(node[0], Deadline(5.0))]


def test_a_folder_of_revoked_certificates_is_among_them_with_its_files(node, tmp_path):
    node[1]["ssl_crl_dir"] = "crl"
    (tmp_path / "crl").mkdir()
    (tmp_path / "crl" / "1a2b.r0").write_text("")
    assert names(node, tmp_path) == ["crl", "crl/1a2b.r0", "postgresql.conf"]


def test_a_folder_that_is_not_there_holds_no_configuration(node, tmp_path):
    node[1]["ssl_crl_dir"] = "crl"
    (tmp_path / "postgresql.conf").write_text("include_dir 'conf.d'\n")
    assert names(node, tmp_path) == ["postgresql.conf"]


def test_a_folder_that_cannot_be_read_may_name_more_files(node, tmp_path, monkeypatch):
    def refused(folder):
        raise OSError(errno.EIO, "Input/output error", folder)
    node[1]["ssl_crl_dir"] = "crl"
    monkeypatch.setattr(os, "listdir", refused)
    with pytest.raises(OcfError, match="cannot read .*/crl: Input/output error"):
        names(node, tmp_path)


def test_files_that_include_each_other_are_each_read_once(node, tmp_path, monkeypatch):
    read, content = [], configfiles.content

    def counted(instance, path):
        read.append(os.path.basename(path))
        return content(instance, path)
    monkeypatch.setattr(configfiles, "content", counted)
    (tmp_path / "postgresql.conf").write_text("include 'a.conf'\n")
    (tmp_path / "a.conf").write_text("include 'postgresql.conf'\n")
    assert names(node, tmp_path) == ["a.conf", "postgresql.conf"]
    assert read == ["postgresql.conf", "a.conf"]


def test_includes_are_followed_as_deep_as_the_server_does(node, tmp_path):
    for number in range(13):
        name = str(tmp_path / (f"{number}.conf" if number else "postgresql.conf"))
        with open(name, "w", encoding="utf-8") as stream:
            stream.write(f"include '{number + 1}.conf'\n")
    found = names(node, tmp_path)
    assert "10.conf" in found and "11.conf" not in found
