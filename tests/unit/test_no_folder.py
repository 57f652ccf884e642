"""HA_RSCTMP that is not there, as in a container, or that was cleaned away while a server runs."""

import os
import shutil
from types import SimpleNamespace

import pytest

from paf import lastgood, ocf, remarks
from paf.crash import watcher


@pytest.fixture
def environment(tmp_path):
    return ocf.Environment({"HA_RSCTMP": str(tmp_path / "agents"), "OCF_RESKEY_pgport": "5433",
                            "OCF_RESOURCE_INSTANCE": "pgsqld"})


def test_the_last_good_parameters_are_kept_all_the_same(environment, tmp_path):
    """The first start keeps them before it writes a note: they were kept by none until a reload."""
    lastgood.save(environment)
    assert lastgood.load(environment)["pgport"] == "5433"
    assert os.stat(tmp_path / "agents").st_mode & 0o777 == 0o755
    shutil.rmtree(tmp_path / "agents")
    lastgood.save(environment)
    assert lastgood.load(environment)["pgport"] == "5433"


def test_a_watcher_is_started_all_the_same(environment):
    lock = watcher.LockFile(environment)
    assert not lock.exists() and lock.take()
    lock.remove()


def test_a_worry_is_said_once_it_lasts_and_not_at_once(environment):
    said = []
    context = SimpleNamespace(environment=environment, log=SimpleNamespace(warning=said.append))
    assert remarks.lasting(context, ["x"]) == [] and said == []
