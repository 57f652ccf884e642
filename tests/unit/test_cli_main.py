"""The command line as a whole."""

import pytest

from paf.cli.common import USAGE
from paf.cli.main import main, module_of, parser, VERBS, with_remedy
from tests.conftest import REPOSITORY


@pytest.mark.parametrize("words", [
    ["switchover", "", "--yes"], ["pause", ""], ["resume", " "], ["restart", "", "--rolling"],
    ["promote", ""], ["lost", ""], ["check", "--cib", ""], ["status", "--resource", ""], [""]])
def test_an_empty_argument_is_a_mistake_and_not_a_choice(words, capsys):
    """A script's variable that is not set: `paf switchover "$TARGET" --yes` moved the primary."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == USAGE and "an argument is empty" in capsys.readouterr().err


def test_each_verb_that_prints_json_has_a_schema_and_names_it(capsys):
    found = []
    for verb, _ in VERBS:
        with pytest.raises(SystemExit):
            parser().parse_args([verb, "--help"])
        if "--output {text,json}" in capsys.readouterr().out:
            found.append(verb)
            assert f"docs/schemas/{verb}.json describes the JSON." in module_of(verb).TEXT
            assert (REPOSITORY / f"docs/schemas/{verb}.json").is_file()
    assert {"check", "lost", "status"} < set(found)


@pytest.mark.parametrize("words, said", [
    (["check", "--bindir", "/b"], "--bindir has no effect without --pgdata"),
    (["check", "--start-opts=-c x", "--all"], "--start-opts has no effect without --pgdata"),
    (["check", "--pgdata", "/d", "--cib", "f"], "only that file is looked at: leave --pgdata out"),
    (["check", "--all", "--cib", "f"], "only that file is looked at: leave --all out"),
    (["create", "--bindir", "/b"], "missing: --pgdata"), (["restart"], "name a NODE"),
    (["create", "--bindir", "/b", "--pgdata", "/d", "--vip", "x"], "'x' is no address")])
def test_options_that_make_no_sense_together_end_as_other_mistakes_do(
        words, said, monkeypatch, data, capsys):
    monkeypatch.setattr("sys.stdin", None)
    monkeypatch.setattr("paf.cli.common.Pacemaker.cib",
                        lambda _: (data / "cib/2.1.5.xml").read_text())
    assert main(words) == USAGE
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("uid, text, expected", [
    (1000, "cannot see where process 7 works: Permission denied",
     "cannot see where process 7 works: Permission denied (run it as root)"),
    (1000, "Permission denied (only root may)", "Permission denied (only root may)"),
    (1000, "no answer", "no answer"), (0, "x: Permission denied", "x: Permission denied")])
def test_who_has_too_few_rights_sees_what_to_do(monkeypatch, uid, text, expected):
    monkeypatch.setattr("os.geteuid", lambda: uid)
    assert with_remedy(text) == expected
