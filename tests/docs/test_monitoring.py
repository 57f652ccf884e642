"""The alert rules do what they say, and what is printed is what Prometheus reads."""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import urllib.request

import pytest

from lab.tools import wait_until
from paf.cli.health import series
from tests.conftest import REPOSITORY
from tests.unit.test_cli_health import facts, standby  # noqa: F401
from tests.unit.test_cli_metrics import NOW, SAID

FOLDER = REPOSITORY / "docs" / "monitoring"
KNOWN = {name for name, _ in series.HELP}


def promtool(*words, text=""):
    """Run promtool; return what it prints. Fails the test where it finds a mistake."""
    if not shutil.which("promtool"):
        pytest.fail("this test needs promtool: apt-get install prometheus "
                    "(tests/install-tools.sh docs)", pytrace=False)
    result = subprocess.run(["promtool", *words], input=text, capture_output=True, text=True,
                            timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def names_in(text):
    return set(re.findall(r"\bpaf_[a-z_]+", text))


def test_the_rules_fire_when_they_should_and_not_otherwise():
    promtool("check", "rules", str(FOLDER / "alerts.yml"))
    promtool("test", "rules", str(FOLDER / "alerts-test.yml"))


def test_each_rule_is_tested():
    rules = re.findall(r"- alert: (\w+)", (FOLDER / "alerts.yml").read_text())
    tested = re.findall(r"alertname: (\w+)\n +exp_alerts", (FOLDER / "alerts-test.yml").read_text())
    assert sorted(set(tested)) == sorted(rules)


@pytest.mark.parametrize("name", ["alerts.yml", "alerts-test.yml", "dashboard.json"])
def test_rules_and_dashboard_ask_for_metrics_that_there_are(name):
    assert names_in((FOLDER / name).read_text()) <= KNOWN


def test_the_page_names_all_metrics_but_two_of_the_programs_own():
    page = names_in((REPOSITORY / "docs" / "monitoring.md").read_text())
    assert KNOWN - page == {"paf_build_info", series.LOOKED_FOR}


def test_the_page_changes_each_setting_that_names_the_folder_of_the_node_exporter():
    unit = (REPOSITORY / "units" / "paf-metrics.service").read_text()
    settings = re.findall(r"^(\w+=).*/var/lib/prometheus/node-exporter", unit, re.MULTILINE)
    assert len(settings) == 3
    lines = (REPOSITORY / "docs" / "monitoring.md").read_text().splitlines()
    for setting in settings:
        place = lines.index("    " + setting)    # an empty one first
        assert lines[place + 1].startswith("    " + setting)
        assert "/var/lib/node_exporter/textfile_collector" in lines[place + 1]


def test_the_dashboard_is_json_and_its_panels_do_not_overlap():
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken and max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_promtool_has_nothing_to_say_of_the_metrics(facts, standby):  # noqa: F811
    for values in (series.of(facts, SAID, NOW, {}), series.of(standby, None, NOW, {})):
        assert promtool("check", "metrics", text=series.text(values)).strip() == ""


def test_the_node_exporter_reads_what_is_written_for_it(facts, tmp_path):    # noqa: F811
    if not shutil.which("prometheus-node-exporter"):
        pytest.fail("this test needs the node exporter: apt-get install prometheus-node-exporter "
                    "(tests/install-tools.sh docs)", pytrace=False)
    (tmp_path / "paf.prom").write_text(series.text(series.of(facts, SAID, NOW, {})))
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        address = "127.0.0.1:{}".format(one.getsockname()[1])
    process = subprocess.Popen(
        ["prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile",
         f"--collector.textfile.directory={tmp_path}", f"--web.listen-address={address}"],
        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        page = wait_until(lambda: fetched(f"http://{address}/metrics"), 60, "the node exporter")
    finally:
        process.kill()
        process.wait()
    assert "node_textfile_scrape_error 0" in page
    assert 'paf_promoted{node="srv3",resource="pgsqld"} 1' in page
    assert names_in(page) >= names_in(series.text(series.of(facts, SAID, NOW, {})))


def fetched(address):
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(address, timeout=30).read().decode()
    return None
