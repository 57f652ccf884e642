"""Each reason that the agent can give has an entry: its words, what it means, what to do."""

import re

from tests.conftest import REPOSITORY
from tests.docs import reasons

PAGE = (REPOSITORY / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
ENTRIES = re.split(r"^#+ .*$", PAGE, flags=re.MULTILINE)
QUOTED = re.compile(r"^\* `(.+)`$", re.MULTILINE)


def test_there_are_many_sentences():
    assert len(reasons.sentences()) > 80


def test_each_reason_stands_in_the_page():
    quotes = QUOTED.findall(PAGE)
    missing = [f"{where}: {text}" for text, where in reasons.sentences().items()
               if not any(reasons.pattern(text).search(quote) for quote in quotes)]
    assert missing == []


def test_each_line_of_the_page_is_a_reason_that_the_agent_gives():
    patterns = [reasons.pattern(text) for text in reasons.sentences()]
    unknown = [quote for quote in QUOTED.findall(PAGE)
               if not any(pattern.search(quote) for pattern in patterns)]
    assert unknown == []


def test_each_entry_says_what_it_means_and_what_to_do():
    for entry in ENTRIES:
        if QUOTED.search(entry):
            assert "\nMeans: " in entry and "\nDo: " in entry, entry
