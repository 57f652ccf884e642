#!/usr/bin/env python3
"""Write the pages that come from the code: parameters, the tables that decide, the verbs of paf.

    python3 -B docs/generate.py FOLDER      writes the pages in PAGES

The pages are in the repository, so that they can be read where it is browsed; a test sees that they
are those of the code.
"""

import io
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import command    # noqa: E402

from paf import metadata, ocf, parameters
from paf.decide import election, quorum, scores, state, wal    # noqa: E402
from paf.decide.knowledge import AtLeast, Known, Unknown    # noqa: E402
from paf.cli import main as cli    # noqa: E402

NOTE = "<!-- made by docs/generate.py from the code: change it there -->\n"
FOOT = "\n*This page is generated from the code by docs/generate.py.*\n"

PARAMETERS = """# Parameters

Those of the resource agent `ocf:heartbeat:pgsqlms`. None is required where the default fits.
`pcs resource describe ocf:heartbeat:pgsqlms`, `crm ra info ocf:heartbeat:pgsqlms` and
`man ocf_heartbeat_pgsqlms` say the same on a node.

A change of a *reloadable* parameter needs no restart: PostgreSQL goes on running. `start_opts`, and
for the server also `bindir`, take effect at its next start. A value that cannot be used, or with
which no server starts, does not take effect while the last good one is known: that one is used, and
`degraded_because-<resource>` in `crm_mon -1A` says so. A change of any other parameter restarts the
resource on all nodes.
"""

OPERATIONS = """## Operations

Give all of them explicitly. Without a timeout of its own an operation has 20 s, which is not enough
for a shutdown. These are the least that is advised; a busy server with a large
`shared_buffers` needs more for `stop` and `demote`.

| operation | timeout | interval | role |
| --- | --- | --- | --- |
"""

TABLES = """# The tables that decide

The agent decides by tables. These are printed from its code; [How PAF decides](decisions.md)
explains them.

## What state is an instance in?

Each row: what was observed, and what it means. The process is looked at first, then SQL, and only
then the control file (`pg_controldata`) and the files of the data directory. A dash: it does not
matter. Every combination fits exactly one row.

| process | answer to SQL | control file | files | state | why |
| --- | --- | --- | --- | --- | --- |
"""

CODES = """
## What does the agent return to Pacemaker?

| state | a probe | a recurring monitor |
| --- | --- | --- |
"""

SCORES = """
## Promotion scores

| score | who |
| ---: | --- |
"""

ELECTION = """
## The election

The timeline counts first, then the LSN; on a tie the candidate stays. These verdicts were given by
the agent's own code, with srv1 as the candidate:

| srv1 | srv2 | srv3 | verdict |
| --- | --- | --- | --- |
"""

#: Positions that srv1, srv2 and srv3 published: (timeline, LSN), None for no answer.
VOTES = (
    ((3, "0/5000148"), (3, "0/5000060"), (3, "0/5000148")),
    ((3, "0/5000060"), (3, "0/5000148"), (3, "0/5000060")),
    ((3, "0/9000000"), (4, "0/5000148"), (3, "0/9000000")),
    ((3, "0/5000148"), (3, "0/5000060"), None),
    ((3, "0/5000148"), (0, "0/0"), (3, "0/5000060")),
    ((3, "0/5000148"), (3, "0/5000060"), (3, "0/5000060", "pg_waldump was killed")),
    ((3, "0/5000148"), (3, "0/5000148"), ("pg_controldata gives no answer",)),
    ((3, "0/5000148", "reading the WAL took too long"), (3, "0/5000060"), (3, "0/5000060")),
)

#: synchronous_standby_names, and who votes or has left last words; srv1 was the primary, and is
#: lost.
HEARD = (
    ("ANY 1 (srv1, srv2, srv3)", "srv3"),
    ("ANY 1 (srv1, srv2, srv3)", "srv2, srv3"),
    ("ANY 2 (srv1, srv2, srv3)", "srv3"),
    ("FIRST 1 (srv2, srv3)", "srv3"),
    ("FIRST 1 (srv2)", "srv2"),
    ("*", "srv2"),
    ("ANY 1 (srv2, backup)", "srv2, srv3"),
)

QUORUM = """
## Nodes that do not vote, where commits wait for standbys

srv1 was the primary and is lost; the candidate has all that the others who are heard have.

| synchronous_standby_names | heard (votes, or last words) | decision |
| --- | --- | --- |
"""
_CODE_NAMES = {ocf.SUCCESS: "success: a standby runs", ocf.ERR_GENERIC: "generic error",
               ocf.NOT_RUNNING: "not running", ocf.RUNNING_PROMOTED: "a primary runs",
               ocf.FAILED_PROMOTED: "a failed primary"}
#: (score, who), in the words of decisions.md.
WHO = (
    (scores.PRIMARY, "the primary"),
    (scores.BEST, "the most advanced standby"),
    (scores.BEST - scores.STEP, "the next one, and so on in steps of {0}".format(scores.STEP)),
    (scores.FIRST, "the first score of a new cluster, or who lost an election"),
    (scores.NOT_READY, "a base backup, or the start of streaming, is under way"),
    (-scores.BEST, "the most advanced standby, when its lag is above `maxlag`; -{0} the "
     "next".format(scores.BEST - scores.STEP)),
    (election.WAITING, "nothing proved that its promotion loses nothing; tried again when what is "
     "missing comes"),
    (scores.NOT_CONNECTED, "not connected to the primary, or away"),
    (election.BARRED, "its promotion was refused; until it streams again and has caught up"),
)


