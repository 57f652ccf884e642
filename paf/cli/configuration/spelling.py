"""How Pacemaker spells booleans, times, scores and roles. Pure.

Source: lib/common/{strings,scores,iso8601}.c and lib/pengine/common.c of Pacemaker 2.1.5.
"""

import re

from paf.cluster.cib import score

_TRUE = ("true", "on", "yes", "y", "1")
_FALSE = ("false", "off", "no", "n", "0")

#: Of a time that is not of ISO 8601: what the word after the number begins with, and its seconds.
#: "ms" is before "m".
_UNITS = (("ms", 0.001), ("msec", 0.001), ("us", 1e-6), ("usec", 1e-6), ("s", 1.0), ("sec", 1.0),
          ("m", 60.0), ("min", 60.0), ("h", 3600.0), ("hr", 3600.0))
_TIME = re.compile(r"\s*\+?(\d+)(?:\.\d*)?\s*(\S*)")
_DURATION = re.compile(
    r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$")
_IN_SECONDS = (31536000.0, 2592000.0, 604800.0, 86400.0, 3600.0, 60.0, 1.0)
_LONGEST = float(2 ** 31)

_ROLES = {"promoted": "Promoted", "master": "Promoted", "unpromoted": "Unpromoted",
          "slave": "Unpromoted", "started": "Started", "stopped": "Stopped"}


def boolean(text, default=False):
    """Return whether a text (str or None) is true; the default where it is neither true nor false.
    """
    word = (text or "").strip().lower()
    return True if word in _TRUE else False if word in _FALSE else default


def strange(names):
    """Return those of the ids (an iterable of str) that programs of Pacemaker do not take.

    A CIB may have them: an id of XML. The option parser of glib, which Pacemaker 2.1 has, refuses a
    word that is not ASCII ("Invalid byte sequence in conversion input"), whatever the locale:
    Pacemaker's programs set none.
    """
    return [name for name in names if any(ord(sign) > 127 for sign in name)]


def is_true(text):
    """Return whether Pacemaker reads the text as true."""
    return boolean(text)


def seconds(text):
    """Return a time (str), with a unit, without one or of ISO 8601, in seconds (float).

    None if it is not a time. Pacemaker ignores the fraction of a number. A year has 365 days here,
    a month 30: their real length depends on the day.
    """
    text = (text or "").strip()
    found = _DURATION.match(text)
    if found:
        amounts = [int(amount) if amount else 0 for amount in found.groups()]
        total = sum(amount * unit for amount, unit in zip(amounts, _IN_SECONDS))
        return min(total, _LONGEST) if text.strip("PT") else None
    return plain_seconds(text)


def plain_seconds(text):
    """Return a time (str) as `seconds` does, where Pacemaker does not read those of ISO 8601."""
    found = _TIME.match((text or "").strip())
    if not found:
        return None
    word = found.group(2).lower()
    for unit, size in _UNITS:
        if not word or word.startswith(unit):
            return min(int(found.group(1)) * (size if word else 1.0), _LONGEST)
    return None


def role(text):
    """Return a role (str or None) in the words of OCF 1.1; "" for none, as it is if unknown."""
    return _ROLES.get((text or "").lower(), text or "")


def points(text, default=0):
    """Return a score (str or None) as an int, infinities as 1000000; the default if it is none."""
    found = score(text or "")
    return default if found is None else max(found, -1000000)
