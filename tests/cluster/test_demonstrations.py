"""What `make demo` plays goes as it should: the talk's four transitions, and a refusal."""

import pytest

from trials.demo import acts
from lab.scenarios import SYNCHRONOUS

LAB = {"postgres": SYNCHRONOUS}


@pytest.mark.long    # tests of the demo play them, too
@pytest.mark.parametrize("act", acts.ALL, ids=lambda act: act.__name__)
def test_demonstration(lab, act):
    assert act(lab).wrong == []
