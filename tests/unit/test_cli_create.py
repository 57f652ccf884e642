"""paf create: complete commands in both spellings; the parser, the page and the completion."""

import re
import subprocess
import sys

import pytest

from paf.cli import create
from paf.cli import main as command
from paf.cli.common import USAGE


def options(*words):
    return command.parser().parse_args([
        "create", "--bindir", "/b", "--pgdata", "/d", "--start-opts", "-c x='a b'", *words])


@pytest.mark.parametrize("shell", ["pcs", "crm"])
def test_the_commands_are_complete(shell):
    commands = list(create.plan(options("--vip", "10.0.0.5/24"), shell))
    text = "\n".join(create.shown(commands, shell))
    infinite = "INFINITY" if shell == "pcs" else "inf:"
    for word in ("notify=true", "interleave=true", "role=Promoted", "role=Unpromoted", infinite,
                 "ip=10.0.0.5", "cidr_netmask=24", "symmetrical=false", "demote", "bindir=/b",
                 "migration-threshold=5", "timeout=120s"):
        assert word in text, word
    assert ("-f paf.xml" in text) == (shell == "pcs")


def test_no_pcs_calls_the_commands_deprecated():
    """pcs 0.12 wants "meta" behind "promotable", which 0.10 and 0.11 take for something else."""
    commands = list(create.plan(options(), "pcs"))
    assert commands[0][-1] == "promotable"
    assert commands[1] == ["pcs", "resource", "meta", "pgsqld-clone", "notify=true",
                           "interleave=true"]


def test_without_an_address_there_are_no_constraints():
    assert not any("constraint" in line for line in create.plan(options(), "pcs"))


def test_what_is_not_told_is_asked_for(capsys):
    assert command.main(["create", "--pgdata", "/d"]) == 2
    assert "tell --bindir" in capsys.readouterr().err


@pytest.mark.parametrize("words", [
    ["nonsense"], ["status", "--nonsense"], ["timeline", "--number", "x"]])
def test_a_wrong_command_line_has_a_status_of_its_own(words):
    with pytest.raises(SystemExit) as end:
        command.main(words)
    assert end.value.code == USAGE
    assert command.main([]) == USAGE


def generated(repository, kind):
    return subprocess.run([sys.executable, "-B", repository / "docs/command.py", repository, kind],
                          capture_output=True, text=True, check=True).stdout


def test_the_manual_page_has_every_verb_option_and_exit_code(repository):
    page = generated(repository, "man").replace("\\-", "-")
    for verb, _ in command.VERBS:
        assert f".SH PAF {verb.upper()}" in page
        for code, meaning in command.module_of(verb).EXIT_CODES:
            assert meaning.replace("'", "\\(aq") in page, (code, meaning)
    for option in ("--watch", "--dry-run", "--picture", "--cib", "--apply"):
        assert f".B {option}" in page
    for line in page.splitlines():
        assert re.match(r"([^.]|$|\.(TH|SH|B|BR|PP|TP|nf|fi|nh|ad)\b)", line), line


@pytest.mark.parametrize("typed, expected", [
    ("paf swi", ["switchover"]), ("paf switchover --d", ["--dry-run"]),
    ("paf status --output ", ["text", "json"])])
def test_bash_completes(repository, tmp_path, typed, expected):
    (tmp_path / "paf").write_text(generated(repository, "bash"))
    words = typed.split(" ")
    script = (f". {tmp_path}/paf; COMP_WORDS=({' '.join(words[:-1])} '{words[-1]}'); "
              f"COMP_CWORD={len(words) - 1}; _paf; echo ${{COMPREPLY[*]}}")
    out = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    assert out.split() == expected


def test_every_verb_has_examples_and_exit_codes():
    for verb, _ in command.VERBS:
        module = command.module_of(verb)
        assert module.EXAMPLES and module.EXIT_CODES and module.HELP and module.TEXT
        for example in module.EXAMPLES:
            assert example.startswith(f"paf {verb}")
