"""The two cells of the matrix that differ most from a Debian 12: trimmed, `make matrix` plays all.

The first run makes the roots of these releases, which takes a minute or two each.
"""

import pytest

from trials.matrix.cells import CELLS
from trials.matrix.play import COURSES, play


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[pytest.mark.xdist_group(f"matrix-{name}"), pytest.mark.long])
    for name in ("debian11", "debian13")])
def test_cell(name):
    cell, = (cell for cell in CELLS if cell.name == name)
    # a lab of its own: another process may play the matrix beside the tests
    outcome = play(cell, course="short", lab=f"test-matrix-{name}")
    assert {step: problem for step, problem in outcome.results.items() if problem} == {}
    assert list(outcome.results) == list(COURSES["short"].steps)
