"""What root does in folders of the servers' user, and what it runs with which rights."""

import ast
import os
import re

import pytest

from paf import accounts, instance
from paf.instance import configfiles, journal, ownfiles, standby_mode
from tests.conftest import REPOSITORY
from tests.unit.support import parameters_with

PAGE = (REPOSITORY / "docs" / "rights.md").read_text(encoding="utf-8")
ROOT, OWNER = "root", "system_user"
#: What changes something outside of the process, by module and name.
ACTS = {"os": {"kill", "killpg", "mkdir", "rename", "unlink", "fchown", "chown", "write", "open",
               "rmdir", "symlink", "chmod"},
        "shutil": {"rmtree", "copy2", "copy", "move"}, "postmaster": {"send", "send_to"},
        "runner": {"write_all"}}
#: What runs a program: the runner, and a Cluster, by itself or for others.
RUNNERS = ("runner.run", "self.run", "self.checked", ".run", ".checked")
#: Programs whose names are in variables.
NAMED = {("walprogram.py", "settings.wal_dump"): "pg_waldump",
         ("listening.py", "program[0]"): "getent",
         ("programversion.py", "name"): "postgres",    # and pg_controldata
         ("base.py", "programs.find(argv[0])"): ""}    # Cluster.run: of what others run


def sources():
    """Return (path, tree) of all modules of the agent; the command for people is none of it."""
    return [(path, ast.parse(path.read_text(encoding="utf-8")))
            for path in sorted((REPOSITORY / "paf").rglob("*.py")) if "cli" not in path.parts]


def called(call):
    """Return the dotted name that a call calls, or its last part."""
    function = call.func
    if isinstance(function, ast.Attribute):
        base = function.value.id if isinstance(function.value, ast.Name) else ""
        return f"{base}.{function.attr}"
    return function.id if isinstance(function, ast.Name) else ""


def program_of(node, path):
    """Return the program that a list of arguments begins with, "" for none."""
    while isinstance(node, ast.BinOp):
        node = node.left
    first = node.elts[0] if isinstance(node, ast.List) and node.elts else None
    if isinstance(first, ast.Constant):
        return first.value
    if isinstance(first, ast.Call) and called(first) == "local.program":
        name = first.args[1]
        if isinstance(name, ast.Constant):
            return name.value
        return NAMED[(path.name, called(name) if isinstance(name, ast.Call) else ast.unparse(name))]
    # a list whose program is not seen here would be missing in the page
    return NAMED[(path.name, ast.unparse(first))] if first is not None else ""


def programs():
    """Return {(program, account)} of all that the agent runs."""
    found = set()
    for path, tree in sources():
        for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
            lists = {n.targets[0].id: n.value for n in ast.walk(function)
                     if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)}
            for call in (n for n in ast.walk(function) if isinstance(n, ast.Call)):
                if called(call) not in RUNNERS:
                    continue
                argument = call.args[0]
                while isinstance(argument, ast.BinOp):
                    argument = argument.left
                name = program_of(lists.get(argument.id, argument) if isinstance(
                    argument, ast.Name) else argument, path)
                account = OWNER if any(k.arg == "user" for k in call.keywords) else ROOT
                found |= {(name, account)} if name else set()
    return found


def acts():
    """Return the modules that change something themselves, and by what functions."""
    found = {}
    for path, tree in sources():
        for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
            module, _, name = called(call).partition(".")
            if name in ACTS.get(module, ()):
                where = path.relative_to(REPOSITORY).as_posix()
                found.setdefault(where, set()).add(f"{module}.{name}")
    return found


