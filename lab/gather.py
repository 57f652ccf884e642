"""Collect logs and states of a lab in one folder."""

import shutil

from .pacemaker_log import transitions
from .tools import LabError, write_file

QUESTIONS = {
    "crm_mon.txt": ["crm_mon", "-1", "-r", "-A", "-f", "-n"],
    "cib.xml": ["cibadmin", "--query", "--local"],
    "quorum.txt": ["corosync-quorumtool", "-s"],
    "processes.txt": ["ps", "-eo", "pid,ppid,stat,etimes,args", "--forest"],
    "addresses.txt": ["ip", "-brief", "address"],
    "history.txt": ["stonith_admin", "--history", "*", "--verbose"],
}


def gather(lab, folder):
    """Copy all logs into `folder`, with what running nodes answer; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("lab.json", "network.json", "fencings.jsonl", "power.log", "client", "sampler"):
        _copy(lab.folder / name, folder / name)
    for node in lab.nodes.values():
        _node(node, folder / node.name)
    logs = {name: node.log() for name, node in lab.nodes.items()}
    write_file(folder / "transitions.txt", picture(transitions(logs, lab.now())))
    return folder


def picture(found):
    """Return transitions as text, an action a line."""
    lines = []
    for transition in found:
        if transition.actions:
            lines.append(f"transition {transition.number} of {transition.dc}")
            lines += [
                f"  {action.start - transition.start:7.2f} {action}"
                for action in transition.actions
            ]
    return "\n".join(lines) + "\n"


def _copy(source, target):
    if source.is_dir():
        shutil.copytree(
            source, target, dirs_exist_ok=True, symlinks=True, ignore=shutil.ignore_patterns("pid")
        )
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def _node(node, folder):
    settings, disk = node.settings, node.disk
    _copy(disk.path("/var/log"), folder / "log")
    _copy(disk.path("/var/lib/pacemaker/cib/cib.xml"), folder / "cib-on-disk.xml")
    # what the scheduler decided from: crm_simulate -x plays it again
    _copy(disk.path("/var/lib/pacemaker/pengine"), folder / "pengine")
    for name in ("boot.json", "console.log", "agent.json"):
        _copy(disk.folder / name, folder / name)
    for name in ("node.conf", "pg_hba.conf"):
        _copy(disk.path(f"/var/lib/postgresql/{name}"), folder / name)
    for path in disk.path(settings.pgdata).glob("*.history"):
        _copy(path, folder / path.name)
    if not node.is_on:
        write_file(folder / "is-off", "")
        return
    questions = {
        **QUESTIONS,
        "controldata.txt": [f"{settings.bindir}/pg_controldata", settings.pgdata],
    }
    for name, argv in questions.items():
        try:
            result = node.run(argv, check=False, timeout=10)
            write_file(folder / name, result.output + result.error)
        except LabError as error:
            write_file(folder / name, f"{error}\n")
