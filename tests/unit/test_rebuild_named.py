"""A copy gets this node's name once all of this node's files are in it, whatever is cut off."""

import shutil

import pytest

from paf import ocf
from paf.cli.common import Problem
from paf.cli.rebuild import copying
from paf.instance import journal, naming, replacement
from tests.component.cutting import cut
from tests.unit.test_journal import instance
from tests.unit.test_rebuild_cut import LOG, OWN, copier, facts_of, own_files

__all__ = ["instance"]


@pytest.fixture
def named(instance, tmp_path, monkeypatch):
    """Have what names the node need its files, under the journal; the file that it leaves."""
    monkeypatch.setattr(copying, "_LARGEST_OWN", 0)    # all is moved, as another user's files are
    trace = tmp_path / "main" / "global" / "named"

    def complete(_, folder, facts, __):
        assert folder == str(tmp_path / "main") and own_files(tmp_path / "main") == OWN
        noted = facts_of(instance)
        assert noted["phase"] == replacement.SWAPPING and noted["links"] == []
        assert [facts[name] for name in naming.FACTS] == ["srv1", "host=192.0.2.1", ""]
        trace.write_text("x")
    monkeypatch.setattr(naming, "complete", complete)
    return trace


def test_files_that_are_moved_are_there_when_the_copy_gets_its_name(instance, named):
    copier(instance, "--copy").run()
    assert named.exists() and not journal.exists(instance)


def test_a_copy_that_is_cut_off_has_its_name_before_the_journal_goes(instance, tmp_path, named):
    """The next start completes it; before it is whole the old directory is back."""
    step, phases, was_cut = 0, set(), True
    before = tmp_path / "before"
    shutil.copytree(tmp_path / "main", before)
    while was_cut:
        for path in tmp_path.iterdir():
            if path != before:
                shutil.rmtree(path)
        shutil.copytree(before, tmp_path / "main")
        was_cut = cut(copier(instance, "--copy").run, step)
        if journal.exists(instance):
            phases.add(facts_of(instance).get("phase"))
            if facts_of(instance):
                replacement.finish(instance, LOG)
            else:
                journal.remove(instance)
        assert own_files(tmp_path / "main") == OWN, step
        assert named.exists() == (tmp_path / "main" / "global" / "pg_control").exists(), step
        step += 1
    assert named.exists() and {"copying", "swapping"} <= phases


def test_a_copy_that_cannot_be_named_is_said_to_be_in_its_place(instance, tmp_path, monkeypatch):
    """Its start names it: what was there is not, as the verb says of other failures."""
    def fail(*_):
        raise ocf.OcfError("postgres -C is slow")
    copy = copier(instance, "--copy")
    monkeypatch.setattr(naming, "complete", fail)
    with pytest.raises(Problem, match="is slow; the copy is in its place, .*main.before-"):
        copy.run()
    assert facts_of(instance)["phase"] == replacement.SWAPPING
    monkeypatch.setattr(naming, "complete", lambda *_: None)
    replacement.finish(instance, LOG)
    assert not journal.exists(instance) and own_files(tmp_path / "main") == OWN