def rows(title):
    """Return the rows of the table under a title of the page, as lists of cells."""
    section = re.search(rf"(?ms)^## {title}$(.*?)(?=^## |\Z)", PAGE)[1]
    return [[cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
            for line in section.splitlines() if line.startswith("| `")]


def test_the_page_lists_each_program_and_its_account():
    listed = {(name, account) for name, account, _ in rows("Programs")}
    assert listed == programs()


def test_the_page_lists_each_module_that_changes_something_itself():
    listed = {name: {word.strip(" `") for word in words.split(",")}
              for name, words, *_ in rows("By itself")}
    assert listed == acts()


def test_nothing_is_run_by_a_shell():
    names = {called(call) for _, tree in sources() for call in ast.walk(tree)
             if isinstance(call, ast.Call)}
    assert not names & {"os.system", "os.popen", "subprocess.Popen", "subprocess.call", "eval",
                        "exec", "os.spawnv", "pty.spawn", "compile"}
    execs = {name for name in names if name.startswith("os.exec")}
    assert execs == {"os.execve"}


# Links where root writes or reads: only root can show that they lead nowhere

@pytest.fixture
def theirs(tmp_path):
    """An instance whose data directory is another account's, in a folder that it may enter."""
    account = accounts.account("nobody")
    data = tmp_path / "data"
    data.mkdir()
    for folder in (data, tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o777 == 0o700:    # pytest's own
            folder.chmod(0o755)
    os.chown(data, account.uid, account.gid)
    (data / "PG_VERSION").write_text("11")
    (tmp_path / "secret").write_text("only root's")
    (tmp_path / "secret").chmod(0o600)
    return instance.Instance(parameters_with(
        pgdata=str(data), recovery_template=str(data / "template")), account)


@pytest.mark.root
def test_a_template_that_leads_to_a_file_of_roots_is_not_read(theirs, tmp_path):
    (tmp_path / "data" / "template").symlink_to(tmp_path / "secret")
    with pytest.raises(instance.BadParameter, match="Permission denied"):
        standby_mode.enable(theirs)
    assert not (tmp_path / "data" / "recovery.conf").exists()


@pytest.mark.root
def test_files_of_roots_in_the_data_directory_are_moved_but_never_read(theirs, tmp_path):
    (tmp_path / "data" / "postgresql.conf").symlink_to(tmp_path / "secret")
    os.link(tmp_path / "secret", tmp_path / "data" / "pg_hba.conf")
    os.chown(tmp_path, theirs.owner.uid, theirs.owner.gid)
    journal.begin(theirs, {})
    ownfiles.move_aside(theirs, ["pg_hba.conf", "postgresql.conf"], [])
    assert (tmp_path / "secret").stat().st_uid == 0
    ownfiles.put_back(theirs, [])
    assert (tmp_path / "data" / "pg_hba.conf").samefile(tmp_path / "secret")
    assert os.readlink(tmp_path / "data" / "postgresql.conf") == str(tmp_path / "secret")
    with pytest.raises(instance.NotUsable, match="cannot read .*secret: Permission denied"):
        configfiles.content(theirs, tmp_path / "secret")
    assert os.geteuid() == 0


@pytest.mark.root
def test_a_journal_is_not_made_where_somebody_else_could_replace_it(theirs, tmp_path):
    os.chown(tmp_path, 12345, 12345)
    with pytest.raises(instance.NotUsable, match="Permission denied"):
        journal.begin(theirs, {})
    os.chown(tmp_path, 0, 0)
    journal.begin(theirs, {"phase": "kept"})
    assert journal.read(theirs)["phase"] == "kept"
    assert (tmp_path / ".data.pgsqlms").stat().st_uid == theirs.owner.uid
    journal.remove(theirs)
    assert not journal.exists(theirs)


@pytest.mark.root
def test_a_data_directory_that_leads_elsewhere_is_not_written_to(theirs, tmp_path):
    (tmp_path / "etc").mkdir(mode=0o755)
    (tmp_path / "data" / "template").write_text("standby_mode = on\n")
    os.rename(tmp_path / "data", tmp_path / "aside")
    (tmp_path / "data").symlink_to(tmp_path / "etc")
    with pytest.raises(instance.NotUsable, match="Permission denied"):
        standby_mode.put(theirs, "standby.signal", "")
    assert list((tmp_path / "etc").iterdir()) == []


@pytest.mark.root
def test_what_is_written_belongs_to_the_servers_user(theirs, tmp_path):
    standby_mode.put(theirs, "standby.signal", "")
    status = (tmp_path / "data" / "standby.signal").stat()
    assert (status.st_uid, status.st_gid) == (theirs.owner.uid, theirs.owner.gid)
    assert (os.geteuid(), os.getegid()) == (0, 0)