def parameters_page():
    """Return the page about the parameters (str)."""
    parts = [PARAMETERS]
    for item in parameters.DECLARED:
        parts.append("## {0}\n\n{1}\n\n| property | value |\n| --- | --- |\n"
                     "| default | {2} |\n| type | {3} |\n"
                     "| reloadable | {4} |\n".format(item.name, item.text, default_of(item),
                                                     item.kind, "yes" if item.reloadable else "no"))
    rows = "".join("| {0} | {1} s | {2} | {3} |\n".format(
        action.name, action.timeout, "{0} s".format(action.interval) if action.interval else "",
        action.role.capitalize()) for action in metadata.ACTIONS
        if action.name in ("start", "stop", "promote", "demote", "monitor", "notify"))
    return NOTE + "\n" + "\n".join(parts + [OPERATIONS + rows])


def default_of(item):
    """Return a parameter's default as people read it; pghost differs between distributions."""
    if item.name == "pghost":
        return "`/tmp`; in Debian's package `/var/run/postgresql`"
    if item.default.startswith("@"):
        rest = item.default[len("@pgdata"):]
        return "`<pgdata>{0}`".format(rest) if rest else "the value of `pgdata`"
    return "`{0}`".format(item.default) if item.default else "empty"


def cell(value):
    """Return what a cell of the state table says."""
    if value is None:
        return "-"
    return " / ".join(value) if isinstance(value, tuple) else value


def vote_text(vote):
    """Return a vote as people read it."""
    if vote is None:
        return "no vote"
    if len(vote) == 1:
        return "unknown"
    return "{0}TL {1}, {2}".format("" if len(vote) == 2 else "at least ", *vote[:2])


def fact(vote):
    """Return the Fact of a vote in VOTES."""
    if len(vote) == 1:
        return Unknown(vote[0])
    position = wal.Position(vote[0], wal.parse_lsn(vote[1]))
    return Known(position) if len(vote) == 2 else AtLeast(position, vote[2])


def verdict(votes):
    """Return what the agent's own code decides on the votes of srv1, srv2 and srv3."""
    nodes = ("srv1", "srv2", "srv3")
    positions = dict((node, fact(vote)) for node, vote in zip(nodes, votes) if vote)
    found = election.decide("srv1", nodes, positions)
    return "{0}: {1}".format("promote" if found.promote else "not promoted", found.reason)


def unheard(setting, heard):
    """Return what the agent's own code says of nodes that were not heard after srv1 was lost."""
    names = quorum.unheard(quorum.parse(setting).value, "srv1", heard.split(", "),
                           ["srv1", "srv2", "srv3"])
    return "not promoted: {0} may hold an acknowledged commit".format(
        " or ".join(names)) if names else "promote"


def tables_page():
    """Return the page with the tables (str)."""
    text = NOTE + "\n" + TABLES
    text += "".join("| {0} |\n".format(" | ".join(cell(value) for value in row))
                    for row in state.TABLE)
    text += CODES
    for name, codes in sorted(state.MONITOR_CODES.items(), key=lambda pair: pair[0]):
        text += "| {0} | {1} | {2} |\n".format(name, *["{0}, {1}".format(
            code, _CODE_NAMES[code]) for code in codes])
    text += SCORES + "".join("| {0} | {1} |\n".format(*row) for row in WHO)
    text += ELECTION + "".join("| {0} | {1} |\n".format(
        " | ".join(vote_text(vote) for vote in votes), verdict(votes)) for votes in VOTES)
    return text + QUORUM + "".join("| `{0}` | {1} | {2} |\n".format(
        setting, heard, unheard(setting, heard)) for setting, heard in HEARD)


VERBS = """# The verbs of paf

What `paf VERB --help` and `man paf` say. [The command paf](paf-command.md) explains where
its facts come from. All verbs are run as root.
"""


def verbs_page():
    """Return the page about the command's verbs (str)."""
    parts = [VERBS]
    for name, brief, verb in command.verbs_of(cli.parser()):
        module = cli.module_of(name)
        parts.append("## paf {0}\n\n{1}.\n\n{2}\n".format(
            name, brief[0].upper() + brief[1:], paragraphs(module.TEXT)))
        parts.append("| option | meaning |\n| --- | --- |\n" + "".join(
            "| `{0}` | {1} |\n".format(command.named(action).replace("|", "\\|"), action.help)
            for action in command.options_of(verb)))
        parts.append("".join("    {0}\n".format(line) for line in module.EXAMPLES))
        parts.append("| exit code | meaning |\n| ---: | --- |\n" + "".join(
            "| {0} | {1} |\n".format(*pair) for pair in module.EXIT_CODES))
    return NOTE + "\n" + "\n".join(parts)


def paragraphs(text):
    """Return the text of a help with its indented lines as items of a list."""
    lines = []
    for line in text.splitlines():
        if line.startswith("  ") and not lines[-1].startswith(("*", " ")):
            lines.append("")
        if not line.startswith(" ") and lines and lines[-1].startswith(("*", " ")):
            lines.append("")
        starts = line.startswith("  ") and (lines[-1] == "" or lines[-1].endswith(";"))
        lines.append("* " + line.strip() if starts else line)
    return "\n".join(lines).replace("<", "\\<")


PAGES = (("parameters.md", parameters_page), ("decision-tables.md", tables_page),
         ("paf-verbs.md", verbs_page))


def main(argv):
    """Write the pages into the folder that argv names; return the exit status."""
    for name, make in PAGES:
        with io.open(os.path.join(argv[1], name), "w", encoding="utf-8") as stream:
            stream.write(u"{0}".format(make().rstrip("\n") + "\n" + FOOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
