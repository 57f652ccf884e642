"""No wait goes by the time of day, which an administrator or NTP may set meanwhile."""

import re

from tests.conftest import REPOSITORY

#: The files that ask for the time of day, and why: it is compared with times that others wrote.
TIME_OF_DAY = {
    "cli/alert/alert.py": "the time of an event", "cli/alert/memory.py": "kept in a file",
    "cli/check/__init__.py": "rules with dates", "cli/configuration/__init__.py": "an example",
    "cli/health/looks.py": "rules with dates", "cli/health/metrics.py": "metrics are epoch seconds",
    "cli/lost.py": "rules with dates", "cli/operate/pause.py": "written into the CIB",
    "cli/operate/reload_verb.py": "rules with dates", "cli/rebuild/awaited.py": "rules with dates",
    "cli/rebuild/rebuild.py": "rules with dates", "cli/status/status.py": "rules with dates",
    "cli/switchover.py": "rules with dates", "cluster/base.py": "rules with dates",
    "crash/pauseguard.py": "the hardware clock", "crash/watcher.py": "a file's time",
    "instance/walfiles.py": "a file's time",
    "remarks.py": "kept in a file"}


def test_only_what_compares_with_times_of_others_asks_for_the_time_of_day():
    folder = REPOSITORY / "paf"
    asking = {str(path.relative_to(folder)) for path in folder.rglob("*.py")
              if re.search(r"\btime\.time\(\)", path.read_text(encoding="utf-8"))}
    assert not {name for name in asking - set(TIME_OF_DAY)
                if not name.startswith("cli/timeline/")}
    assert "cli/switchover.py" in asking
    text = (folder / "cli/switchover.py").read_text(encoding="utf-8")
    assert len(re.findall(r"\btime\.time\(\)", text)) == 1
