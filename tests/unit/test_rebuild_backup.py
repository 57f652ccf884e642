"""paf rebuild --from pgbackrest: which backup is restored, or what is missing."""

import copy
import json
import os
import pwd
import types

import pytest

from paf import runner
from paf.cli.common import Problem
from paf.cli.rebuild import backup, copying, plan, source
from paf.instance import conninfo, processes, replacement
from tests.unit.support import instance_at

ID = 7712661807319062115
#: What pgbackrest 2.45 prints for a stanza with one backup, and for one that does not exist.
MAIN = json.loads('''{"archive":[{"database":{"id":1,"repo-key":1},"id":"15-1",
"max":"000000010000000000000007","min":"000000010000000000000006"}],"backup":[{"archive":{"start":
"000000010000000000000007","stop":"000000010000000000000007"},"backrest":{"format":5,"version":
"2.45"},"database":{"id":1,"repo-key":1},"error":false,"info":{"delta":8049949,"repository":{
"delta":1027180,"size":1027180},"size":8049949},"label":"20261127-014656F","lsn":{"start":
"0/700028","stop":"0/700100"},"prior":null,"reference":null,"timestamp":{"start":1795744016,
"stop":1795744017},"type":"full"}],"cipher":"none","db":[{"id":1,"repo-key":1,"system-id":
7712661807319062115,"version":"15"}],"name":"main","repo":[{"cipher":"none","key":1,"status":{
"code":0,"message":"ok"}}],"status":{"code":0,"lock":{"backup":{"held":false}},"message":"ok"}}''')
ABSENT = {"archive": [], "backup": [], "cipher": "none", "db": [], "name": "other", "status": {
    "code": 1, "message": "missing stanza path"}}


def changed(**changes):
    """Return MAIN with another name, other backups or another database."""
    stanza = copy.deepcopy(MAIN)
    stanza.update(changes)
    return stanza


def later(label, **changes):
    made = copy.deepcopy(MAIN["backup"][0])
    made.update({"label": label, "timestamp": {"start": 1895744016, "stop": 1895744017}, **changes})
    return made


def test_the_newest_backup_of_the_cluster_is_restored():
    newer = changed(backup=[later("B"), *MAIN["backup"], later("C", error=True),
                            later("D", database={"id": 7, "repo-key": 1})])
    assert backup.choose([MAIN], str(ID), 150000, "")[1]["label"] == "20261127-014656F"
    name, found = backup.choose([changed(name="x", db=[]), newer], str(ID), 150000, "")
    assert (name, found["label"]) == ("main", "B")


@pytest.mark.parametrize("stanzas, version, wanted, words", [
    ([], 150000, "", "no stanza here"),
    ([ABSENT], 150000, "other", "the stanza other cannot be used: missing stanza path"),
    ([ABSENT], 150000, "", "the stanza other has missing stanza path"),
    ([changed(db=[{"id": 1, "repo-key": 1, "system-id": 5, "version": "15"}])], 150000, "",
     f"system identifier {ID}.: the stanza main has 5"),
    ([changed(backup=[])], 150000, "", "the stanza main has no backup of this cluster"),
    ([MAIN, changed(name="second")], 150000, "", "say --stanza, one of main, second"),
    ([MAIN], 160000, "", "is of PostgreSQL 15, bindir has 16"),
    ([{"name": "main"}], 150000, "", "cannot be understood"),
    (["main"], 150000, "", "cannot be understood")])
def test_what_is_missing_is_named(stanzas, version, wanted, words):
    with pytest.raises(Problem, match=words):
        backup.choose(stanzas, str(ID), version, wanted)


@pytest.mark.parametrize("options, words", [
    ({"origin": "barman"}, "only pgbackrest"), ({"stanza": "main"}, "--stanza goes with"),
    ({"config": "/x"}, "--config goes with"), ({"primary": "host=x"}, "--primary goes with"),
    ({"origin": "pgbackrest", "rate": "50M"}, "--rate does not limit")])
def test_options_that_do_not_fit_are_refused(options, words):
    with pytest.raises(Problem, match=words):
        backup.is_wanted(chosen(**options))


def chosen(**options):
    return types.SimpleNamespace(**{"origin": "", "stanza": "", "config": "", "primary": "",
                                    "rate": None, **options})


