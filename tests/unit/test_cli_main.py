"""The command line as a whole."""

import pytest

from paf.cli.common import USAGE
from paf.cli.main import main, with_remedy


@pytest.mark.parametrize("words", [
    ["switchover", "", "--yes"], ["pause", ""], ["resume", " "], ["restart", "", "--rolling"],
    ["promote", ""], ["lost", ""], ["check", "--cib", ""], ["status", "--resource", ""], [""]])
def test_an_empty_argument_is_a_mistake_and_not_a_choice(words, capsys):
    """A script's variable that is not set: `paf switchover "$TARGET" --yes` moved the primary."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == USAGE and "an argument is empty" in capsys.readouterr().err


@pytest.mark.parametrize("uid, text, expected", [
    (1000, "cannot see where process 7 works: Permission denied",
     "cannot see where process 7 works: Permission denied (run it as root)"),
    (1000, "Permission denied (only root may)", "Permission denied (only root may)"),
    (1000, "no answer", "no answer"), (0, "x: Permission denied", "x: Permission denied")])
def test_who_has_too_few_rights_sees_what_to_do(monkeypatch, uid, text, expected):
    monkeypatch.setattr("os.geteuid", lambda: uid)
    assert with_remedy(text) == expected
