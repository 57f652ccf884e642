"""`make check` in stages, and what `make check-fast` says when something is missing."""

import time

import pytest

from tests import fast, stages


#: How pytest-cov 4.0 and coverage 6.5 end their report.
_REPORT = "TOTAL                                  14043   2417    83%"


@pytest.fixture(autouse=True)
def logs(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "LOGS", tmp_path)


def test_each_stage_gets_a_line_and_a_failure_its_output(capsys, monkeypatch):
    monkeypatch.setattr(stages, "ROUNDS", (
        ((("good", ["sh", "-c", f"echo '{_REPORT}'; echo '3 passed, 1 warning in 0.02s'"]),
          ("next", ["true"])),),
        ((("bad", ["sh", "-c", "echo this went wrong; exit 3"]), ("never", ["false"])),
         (("other", ["true"]), ("last", ["true"]))),
        ((("never", ["false"]),),)))
    assert stages.main() == 1
    out = capsys.readouterr().out
    assert "ok     good          0 min  0 s  3 passed, 1 warning, 83 % of paf/\n" in out
    assert "ok     next" in out and "ok     last" in out
    assert "FAILED bad" in out and "ok     other" in out and "never" not in out
    assert "this went wrong" in out


def test_the_unit_stage_fails_below_its_floor_of_coverage():
    command = dict(stages.ROUNDS[0][0])["unit"]
    assert f"--cov-fail-under={stages.UNIT_FLOOR}" in command and "--cov=paf" in command
    assert stages.UNIT_FLOOR >= 80


def test_all_is_well_when_every_stage_is(capsys, monkeypatch):
    monkeypatch.setattr(stages, "ROUNDS", (((("one", ["true"]),),), ((("two", ["true"]),),)))
    assert stages.main() == 0
    assert "all is well" in capsys.readouterr().out


def test_a_stage_that_takes_too_long_is_ended(capsys):
    began = time.monotonic()
    failed = stages.play([[("slow", ["sleep", "300"]), ("never", ["true"])]], until=began)
    assert [stage.name for stage in failed] == ["slow"] and failed[0].poll() is not None
    assert time.monotonic() - began < 60


def test_lint_and_the_quick_tests_come_first():
    assert [[[name for name, _ in lane] for lane in lanes] for lanes in stages.ROUNDS] == [
        [["lint", "unit"]],
        [["clusters"], ["component"], ["broken", "packages", "interpreters"]]]


def test_what_is_missing_is_said_with_the_names_of_the_packages(capsys, monkeypatch):
    assert fast.missing(find=lambda _: None, which=lambda *_, **__: None, names=lambda _: []) == [
        *fast.MODULES.values(), *fast.PROGRAMS.values(), *fast.FILES.values(), "postgresql-15"]
    assert fast.missing() == []
    monkeypatch.setattr(fast, "missing", lambda: ["python3-greenlet", "pcs"])
    assert fast.main() == 1
    assert capsys.readouterr().out.splitlines()[0].endswith("apt-get install python3-greenlet pcs")
