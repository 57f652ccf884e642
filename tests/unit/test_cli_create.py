"""paf create: complete commands in both spellings; the parser, the page and the completion."""

import pathlib
import re
import subprocess
import sys
import time

import pytest

from lab.tools import wait_until
from paf.cli import configuration, create
from paf.cli import main as command
from paf.cli.common import USAGE, Problem


def options(*words):
    return command.parser().parse_args([
        "create", "--bindir", "/b", "--pgdata", "/d", "--start-opts", "-c x='a b'", *words])


@pytest.mark.parametrize("shell", ["pcs", "crm"])
def test_the_commands_are_complete(shell):
    commands = list(create.plan(options("--vip", "10.0.0.5/24"), shell))
    text = "\n".join(create.shown(commands, shell))
    infinite = "INFINITY" if shell == "pcs" else "inf:"
    for word in ("notify=true interleave=true priority=1", "role=Promoted", infinite,
                 "role=Unpromoted",
                 "ip=10.0.0.5", "cidr_netmask=24", "symmetrical=false", "demote", "bindir=/b",
                 "migration-threshold=5", "timeout=120s"):
        assert word in text, word
    assert ("-f paf.xml" in text) == (shell == "pcs")


RULE = '<rule id="r" score="0"><rsc_expression id="e" type="IPaddr2"/></rule>'
PAIR = '<nvpair id="{0}" name="{0}" value="{1}"/>'


@pytest.mark.parametrize("shell", ["pcs", "crm"])
@pytest.mark.parametrize("sets, defaults, meta", [
    ([""], ["migration-threshold=5", "resource-stickiness=10"], []),
    ([PAIR.format("resource-stickiness", "1")],    # as pcs makes each cluster
     ["migration-threshold=5", "resource-stickiness=10"], []),
    ([PAIR.format("resource-stickiness", "100")], ["migration-threshold=5"], []),
    ([PAIR.format("migration-threshold", "3"), PAIR.format("resource-stickiness", "INFINITY")],
     [], []),
    ([RULE + PAIR.format("migration-threshold", "3")], [],
     ["migration-threshold=5", "resource-stickiness=10"]),
    (["", PAIR.format("resource-stickiness", "7")], [], ["migration-threshold=5"])])
def test_the_defaults_of_other_resources_stay_as_they_are(shell, sets, defaults, meta):
    """They were set to ours, and with several sets pcs refused the command."""
    there = "".join(f'<meta_attributes id="m{number}">{inner}</meta_attributes>'
                    for number, inner in enumerate(sets))
    configured = configuration.parse("<cib><configuration><resources/><rsc_defaults>"
                                     f"{there}</rsc_defaults></configuration></cib>")
    commands = list(create.plan(options(), shell, configured))
    words = [command for command in commands if "defaults" in " ".join(command)]
    assert [command[-1] for command in words] == defaults
    assert commands[1][-len(meta) - 1:] == ["priority=1", *meta]


@pytest.mark.parametrize("shell", ["pcs", "crm"])
@pytest.mark.parametrize("name, value, word", [
    ("requires", "quorum", "requires=fencing"), ("requires", "Nothing", "requires=fencing"),
    ("requires", "unfencing", None), ("globally-unique", "true", "globally-unique=false"),
    ("globally-unique", "false", None)])
def test_the_clone_has_its_own_value_where_a_default_would_be_wrong(shell, name, value, word):
    configured = configuration.parse(
        "<cib><configuration><resources/><rsc_defaults><meta_attributes id='m'>"
        f"{PAIR.format(name, value)}</meta_attributes></rsc_defaults></configuration></cib>")
    found = [text for text in list(create.plan(options(), shell, configured))[1]
             if text.startswith(name)]
    assert found == ([word] if word else [])


def test_no_pcs_calls_the_commands_deprecated():
    """pcs 0.12 wants "meta" behind "promotable", which 0.10 and 0.11 treat as something else."""
    commands = list(create.plan(options(), "pcs"))
    assert commands[0][-1] == "promotable"
    assert commands[1] == ["pcs", "resource", "meta", "pgsqld-clone", "notify=true",
                           "interleave=true", "priority=1"]


def test_a_name_that_no_program_of_pacemaker_takes_is_refused(capsys):
    """The configuration would be complete, and no instance ever promoted."""
    words = ["--name", "pgsql-\u00e9", "--bindir", "/b", "--pgdata", "/d"]
    assert command.main(["create", *words]) == USAGE
    said = capsys.readouterr()
    assert "other characters than those of ASCII" in said.err and said.out == ""


