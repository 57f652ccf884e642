"""Which of Pacemaker's programs are run, with which options: by the agent, and by the command paf.

What the agent runs is read from its source. The command is run with recorders before the programs.
"""

import ast
import re

from lab.settings import CHECKOUT

#: Not searched: the command paf, whose calls are recorded, and corosync1.py, of another build.
_NOT_THE_AGENT = {"cli", "corosync1.py"}
#: Options for older releases only: unit tests hold when they are left out.
_OLDER = {"cibadmin": {"--local"}}

NAMES = ("cibadmin", "crm_attribute", "attrd_updater", "crm_node", "crm_resource", "crm_mon",
         "crm_diff", "crmadmin", "crm_master", "crm_verify", "stonith_admin")
_FOLDER = "/opt/paf-lab/recorders"
_RECORD = "/var/log/paf-programs.log"
_RECORDER = f"""#!/bin/sh
echo "${{0##*/}} $*" >> {_RECORD}
for folder in /usr/sbin /usr/bin; do
    [ ! -x "$folder/${{0##*/}}" ] || exec "$folder/${{0##*/}}" "$@"
done
exit 127
"""

DEPRECATED = re.compile("deprecat|no longer supported", re.I)
_OPTION = re.compile(r"-\w|--[a-z][a-z-]*")


def of_agent():
    """Return {program: its options} (sorted lists of str) of all that the agent may run."""
    found = {}
    for path in sorted((CHECKOUT / "paf").rglob("*.py")):
        if _NOT_THE_AGENT.intersection(path.relative_to(CHECKOUT / "paf").parts):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            words = [node.value for node in ast.walk(function) if isinstance(node, ast.Constant)]
            for program in set(words).intersection(NAMES):
                found.setdefault(program, set()).update(
                    word for word in words if _OPTION.fullmatch(str(word)))
    return {program: sorted(options - _OLDER.get(program, set()))
            for program, options in found.items()}


def paf(node, *words, check=True, timeout=60):
    """Run the command paf in a node with recorders; return its Result.

    Raises AssertionError where it breaks, or where it or a program that it runs calls something
    deprecated.
    """
    node.install(f"{_FOLDER}/recorder", _RECORDER)
    node.run(["sh", "-ec", f"cd {_FOLDER}; for name; do ln -sf recorder $name; done", "sh", *NAMES])
    result = node.run(["paf", *words], env={"HA_SBIN_DIR": _FOLDER}, check=check, timeout=timeout)
    text = result.output + result.error
    if "Traceback" in text or DEPRECATED.search(text):
        raise AssertionError(f"paf {' '.join(words)}: {text}")
    return result


def of_command(node):
    """Return {program: its options} (sorted lists of str) of what paf has run in a node."""
    found = {}
    for line in node.log(_RECORD).splitlines():
        program, *words = line.split()
        found.setdefault(program, set()).update(
            word for word in (word.partition("=")[0] for word in words) if _OPTION.fullmatch(word))
    return {program: sorted(options) for program, options in found.items()}
