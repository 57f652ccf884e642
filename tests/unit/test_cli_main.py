"""The command line as a whole."""

import pytest

from paf.cli.common import USAGE
from paf.cli.main import main


@pytest.mark.parametrize("words", [
    ["switchover", "", "--yes"], ["pause", ""], ["resume", " "], ["restart", "", "--rolling"],
    ["promote", ""], ["lost", ""], ["check", "--cib", ""], ["status", "--resource", ""], [""]])
def test_an_empty_argument_is_a_mistake_and_not_a_choice(words, capsys):
    """A script's variable that is not set: `paf switchover "$TARGET" --yes` moved the primary."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == USAGE and "an argument is empty" in capsys.readouterr().err
