"""The house rules that no other tool knows: short functions, a light agent, no name twice.

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
    "__future__ _signal _socket binascii collections errno fcntl functools glob grp io itertools "
    "json math os pwd re resource select shlex shutil signal socket stat string struct subprocess "
    "sys tempfile time xml".split())
#: Under `if MYPY:`, which Python never enters.
TYPES = frozenset(["typing"])
#: The command for people may import what the packages recommend.
FOR_PEOPLE = "paf/cli/"
#: Packages in which a module's or class's name occurs once. Python's own file names do not count.
ONE_NAME_EACH = ("paf", "lab")
NOT_NAMES = ("__init__", "__main__")


def main():
    """Print every breach; return the exit status."""
    found = [breach for path in sources() for breach in breaches(path)]
    found += [breach for folder in ONE_NAME_EACH for breach in repeated(REPOSITORY / folder)]
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
        if name.startswith("paf/") and isinstance(node, ast.Call) and is_newer_path(node):
            yield f"{name}:{node.lineno}: ElementTree of Python 2.6 has no iter, and no [] in paths"
        if name.startswith("paf/") and not name.startswith(FOR_PEOPLE):
            for module in imported(node):
                if module not in STANDARD | TYPES | {"paf"}:
                    yield f"{name}: the agent must not import {module}"


def is_newer_path(node):
    """Return whether an ast.Call looks for XML as Python 2.6 cannot do it."""
    if not isinstance(node.func, ast.Attribute):
        return False
    if node.func.attr in ("find", "findall"):
        return any("[@" in text.value for part in node.args for text in ast.walk(part)
                   if isinstance(text, ast.Constant) and isinstance(text.value, str))
    return node.func.attr in ("iter", "iterfind", "itertext")


def repeated(package):
    """Yield a line for each name that two modules or two classes of a package have.

    A package counts as a module, but its main module may have its name: cli/status/status.py.
    """
    modules, classes = {}, {}
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package.parent).as_posix()
        own = path.parent.name if path.stem == "__init__" else path.stem
        if own not in NOT_NAMES and (path.stem == "__init__" or own != path.parent.name):
            modules.setdefault(own, []).append(name)
        for defined in classes_of(ast.parse(path.read_text(encoding="utf-8"), name)):
            classes.setdefault(defined, []).append(name)
    for kind, found in (("module", modules), ("class", classes)):
        for name, places in sorted(found.items()):
            if len(places) > 1:
                yield f"{kind} {name} is in {', '.join(places)}: a name is for one {kind}"


def classes_of(tree):
    """Yield the names of the classes in a module, and of its named tuples."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            function = node.value.func
            called = getattr(function, "id", getattr(function, "attr", ""))
            if called == "namedtuple":
                yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def imported(node):
    """Return the top names of the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").partition(".")[0]}
    return set()


if __name__ == "__main__":
    sys.exit(main())
