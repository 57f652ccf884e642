"""Each reason that the agent can give has an entry: its words, what it means, what to do."""

import re

from paf import codes
from tests.conftest import REPOSITORY
from tests.docs import reasons

PAGE = (REPOSITORY / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
ENTRIES = re.split(r"^#+ .*$", PAGE, flags=re.MULTILINE)
HEADS = re.findall(r"^#+ (?:(PAF-E\d+): )?(.*)$", PAGE, re.MULTILINE)
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


def test_each_code_has_one_entry_and_one_row():
    documented = [code for code, _ in HEADS if code]
    rows = [f"{codes.PREFIX}{number}" for number, _ in codes.TABLE] + [codes.OTHER]
    assert sorted(documented) == sorted(rows)
    assert len(set(documented)) == len(documented)


def test_no_words_lead_to_two_codes():
    words = [some for _, row in codes.TABLE for some in row]
    assert len(set(words)) == len(words)


def test_each_reason_of_the_page_gets_the_code_of_its_entry():
    """If red: add words of a new reason to the row of its code in paf/codes.py."""
    wrong = [(quote, code, codes.code_of(quote))
             for (code, _), entry in zip(HEADS, ENTRIES[1:]) if code
             for quote in QUOTED.findall(entry) if codes.code_of(quote) != code]
    assert wrong == []


def test_an_entry_with_reasons_has_a_code():
    assert not [title for (code, title), entry in zip(HEADS, ENTRIES[1:])
                if QUOTED.search(entry) and not code]


def test_each_row_is_for_a_reason_that_the_agent_gives():
    """Words that no reason has any longer are removed, or follow their reason."""
    given = [*(re.sub(r"\{\d[^}]*\}", "X", text) for text in reasons.sentences()),
             *QUOTED.findall(PAGE)]
    assert not [some for _, row in codes.TABLE for some in row
                if not any(some in text for text in given)]


def test_a_code_is_put_in_front_once_and_taken_off():
    text = codes.with_code("srv2 is ahead: TL 3, 0/5000148 > TL 3, 0/5000060")
    assert text.startswith("PAF-E101 srv2 is ahead: ") and codes.with_code(text) == text
    assert codes.without_code(text).startswith("srv2 is ahead")
    assert codes.with_code("") == "" and codes.without_code("srv2") == "srv2"
    assert re.match(r"[A-Z0-9-]+ ", text)    # nothing that XML or crm_mon cuts


def test_each_entry_says_what_it_means_and_what_to_do():
    for entry in ENTRIES:
        if QUOTED.search(entry):
            assert "\nMeans: " in entry and "\nDo: " in entry, entry
