"""The page of the matrix is its own memory: playing one cell leaves what the others came to."""

import dataclasses

from trials.matrix import report
from trials.matrix.play import COURSES, Outcome

VERSIONS = {"pacemaker": "3.0.0", "corosync": "3.1.9", "pcs": "0.12.0.2", "postgresql": "17.12",
            "python": "3.13.5"}


def outcome(cell, course="whole", **values):
    return Outcome(cell, results=dict.fromkeys(COURSES[course].steps, ""), versions=VERSIONS,
                   date="2026-11-23", agent="5aea9bf", **values)


def test_a_page_tells_again_what_it_was_made_of():
    good, broken = outcome("debian13"), outcome("pg16")
    broken.results.update({"failover": "FAILS", "switchover": "not played: first start failed"})
    absent = Outcome("pg10", date="2026-11-23", agent="5aea9bf+", absent="npm is not here")
    no_cluster = Outcome("rolling", versions={"python": "3.11.2, 3.13.5"}, date="2026-11-22",
                         agent="1a2b3c4")
    all_of_them = {one.cell: one for one in (
        good, broken, absent, no_cluster, outcome("perl-third", "third"))}
    again = report.read(report.page(all_of_them))
    assert again == all_of_them
    for name, one in all_of_them.items():
        assert again[name].verdict == one.verdict


def test_the_words_of_a_failure_are_for_the_terminal_only():
    broken = outcome("forky")
    broken.results["failover"] = "2 rows were lost | and more"
    assert report.read(report.page({"forky": broken})) == {
        "forky": dataclasses.replace(broken, results={**broken.results, "failover": "FAILS"})}


def test_the_page_in_the_checkout_can_be_read():
    text = report.PAGE.read_text(encoding="utf-8")
    assert report.page(report.read(text)) == text
