"""Roots of other releases: made once, and made again without being without one."""

from pathlib import Path

import pytest

from lab import systems
from lab.tools import LabError


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A cache without roots, and a debootstrap that numbers what it makes, or fails at 0."""
    numbers = iter([1, 2, 0])

    def make(argv, **_):
        place = Path(argv[-2])
        place.mkdir()
        number = next(numbers)
        (place / "number").write_text(str(number))
        if not number:
            raise LabError("the archive does not answer")
    monkeypatch.setattr(systems, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(systems, "run", make)
    monkeypatch.setattr(systems, "debian_mirror", lambda: "http://archive/debian")
    monkeypatch.setattr(systems.shutil, "which", lambda *_, **__: "/usr/bin/mmdebstrap")
    return tmp_path / "roots"


def number_of(root):
    return Path(root, "number").read_text()


def test_a_root_is_made_once_and_anew_when_asked_for(made):
    assert number_of(systems.prepare("debian13")) == "1"
    assert number_of(systems.prepare("debian13")) == "1"
    assert number_of(systems.prepare("debian13", refresh=True)) == "2"
    assert sorted(path.name for path in made.iterdir()) == ["debian13", "debian13.lock"]


def test_a_root_stays_where_none_can_be_made_anew(made):
    systems.prepare("debian13")
    systems.prepare("debian13", refresh=True)
    with pytest.raises(LabError):
        systems.prepare("debian13", refresh=True)
    assert number_of(systems.prepare("debian13")) == "2"
