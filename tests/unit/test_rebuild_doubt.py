"""paf rebuild keeps the old directory where that may have what no other has, and says so."""

import pytest

from paf import ocf
from paf.cli.rebuild import copying, plan, source
from paf.cli.rebuild import rebuild as verb
from paf.decide.knowledge import Known
from paf.instance import journal, replacement
from tests.unit.test_journal import half_rewound, instance, truncated
from tests.unit.test_rebuild_cut import Copying, options

__all__ = ["instance"]

keep_lost = copying.keep_lost
WHERE = source.Source("host=192.0.2.1", "1", 1, {}, "")
MORE = "the first record of timeline 3 is no longer in the WAL"


@pytest.fixture
def work(instance, monkeypatch):
    """Return a function that makes the Work of a rebuild whose copy succeeds, or fails."""
    monkeypatch.setattr(plan, "running", lambda _: None)
    monkeypatch.setattr(copying, "keep_lost", lambda *_: None)    # nothing was to be kept
    monkeypatch.setattr(copying, "own_below", lambda *_: Known([]))

    def make(fails=False):
        class Copier(Copying):
            def _copy(self):
                if fails:
                    raise copying.Problem("the disk is full")
                super()._copy()
        monkeypatch.setattr(copying, "Copying", Copier)
        found = verb.Work(instance, "srv1", options("--copy"))
        found._source = WHERE
        found._damage = verb.spoilt.problem(instance)
        found._plan = plan.make(instance, WHERE, False, 150000)
        found._version = 150000
        return found
    return make


def test_a_journal_that_could_not_be_used_is_not_forgotten_by_the_second_try(
        instance, tmp_path, work):
    """The first one has said that the WAL stays in the old directory, and was cut off."""
    half_rewound(instance, tmp_path)
    (tmp_path / "main" / "pg_wal").mkdir()
    truncated(tmp_path / ".main.pgsqlms")
    first = work(fails=True)
    first._why_copy = first._not_rewound()
    with pytest.raises(copying.Problem, match="the disk is full"):
        first.do()
    assert journal.read(instance)["phase"] == replacement.HALF
    second = work()
    second._why_copy = second._not_rewound()
    assert "cannot be used" in second._doubt and any(
        "Whether something exists only here is not known" in line for line in second.says())
    second.do()
    assert not second.is_kept() and second.old() and not journal.exists(instance)


def test_wal_that_cannot_be_read_keeps_no_copy_from_being_made(work, monkeypatch):
    """A power cut can leave pages behind a damaged record: nothing was a way out, also --copy."""
    def damaged(*_):
        raise ocf.OcfError("the WAL is damaged at 0/B0000A0, and goes on behind it")
    monkeypatch.setattr(verb.promotions, "examine", damaged)
    one = work()
    assert "goes on behind it" in one._examine().reason and "goes on behind it" in one._doubt


@pytest.mark.parametrize("discard", [False, True])
def test_wal_that_is_not_there_to_be_kept_stays_in_the_old_directory(
        instance, tmp_path, work, monkeypatch, capsys, discard):
    """pg_wal is a link to a disk that is away: the copy that was advised failed, too."""
    one = work()
    one._doubt, one._why_copy = "cannot look into pg_wal", "--copy asks for it"
    one._options.discard = discard
    monkeypatch.setattr(copying, "keep_lost", keep_lost)    # the real one
    if discard:
        for act in (one.says, one.do):
            with pytest.raises(ocf.OcfError, match="No such file or directory"):
                list(act() or ())
        assert (tmp_path / "main" / "base").is_dir()
        return
    assert "all the WAL here cannot be copied, and stays in the old directory" in "\n".join(
        one.says())
    one.do()
    assert not one.is_kept() and one.old()
    assert "it stays in the old directory" in capsys.readouterr().err


@pytest.mark.parametrize("more", ["", MORE])
def test_what_may_be_more_than_is_found_keeps_the_old_directory(work, monkeypatch, more):
    monkeypatch.setattr(verb.promotions, "examine", lambda *_: (Known(None), more))
    one = work()
    one._examine()
    one._why_copy = "--copy asks for it"
    said = "\n".join(one.says())
    assert ("Whether more than this exists only here is not known" in said) == bool(more)
    assert more in said
    one.do()
    assert one.is_kept() is not bool(more) and one.old()
