"""What is installed on a node: the standard library alone, in the language of 2.6 and 3.4."""

import ast
import pathlib
import runpy
import signal
import subprocess
import sys

import pytest

from paf import signals

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = REPOSITORY / "paf"
AGENT = REPOSITORY / "resource.d" / "pgsqlms"

#: For people, not for Pacemaker: may use psycopg2 and lxml.
FOR_PEOPLE = ("cli",)


def agent_files():
    return [AGENT] + sorted(
        path for path in LIBRARY.rglob("*.py")
        if path.relative_to(LIBRARY).parts[0] not in FOR_PEOPLE)


def imported(path):
    """Return the names of the modules that a file imports, at the top or further down."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_the_agents_path_imports_only_the_standard_library():
    strange = {(str(path.relative_to(REPOSITORY)), name)
               for path in agent_files() for name in imported(path)
               if name.split(".")[0] not in sys.stdlib_module_names | {"paf"}}
    assert strange == set()


def test_the_agents_path_imports_nothing_of_the_command_for_people():
    assert not [path for path in agent_files() for name in imported(path)
                if name.startswith("paf.cli")]


PURE = [path.relative_to(LIBRARY).as_posix()[:-3]
        for path in sorted((LIBRARY / "decide").glob("*.py"))] + ["cluster/cib", "cluster/rules"]
#: typing: for mypy, under an `if` that Python never enters
ALLOWED = {"collections", "binascii", "xml.parsers", "paf", "paf.ocf", "paf.decide", "re",
           "paf.decide.knowledge", "paf.decide.timelines", "paf.cluster", "paf.cluster.cib",
           "typing"}


@pytest.mark.parametrize("name", PURE)
def test_what_decides_imports_nothing_that_observes_or_acts(name):
    assert set(imported(LIBRARY / f"{name}.py")) <= ALLOWED
    for node in ast.walk(ast.parse((LIBRARY / f"{name}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "paf":
            assert {alias.name for alias in node.names} <= {"ocf"}


def test_no_file_uses_what_2_6_cannot_parse():
    """Numbered fields, no set literals and no comprehensions of sets and dicts."""
    import re
    for path in agent_files():
        tree = ast.parse(path.read_text())
        found = [node for node in ast.walk(tree) if isinstance(
            node, (ast.Set, ast.SetComp, ast.DictComp, ast.JoinedStr, ast.AnnAssign))]
        assert found == [], path
        assert not re.search(r'\{(:[^}]*)?\}"?\.format', path.read_text()), path


@pytest.mark.parametrize("action", [
    "actions.monitor", "actions.notify", "notifications.pre_promote", "notifications.post_promote",
    "notifications.pre_demote", "notifications.post_start", "actions.start", "actions.stop",
    "actions.demote", "actions.promote"])
def test_no_action_on_the_path_of_an_outage_loads_a_heavy_module(action):
    """Start-up is most of what a monitor costs, and a recovery has ten notifications in a row."""
    code = (f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); "
            f"import paf.agent, paf.context, paf.crash.watcher, paf.{action}; "
            "import paf.cluster.corosync2; print(sorted(sys.modules))")
    out = subprocess.run([sys.executable, "-ISB", "-c", code], capture_output=True, text=True,
                         check=True).stdout
    loaded = set(ast.literal_eval(out))
    assert not loaded & {"subprocess", "logging", "argparse", "json", "psycopg2", "lxml", "shlex",
                         "re", "enum", "signal", "functools", "tempfile",
                         "threading", "typing", "inspect", "urllib"}


def test_signals_have_the_same_numbers_where_python_has_them_in_another_module(monkeypatch):
    """Python 2, and any later one that renames its own module."""
    monkeypatch.setitem(sys.modules, "_signal", None)
    found = runpy.run_path(str(LIBRARY / "signals.py"))
    for name in found["__all__"]:
        if name != "signal":
            assert int(found[name]) == int(getattr(signals, name))
    assert found["signal"](signal.SIGUSR2, found["SIG_DFL"]) == signal.SIG_DFL