def test_a_connection_string_is_the_way_to_the_primary_as_before():
    assert backup.is_wanted(chosen(origin="host=10.0.0.50")) is False
    assert backup.is_wanted(chosen(origin="pgbackrest", primary="host=10.0.0.50")) is True


def of(config="", stanza="main"):
    return backup.Backup("/usr/bin/pgbackrest", config, stanza, "L", 1, {"16400": "space"})


TARGET = plan.Plan([("/d/space.rebuilt", "/d/space", ""), ("/d/wal.rebuilt", "/d/wal", ""),
                    ("/d/data.rebuilt", "/d/data", "")],
                   [("pg_tblspc/16400", "/d/space"), ("pg_wal", "/d/wal")],
                   [("/theirs", "/d/space.rebuilt")], "/d/wal.rebuilt", [])


def test_the_command_restores_into_the_new_folders_alone():
    words = backup.command(of(), TARGET)
    assert words[0] == "/usr/bin/pgbackrest" and words[-1] == "restore"
    assert {"--pg1-path=/d/data.rebuilt", "--tablespace-map=16400=/d/space.rebuilt",
            "--link-map=pg_wal=/d/wal.rebuilt", "--set=L", "--no-delta",
            "--type=preserve"} < set(words)


def test_tablespaces_have_to_be_the_same():
    backup.check_spaces(of(), TARGET)
    with pytest.raises(Problem, match="space is in the backup, and no longer"):
        backup.check_spaces(of(), TARGET._replace(links=[("pg_wal", "/d/wal")]))
    with pytest.raises(Problem, match="16401 is not in the backup L"):
        backup.check_spaces(of(), TARGET._replace(links=[*TARGET.links, ("pg_tblspc/16401", "x")]))


def test_a_shell_reads_the_restore_command_as_it_is_meant():
    assert backup.restore_command(of(), "/d/data") == (
        '/usr/bin/pgbackrest --stanza=main --pg1-path=/d/data archive-get %f "%p"')
    text = backup.restore_command(of(config="/a b/it's.conf"), "/d/100%")
    assert text.startswith("/usr/bin/pgbackrest '--config=/a b/it'\\''s.conf' ")
    assert "--pg1-path=/d/100%% archive-get %f" in text


def test_a_restore_that_has_outlived_the_command_is_ended(monkeypatch):
    ended = []
    monkeypatch.setattr(processes, "end", lambda *words: ended.append(words))
    replacement.end_copy({"swaps": [list(swap) for swap in TARGET.swaps]})
    assert ("pgbackrest", "--pg1-path=/d/data.rebuilt") in ended


# The program

LISTED = json.dumps([MAIN])
WHOLE = json.dumps([changed(backup=[dict(MAIN["backup"][0], tablespace=[
    {"name": "space", "oid": 16400, "destination": "/theirs"}])])])
NONE = json.dumps([changed(backup=[dict(MAIN["backup"][0], tablespace=None)])])


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Make a pgbackrest that prints a text, another for one backup, and fails where there is none.

    What it was asked is in the file "asked" beside it.
    """
    monkeypatch.setattr(backup, "_FOLDERS", (str(tmp_path / "none"), str(tmp_path)))

    def make(listed, whole=""):
        for name, text in (("listed", listed), ("whole", whole)):
            (tmp_path / name).write_text(text)
        place = tmp_path / "pgbackrest"
        place.write_text(f"""#!/bin/sh
