"""A reason as it is stored in a node attribute: plain text, which each Pacemaker's programs take.

Loaded where there is one to be stored. Pacemaker's programs since 2.1 refuse an argument that is
not ASCII ("Invalid byte sequence in conversion input"), whatever the locale. PostgreSQL's messages
are in the server's language, and paths and settings may have any character.
"""

from paf.codes import with_code

#: Characters that break XML when nothing escapes them, and what is stored for them.
_IN_WORDS = (('"', "'"), ("<", "less than"), ("&", "and"))
#: The letters of Latin-1 and Latin Extended-A from 0xc0 on without what is on and below them.
_FIRST, _LETTERS = 0xc0, (
    "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYTsaaaaaaaceeeeiiiidnooooo/ouuuuyty"
    "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIiIiJjKkkLlLlLlL"
    "lLlNnNnNnnNnOoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs")
#: Quotation marks of other languages, as numbers: a str has no such character in Python 2.
_QUOTES = (0xab, 0xbb, 0x2018, 0x2019, 0x201a, 0x201c, 0x201d, 0x201e, 0x2039, 0x203a)


def coded(reason):
    """Return a reason (str) with its code, as it is stored."""
    return plain(with_code(reason))


def plain(text):
    """Return a text (str) as it is stored: one line of ASCII that no reader stumbles over.

    crm_mon and attrd_updater up to Pacemaker 1.1.24 print values as they are, also inside of XML.
    """
    text = _ascii(text)
    text = "".join(sign if sign >= " " else "?" for sign in " ".join(text.split()))
    for sign, word in _IN_WORDS:
        text = text.replace(sign, word)
    return text


def _ascii(text):
    """Return a text (str) without accents, and with "?" for what is no letter of Latin."""
    if not any(sign > "~" for sign in text):
        return text
    whole = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return "".join(_sign(ord(sign)) for sign in whole)


def _sign(number):
    """Return the ASCII character (str) for a character, by its number."""
    if number < 128:
        return chr(number)
    if number in _QUOTES:
        return "'"
    place = number - _FIRST
    return _LETTERS[place] if 0 <= place < len(_LETTERS) else "?"
