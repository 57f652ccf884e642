"""Every sentence that the agent can give as a reason, read from its source.

    python3 -m tests.docs.reasons       prints them

A sentence is a string of three words or more that is no docstring, is not written to the log only,
and is no program's input. What is left over has to be in docs/troubleshooting.md.
"""

import ast
import re

from paf.decide import state
from tests.conftest import REPOSITORY

#: Modules whose sentences are never a reason, and what they are.
SILENT = {"metadata.py": "the meta-data", "variant.py": "the build", "log.py": "the log",
          "codes.py": "words by which a reason gets its code",
          "transition.py": "names of transitions, for the log",
          "timelines.py": "kinds of relations",
          "walprogram.py": "what pg_waldump prints",
          "controldata.py": "names of pg_controldata's lines"}
#: Calls whose sentences go to the log.
LOG = {"info", "debug", "warning", "error"}
#: Strings of other kinds, by how they begin.
OTHER = re.compile(r"\s*(-c |\(?SELECT|CASE|lsn: | at \(|wal \?sender|Usage: |len |"
                   r"\^rmgr: |error in WAL record at \(|rel \\d|last common|could not [(]|"
                   r"restore_command = |standby_mode = on\n|\\bat [(])")
#: What no administrator meets: programming errors, values, what others say.
INTERNAL = {"no state for {0!r}", "no round was opened", "open, and needs no votes",
            "closed by a refusal",
            "open, and the election said yes",
            "no absent node can hold an acknowledged commit",
            "error in WAL record at", "could not find a valid record after",
            "could not find valid record after",
            "a fact is neither true nor false: ask for its class",
            "does not exist", "no host values", "redirecting log output", "no rewind required",
            "could not connect", "server closed the connection", "no connection to the server",
            "the database system is", "out of memory", "no time is left",
            "could not start server", "Examine the log output", "another server might be running",
            "skipping missing configuration file",
            ": wal receiver process", ": wal writer process",
            # a standby that runs is no reason
            *(row[-1] for row in state.TABLE if row[-2] == state.STANDBY),
            *state.PROCESSES, *state.ANSWERS, *state.CONTROL_STATES, *state.FILES}


def sources():
    """Return the paths of the agent's modules; the command for people has words of its own."""
    return [path for path in sorted((REPOSITORY / "paf").rglob("*.py"))
            if "cli" not in path.parts and path.name not in SILENT]


def sentences():
    """Return {sentence: "module:line"} of all reasons, placeholders as str.format has them."""
    found = {}
    for path in sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        skipped = set(_skipped(tree))
        for node in ast.walk(tree):
            if id(node) not in skipped and isinstance(node, ast.Constant) and _is_sentence(
                    node.value):
                place = f"{path.relative_to(REPOSITORY)}:{node.lineno}"
                found.setdefault(node.value, place)
    return found


def _is_sentence(value):
    return (isinstance(value, str) and len(re.findall(r"[A-Za-z{}0-9]+", value)) >= 3
            and re.search(r"[a-z]{2,}[:;]? ", value) is not None and not OTHER.match(value)
            and value not in INTERNAL)


def _skipped(tree):
    """Yield the ids of the strings that are docstrings, for the log, or a declared text."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
                node, clean=False) is not None:
            yield id(vars(node.body[0])["value"])
        if isinstance(node, ast.Call) and (
                isinstance(node.func, ast.Attribute) and node.func.attr in LOG
                or isinstance(node.func, ast.Name) and node.func.id in (
                    "Parameter", "namedtuple", "Kind", "Rule")):
            yield from (id(child) for child in ast.walk(node) if isinstance(child, ast.Constant))


def pattern(sentence):
    """Return the regular expression (compiled) of a sentence with anything for its placeholders."""
    parts = re.split(r"\{\d[^}]*\}", sentence.strip())
    return re.compile(".+".join(re.escape(part) for part in parts))


if __name__ == "__main__":
    for text, where in sorted(sentences().items(), key=lambda pair: pair[1]):
        print(where, repr(text))
