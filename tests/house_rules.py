"""The house rules that no other tool knows: short files, short functions, a light agent.

    python3 tests/house_rules.py        prints what breaks them; exit status 1 if anything does
"""

import ast
import pathlib
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
FILE_LINES = 400
FUNCTION_LINES = 40

#: What the agent may import: an agent that cannot import is an outage.
STANDARD = frozenset(
    "__future__ _signal binascii collections errno fcntl functools glob grp io itertools json math "
    "os pwd re resource select shlex shutil signal socket stat string struct subprocess sys syslog "
    "tempfile time xml".split())
#: Under `if MYPY:`, which Python never enters.
TYPES = frozenset(["typing"])
#: The command for people may import what the packages recommend.
FOR_PEOPLE = "paf/cli/"


def main():
    """Print every breach; return the exit status."""
    found = [breach for path in sources() for breach in breaches(path)]
    for breach in found:
        print(breach)
    return 1 if found else 0


def sources():
    """Return the paths of all Python of the project."""
    folders = ("paf", "lab", "trials", "tests", "docs")
    paths = [path for folder in folders for path in sorted((REPOSITORY / folder).rglob("*.py"))]
    return [*paths, REPOSITORY / "resource.d" / "pgsqlms"]


def breaches(path):
    """Yield a line for each rule that the file breaks."""
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(REPOSITORY).as_posix()
    length = text.count("\n")
    if length >= FILE_LINES:
        yield f"{name}: {length} lines; files are shorter than {FILE_LINES}"
    for node in ast.walk(ast.parse(text, name)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length >= FUNCTION_LINES:
                yield (f"{name}:{node.lineno}: {node.name} has {length} lines; functions are "
                       f"shorter than {FUNCTION_LINES}")
        if name.startswith("paf/") and not name.startswith(FOR_PEOPLE):
            for module in imported(node):
                if module not in STANDARD | TYPES | {"paf"}:
                    yield f"{name}: the agent must not import {module}"


def imported(node):
    """Return the top names of the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").partition(".")[0]}
    return set()


if __name__ == "__main__":
    sys.exit(main())
