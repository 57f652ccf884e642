"""paf check on what differs between systems: start.conf, systemd's defaults, PostgreSQL's age."""

import pytest

from paf.cli import finding
from paf.cli.check import host as check_host
from tests.unit.support import instance_at
from tests.unit.test_cli_check import found, RESTART


@pytest.mark.parametrize("words, count", [
    (None, 1), ("", 1), ("auto    # ours", 1), ("  auto", 1), ("manual # by Pacemaker", 0),
    ("disabled", 0)])
def test_debian_starts_what_its_start_conf_does_not_keep_back(tmp_path, words, count):
    """Without the file as well, as in a copied folder; its scripts read the first word alone."""
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "postgresql.service").write_text("[Service]\nExecStart=/bin/true\n")
    folder = tmp_path / "etc/postgresql/15/main"
    folder.mkdir(parents=True)
    (folder / "postgresql.conf").write_text("")
    if words is not None:
        (folder / "start.conf").write_text(words + "\n")
    found = list(check_host.service(str(tmp_path)))
    assert [item.pcs for item in found] == [
        ["echo manual > /etc/postgresql/15/main/start.conf"]] * count


@pytest.mark.parametrize("text, level", [("", finding.UNSEEN), ("RemoveIPC=yes", finding.ERROR)])
def test_the_default_of_red_hats_systemd_is_not_known(tmp_path, text, level):
    (tmp_path / "etc/systemd").mkdir(parents=True)
    (tmp_path / "etc/redhat-release").write_text("AlmaLinux release 9.4\n")
    (tmp_path / "etc/systemd/logind.conf").write_text("[Login]\n" + text + "\n")
    item, = check_host.logout(instance_at(tmp_path), str(tmp_path))
    assert item.level == level


@pytest.mark.parametrize("version, in_recovery, last", [
    ("110022", True, None), ("120022", True, RESTART[-1]), ("120022", False, "pg_reload_conf"),
    ("150000", True, "pg_reload_conf"), ("", True, "pg_reload_conf")])
def test_primary_conninfo_is_mended_as_its_version_needs(version, in_recovery, last):
    """Up to 11 it is no setting, and a standby of 12 reads it at its start only."""
    item, = [one for one in found(conninfo="host=10.0.0.50 user=repl", in_recovery=in_recovery,
                                  restart=RESTART, settings={"server_version_num": version})
             if "application_name" in one.what]
    assert item.pcs[-1:] == [] if last is None else last in item.pcs[-1]