echo "$@" >> {tmp_path}/asked
case "$*" in *--set=*) found={tmp_path}/whole;; *) found={tmp_path}/listed;; esac
test -s $found && exec cat $found
echo "ERROR: [055]: unable to load info file" >&2
exit 55
""")
        place.chmod(0o755)
        return str(place)
    return make


def own_instance(tmp_path):
    mine = pwd.getpwuid(os.geteuid())
    return instance_at(tmp_path / "main")._replace(
        owner=runner.Account(mine.pw_name, mine.pw_uid, mine.pw_gid, mine.pw_dir))


def look(tmp_path, version=150000, **options):
    return backup.look(own_instance(tmp_path), source.Source("", str(ID), 1, {}, ""),
                       chosen(**options), version)


@pytest.mark.parametrize("whole, spaces", [(WHOLE, {"16400": "space"}), (NONE, {})])
@pytest.mark.parametrize("options, words", [
    ({}, ""), ({"stanza": "main", "config": "/c"}, "--config=/c ")])
def test_the_backup_is_asked_for_its_tablespaces(tmp_path, program, whole, spaces, options, words):
    """The list of backups does not have them."""
    path = program(LISTED, whole)
    assert look(tmp_path, **options) == backup.Backup(
        path, options.get("config", ""), "main", "20261127-014656F", 8049949, spaces)
    first, second = (tmp_path / "asked").read_text().splitlines()
    assert first == f"{words}--output=json{' --stanza=main' if options else ''} info"
    assert second == f"{words}--output=json --stanza=main --set=20261127-014656F info"


@pytest.mark.parametrize("listed, whole, words", [
    ("", "", "pgbackrest info failed: .055.: unable to load info file"),
    ("no JSON", "", "printed cannot be understood"), ("{}", "", "printed cannot be understood"),
    (LISTED, LISTED, "does not say which tablespaces the backup 20261127-014656F has"),
    (LISTED, "[]", "does not say which tablespaces")])
def test_what_pgbackrest_does_not_say_is_not_guessed(tmp_path, program, listed, whole, words):
    """A backup without the list of its tablespaces is not one without tablespaces."""
    program(listed, whole)
    with pytest.raises(Problem, match=words):
        look(tmp_path)


def test_a_pgbackrest_without_an_answer_is_said(tmp_path, program, monkeypatch):
    path = program(LISTED)
    with open(path, "w") as stream:
        stream.write("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(backup, "_PATIENCE", 0.2)
    with pytest.raises(Problem, match="pgbackrest info failed: no answer in time"):
        look(tmp_path)


def test_where_there_is_no_usable_pgbackrest_that_is_said(tmp_path, program):
    with pytest.raises(Problem, match="needs PostgreSQL 12"):
        look(tmp_path, version=110000)
    with pytest.raises(Problem, match="pgbackrest is not installed on this node"):
        look(tmp_path)
    path = program(LISTED)
    with open(path, "w") as stream:
        stream.write("#!/no/such/shell\n")
    with pytest.raises(Problem, match="pgbackrest"):
        look(tmp_path)


@pytest.mark.parametrize("version", [90600, 150000])
def test_a_copy_has_no_name_by_which_commits_wait_for_it(tmp_path, monkeypatch, version):
    """Since 10 it reports what it has as flushed, and nothing of it is on disk before its end."""
    target = plan.Plan([(str(tmp_path / "main.rebuilt"), str(tmp_path / "main"), "")], [], [], "",
                       [])
    work = copying.Copying(
        own_instance(tmp_path), "srv1", target,
        types.SimpleNamespace(conninfo="host=10.0.0.1 application_name=srv3", size=None),
        types.SimpleNamespace(rate=""), version, None)
    asked = []
    monkeypatch.setattr(work, "_run", lambda name, argv, *_: asked.append(argv))
    work._copy()
    given = conninfo.values(asked[0][asked[0].index("-d") + 1])
    assert given["application_name"] == "pg_basebackup" and given["host"] == "10.0.0.1"
    assert ("--no-slot" in asked[0]) == (version >= 100000)    # "*" is every name


@pytest.mark.parametrize("fails", [False, True])
def test_a_restore_goes_into_folders_of_the_owners(tmp_path, program, fails, capsys):
    path = program("", "" if fails else "restored")
    copies = [str(tmp_path / name) for name in ("wal.rebuilt", "main.rebuilt")]
    target = plan.Plan([(copies[0], "/wal", ""), (copies[1], "/main", "")],
                       [("pg_wal", "/wal")], [], copies[0], [])
    work = copying.Copying(
        own_instance(tmp_path), "srv1", target, None, types.SimpleNamespace(hours=1.0), 150000,
        of()._replace(program=path))
    if fails:
        with pytest.raises(Problem, match="pgbackrest restore failed: .055"):
            work._copy()
    else:
        work._copy()
    asked = (tmp_path / "asked").read_text()
    assert f"--pg1-path={copies[1]} --set=L" in asked and asked.endswith(" restore\n")
    assert all(os.stat(name).st_mode & 0o777 == 0o700 for name in copies)
