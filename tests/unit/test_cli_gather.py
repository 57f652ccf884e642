"""What is gathered for a history beside the logs."""

from types import SimpleNamespace

import pytest

from paf.cli.common import Problem
from paf.cli.status import forecast
from paf.cli.timeline import gather


@pytest.mark.parametrize("printed, seconds", [
    ("runtime.config.totem.consensus (u32) = 4380\nruntime.config.totem.token (u32) = 3650\n"
     "runtime.config.totem.token_retransmit (u32) = 869\n", 8.03),
    ("runtime.config.totem.token (u32) = 3650\n", None), ("", None), (None, None)])
def test_what_corosync_does_not_say_of_its_patience_is_not_zero(printed, seconds):
    def run(*_):
        if printed is None:
            raise Problem("corosync-cmapctl is not installed")
        return SimpleNamespace(out=printed)
    found = gather.silence(SimpleNamespace(run=run))
    assert found == seconds
    text = "\n".join(forecast.lines([], "srv3", [], "", found))
    assert ("lost after 8.0 s" if seconds else "silent node is not known") in text
