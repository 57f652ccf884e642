"""The syntax of recovery.conf and of postgresql.conf, as PostgreSQL up to 11 reads the former.

Source: src/backend/utils/misc/guc-file.l; parse_bool in src/backend/utils/adt/bool.c. Names of
recovery.conf are compared as they are; postgresql.conf's are not.
"""

# a letter is also whatever is no ASCII
_LETTER = r"[^\x00-\x40\x5b-\x5e\x60\x7b-\x7f]"
_MORE = r"(?:" + _LETTER + r"|[0-9])"
_NAME = _LETTER + _MORE + r"*(?:\." + _LETTER + _MORE + "*)?"
_STRING = r"'(?:[^'\\\n]|\\[^\n]|'')*'"
_WORD = _LETTER + r"(?:" + _MORE + r"|[-._:/])*"
_NUMBER = r"[-+]?(?:0x[0-9a-fA-F]+|[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)[a-zA-Z]*"
_BLANK = r"[ \t\r]*"
_LINE = (_BLANK + "(?:(?P<name>" + _NAME + r")(?:" + _BLANK + "=" + _BLANK + r"|[ \t\r]+|(?='))"
         "(?P<value>" + _STRING + "|" + _WORD + "|" + _NUMBER + "))?" + _BLANK + r"(?:#[^\n]*)?$")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

_TRUE, _FALSE = ("true", "yes"), ("false", "no")


class BadTemplate(ValueError):
    """A line that PostgreSQL does not understand; the text says which, and nothing of it."""


def parse(text):
    """Return {name: value} (str) of a file's text; the last line of a name counts.

    Raises BadTemplate.
    """
    import re
    line_of, values = re.compile(_LINE), {}
    for number, line in enumerate(text.split("\n"), 1):
        found = line_of.match(line)
        if not found:
            raise BadTemplate("syntax error in line {0}".format(number))
        if found.group("name"):
            values[found.group("name")] = unquoted(found.group("value"))
    return values


def unquoted(value):
    """Return the string of a value: quotes, doubled quotes and escapes taken away."""
    import re
    if not value.startswith("'"):
        return value
    return re.sub(r"''|\\([0-7]{1,3}|.)", _sign, value[1:-1])


def _sign(found):
    escape = found.group(1)
    if escape is None:
        return "'"
    if escape[0] in "01234567":
        return _byte(int(escape, 8) & 0xff)
    return _ESCAPES.get(escape, escape)


def _byte(number):
    """Return a byte as a character of a str; in Python 3 a surrogate for one that is not ASCII."""
    if str is bytes or number < 0x80:
        return chr(number)
    return chr(0xdc00 + number)


def boolean(value):
    """Return a value as PostgreSQL reads a boolean: True, False; None for what is none.

    Any case, and any unambiguous prefix of a word: t, ye, of.
    """
    value = value.lower()
    if value in ("on", "1"):
        return True
    if value in ("of", "off", "0"):
        return False
    for words, meaning in ((_TRUE, True), (_FALSE, False)):
        if value and any(word.startswith(value) for word in words):
            return meaning
    return None