def test_without_an_address_there_are_no_constraints():
    assert not any("constraint" in line for line in create.plan(options(), "pcs"))


@pytest.mark.parametrize("shell", ["pcs", "crm"])
def test_alerts_are_configured_where_they_are_wanted(shell):
    text = "\n".join(create.shown(list(create.plan(
        options("--alert", "dba@example.org"), shell)), shell))
    assert "/usr/share/resource-agents-paf/paf-alert" in text and "dba@example.org" in text
    assert not any("paf-alert" in line for line in create.shown(list(create.plan(
        options(), shell)), shell))
    for wrong in ("https://example.org/secret", "nobody"):
        with pytest.raises(Problem) as refused:
            list(create.plan(options("--alert", wrong), shell))
        assert "secret" not in str(refused.value).replace("may be a secret", "")


def test_what_is_not_given_is_asked_for(capsys):
    assert command.main(["create", "--pgdata", "/d"]) == USAGE
    assert "missing: --bindir" in capsys.readouterr().err


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_cluster_shell_that_hangs_is_ended_and_named(tmp_path, monkeypatch, data, capsys):
    """Only the copy was touched, and what the shell has started ends with it."""
    shell, ran = tmp_path / "pcs", tmp_path / "pid"
    shell.write_text(f"#!/bin/sh\nsleep 600 & echo $! > {ran}; wait\n")
    shell.chmod(0o755)
    monkeypatch.setattr(create, "_FOLDERS", (str(tmp_path),))
    monkeypatch.setattr(create, "_PATIENCE", 1.0)
    monkeypatch.setattr(create.Pacemaker, "cib", lambda self: (data / "cib/2.1.5.xml").read_text())
    before = time.monotonic()
    status = command.main(["create", "--bindir", "/b", "--pgdata", "/d", "--apply", "--yes"])
    assert status == 2 and time.monotonic() - before < 60
    error = capsys.readouterr().err
    assert "pcs -f" in error and "did not end within 1 s and was killed" in error
    wait_until(lambda: not is_alive(ran.read_text().strip()), 30, "the shell's child to end")


def test_what_a_cluster_shell_complains_of_is_shown(tmp_path, monkeypatch, data, capsys):
    (tmp_path / "pcs").write_text("#!/bin/sh\necho 'Error: no' >&2; exit 1\n")
    (tmp_path / "pcs").chmod(0o755)
    monkeypatch.setattr(create, "_FOLDERS", (str(tmp_path),))
    monkeypatch.setattr(create.Pacemaker, "cib", lambda self: (data / "cib/2.1.5.xml").read_text())
    assert command.main(["create", "--bindir", "/b", "--pgdata", "/d"]) == 2
    assert "Error: no" in capsys.readouterr().err


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


@pytest.mark.parametrize("given, words", [
    ("192.168.1.500/24", "is no address"), ("srv1/24", "is no address"), ("/24", "is no address"),
    ("192.168.1.50/33", "is no length of a prefix, which is up to 32"),
    ("2001:db8::1/129", "which is up to 128"), ("10.0.0.5/255.255.255.0", "is no length"),
    ("10.0.0.5/", "is no length"), ("10.0.0.5/\u00b2", "is no length"),
    ("10.0.0.9/24", "web-ip has the address 10.0.0.9 already"),
    ("2001:db8:0::9/64", "six-ip has the address 2001:db8:0::9 already"),
    ("10.0.0.5/24", None), ("10.0.0.5", None), ("2001:db8::1/64", None), (None, None)])
def test_an_address_that_cannot_be_is_refused(given, words):
    """The resource was made, and failed at the first promotion; or two nodes had one address."""
    taken = "".join(f'<primitive id="{name}" class="ocf" provider="heartbeat" type="IPaddr2">'
                    f'<instance_attributes id="{name}-v"><nvpair id="{name}-i" name="ip" '
                    f'value="{ip}"/></instance_attributes></primitive>'
                    for name, ip in (("web-ip", "10.0.0.9"), ("six-ip", "2001:db8::9"),
                                     ("odd-ip", "of a rule")))
    configured = configuration.parse(
        f"<cib><configuration><resources>{taken}</resources></configuration></cib>")
    if words is None:
        create.vet(given, configured)
        return
    with pytest.raises(Problem, match=words):
        create.vet(given, configured)
