"""Nothing that this release calls deprecated, and no word that it no longer uses, is ours."""

import re
from xml.etree import ElementTree

from lab import systems
from trials.matrix import programs
from trials.matrix.packages import AGENT
from trials.matrix.programs import DEPRECATED

LOGS = ("/var/log/pacemaker/pacemaker.log", "/var/log/corosync/corosync.log",
        "/var/log/pacemaker.out", "/var/log/corosync.out")

# "master-pgsqld" is the name of the attribute that promotion scores have in every Pacemaker
_OLD = re.compile(r"\b(master|slave|stonith)\b(?!-)", re.I)
_OURS = re.compile(r"^pgsqlms\(|\spgsqlms\(")


def found(lab):
    """Return what is deprecated or out of use in logs, meta-data and commands, as sentences."""
    node = lab.nodes[lab.primary()]
    return [*_in_logs(lab), *_in_metadata(lab, node), *_in_pcs(node),
            *_in_options(node, programs.of_agent()),
            *(problem for each in lab.nodes.values()
              for problem in _in_options(each, programs.of_command(each)))]


def _in_logs(lab):
    for name, node in lab.nodes.items():
        for line in (line for path in LOGS for line in node.log(path).splitlines()):
            if DEPRECATED.search(line):
                yield f"log of {name}: {line[:300]}"
            elif _is_new(lab) and _OURS.search(line) and _OLD.search(line):
                yield f"the agent says on {name}: {line[:300]}"


def _is_new(lab):
    return all(systems.knows_promoted(lab.settings.system(name)) for name in lab.nodes)


def _in_metadata(lab, node):
    root = ElementTree.fromstring(node.run([AGENT, "meta-data"]).output)
    roles = {action.get("role", "") for action in root.iter("action")} - {""}
    wanted = {"Promoted", "Unpromoted"} if _is_new(lab) else {"Master", "Slave"}
    if roles != wanted:
        yield f"the meta-data has the roles {sorted(roles)}, this release {sorted(wanted)}"
    version = root.findtext("version")
    if version != ("1.1" if _is_new(lab) else "1.0"):
        yield f"the meta-data is OCF {version}"
    if _is_new(lab) and any("unique" in parameter.attrib for parameter in root.iter("parameter")):
        yield "the meta-data has the attribute unique"


def _in_options(node, used):
    for program, options in used.items():
        known = node.run([program, "--help-all"], check=False)
        old = node.run([program, "--help-deprecated"], check=False)
        for option in options:
            # at the begin of a line: below, there are examples
            has = re.compile(rf"(?m)^\s+(-\S, ?)?{option}($|[\s,=\[])")
            if not has.search(known.output + known.error):
                yield f"{program} does not show the option {option}"
            elif old.ok and has.search(old.output):
                yield f"{program} calls the option {option} deprecated"


def _in_pcs(node):
    for words in (["resource", "describe", "ocf:heartbeat:pgsqlms"], ["status"],
                  ["resource", "config", "pgsqld"]):
        result = node.run(["pcs", *words], check=False)
        if not result.ok or DEPRECATED.search(result.output + result.error):
            yield f"pcs {' '.join(words)}: {(result.output + result.error)[-300:]}"
