"""The broken builds fit the code: a line that was reworded shows at once, not after minutes."""

from tests.broken.test_broken_builds import BUILDS
from tests.conftest import REPOSITORY


def test_each_line_that_a_broken_build_replaces_is_there_once():
    wrong = []
    for build in BUILDS:
        lines = (REPOSITORY / build.file).read_text(encoding="utf-8").splitlines()
        if lines.count(build.line) != 1:
            wrong.append(f"{build.file}: {build.line!r} ({build.what})")
    assert wrong == []
