"""Labs beside labs: none disturbs another, and none outlives the process that started it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lab import owner
from lab.lab import Lab
from lab.settings import CHECKOUT, Settings, cache_folder
from lab.tools import PYTHON, LabError, run, wait_until

SMALL = {"nodes": 2, "agent": "none", "resource": False}
START = """
import sys
from lab import Lab
lab = Lab("twin", nodes=2, agent="none", resource=False)
lab.up()
print("up", flush=True)
sys.stdin.read()
"""


def start(folder):
    """Start a process that has a lab named "twin" in a folder of labs, once it is up."""
    process = subprocess.Popen(
        [sys.executable, "-B", "-c", START], cwd=CHECKOUT, stdin=subprocess.PIPE, text=True,
        stdout=subprocess.PIPE, env={**os.environ, "PAF_LAB_DIR": str(folder)})
    assert process.stdout.readline() == "up\n"
    return process


@pytest.fixture
def folders(monkeypatch):
    """Two folders of labs; the first is PAF_LAB_DIR."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="paf-labs-") as name:
        os.chmod(name, 0o755)
        found = Path(name, "mine"), Path(name, "other")
        for folder in found:
            folder.mkdir()
            (folder / ".cache").symlink_to(cache)
        monkeypatch.setenv("PAF_LAB_DIR", str(found[0]))
        yield found


@pytest.fixture
def folder(folders):
    return folders[0]


def test_two_labs_of_one_name_and_the_end_of_a_killed_process(folders):
    with Lab("twin", **SMALL) as lab:
        other = start(folders[1])
        try:
            assert all(node.is_on for node in lab.nodes.values())
        finally:
            other.kill()
            other.communicate()
        wait_until(lambda: list(folders[1].glob("*/lab.json")) == [], 90,
                   "the lab of a killed process to be taken down", step=0.2)
        lab.wait_settled(120)
    assert owner.labs() == [] and owner.namespaces("twin") == []


def test_a_process_that_has_a_lab_is_named_and_the_command_takes_it_down(folder):
    process = start(folder)
    try:
        with pytest.raises(LabError) as refused:
            Lab("twin", **SMALL).up()
        assert f"belongs to process {process.pid}" in str(refused.value)
        with pytest.raises(LabError, match="belongs to process"):
            Lab("twin", **SMALL).down()
        assert Lab.attach("twin").nodes["srv1"].is_on
        run(["sh", "-c", str(refused.value).rpartition("take it down: ")[2]], timeout=180)
        assert owner.labs() == []
    finally:
        process.kill()
        process.communicate()


def test_a_lab_of_the_command_stays_up_when_the_command_has_ended(folder):
    environment = {"PAF_LAB_DIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [PYTHON, "-m", "lab", "--lab", "stays"]
    run([*command, "up", "--bare", "--nodes", "2", "--agent", "none"], cwd=CHECKOUT,
        env=environment, timeout=300)
    try:
        assert owner.owner("stays").kept and not owner.is_orphan("stays")
        assert Settings.load("stays").count == 2
        assert all(node.is_on for node in Lab.attach("stays").nodes.values())
        with pytest.raises(LabError, match="was left up"):
            Lab("stays", **SMALL).up()
    finally:
        run([*command, "down"], cwd=CHECKOUT, env=environment, timeout=180)
    assert owner.labs() == []
