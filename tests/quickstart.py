"""The commands of a quick start page: what is in its blocks of code, and where each is run.

A comment above a block says where: `<!-- on: srv1 -->`, or `on: both`. After a semicolon:
`lab: boot`, the lab does this in its own way when it starts, and the block is not run; `lab: ...`,
something else about the lab; `until it succeeds`, the last command is one that an administrator
would repeat. A block without a comment is there to be read.
"""

import re
from dataclasses import dataclass

_BLOCK = re.compile(r"^<!-- on: ([^>]*) -->\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^```\w", re.MULTILINE)
_HERE = re.compile(r"<<'?(\w+)'?$")
BOTH = ("srv1", "srv2")


@dataclass(frozen=True)
class Block:
    """A block of commands. nodes: where it is run; skipped: the lab does it in its own way.

    text: lines of a file, and no commands.
    """

    nodes: tuple
    skipped: bool
    until: bool
    commands: tuple
    text: bool = False


def blocks(text):
    """Return the Blocks of a page. Raises ValueError for a block that says not where it is run."""
    found = [_block(*match) for match in _BLOCK.findall(text)]
    if len(found) != len(_FENCE.findall(text)):
        raise ValueError("a block of code has no comment that says where it is run")
    return found


def _block(words, language, body):
    where, *more = [word.strip() for word in words.split(";")]
    if where != "both" and where not in BOTH:
        raise ValueError(f"where is {where}?")
    return Block(BOTH if where == "both" else (where,),
                 any(word.startswith("lab: boot") for word in more),
                 "until it succeeds" in more, tuple(commands(body)), language == "text")


def commands(body):
    """Yield the commands in a block: lines, those they go on in, and what `<<END` brings."""
    lines = iter(body.splitlines())
    for line in lines:
        command = line
        while command.endswith("\\"):
            command += "\n" + next(lines)
        end = _HERE.search(command)
        if end:
            for more in lines:
                command += "\n" + more
                if more == end.group(1):
                    break
            command += "\n"
        if command.strip():
            yield command
