"""One request on standard input: read within bounds, understood; and its answer. Pure, but `read`.

Source: RFC 9112 (HTTP/1.1), "Request Line"; HAProxy Configuration Manual, "agent-check" and
"agent-send".
"""

import errno
import os
import select


class Request(tuple):
    """What is asked: method, path, options.

    method: "GET", "HEAD", "OPTIONS", or AGENT for HAProxy's agent check, "" for what cannot be
    understood; path (str), such as "/primary"; options: dict of str. No namedtuple: the import of
    collections takes longer than an answer that was kept.
    """

    __slots__ = ()
    method = property(lambda self: self[0])
    path = property(lambda self: self[1])
    options = property(lambda self: self[2])

    def __new__(cls, method, path, options):
        """Make one of its three parts."""
        return tuple.__new__(cls, (method, path, options))


AGENT = "agent"
UNCLEAR = Request("", "", {})
LONGEST = 8192      # bytes of a request with its headers

#: HTTP's words for the statuses that are given.
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
            503: "Service Unavailable"}
METHODS = ("GET", "HEAD", "OPTIONS")
TEXT = "text/plain; charset=utf-8"
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_DIGITS = frozenset("0123456789")
_HEX = frozenset("0123456789abcdefABCDEF")
_UNITS = "kMGT"


def read(deadline, descriptor=0, found=b""):
    """Return what a client sends (bytes), up to the end of its headers.

    No more than LONGEST bytes, and nothing that comes after the Deadline: what is there by then
    is returned. found: what was read of it before.
    """
    while len(found) < LONGEST and not _is_whole(found):
        try:
            if not select.select([descriptor], [], [], deadline.remaining)[0]:
                break
            part = os.read(descriptor, LONGEST - len(found))
        except (OSError, IOError, select.error) as error:
            if error.args[0] == errno.EINTR:
                continue
            break
        if not part:
            break
        found += part
    return found


def _is_whole(data):
    """Return whether nothing more has to come: HTTP's empty line, or the line of an agent check."""
    if b"\r\n\r\n" in data or b"\n\n" in data:
        return True
    line, end, _ = data.partition(b"\n")
    return bool(end) and b" " not in line.strip()


def parse(data):
    """Return the Request in what was read (bytes); UNCLEAR for what is none."""
    if b"\n" not in data or len(data) >= LONGEST and not _is_whole(data):
        return UNCLEAR
    line = str(data.partition(b"\n")[0].rstrip(b"\r").decode("latin-1").encode(
        "ascii", "replace").decode("ascii"))
    words = line.split(" ")
    if not all("!" <= sign <= "~" for word in words for sign in word):
        return UNCLEAR
    if len(words) == 1:
        path, _, query = line.lstrip("/").partition("?")
        known = path and not set(path) - _LETTERS
        return Request(AGENT, "/" + path, _options(query)) if known else UNCLEAR
    if (len(words) > 3 or not words[1].startswith("/") or set(words[0].lower()) - _LETTERS
            or not 0 < len(words[0]) <= 16
            or len(words) == 3 and not words[2].startswith("HTTP/")):
        return UNCLEAR
    path, _, query = words[1].partition("?")
    return Request(words[0], _plain(path).rstrip("/") or "/", _options(query))


def _options(query):
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return dict((_plain(name), _plain(value)) for name, _, value in pairs)


def _plain(text):
    """Return a text without the escapes of an URL, in native str; what is not ASCII becomes "?"."""
    first, rest = text.split("%")[0], text.split("%")[1:]
    found = first + "".join(
        chr(int(part[:2], 16)) + part[2:] if len(part) > 1 and not set(part[:2]) - _HEX else
        "%" + part for part in rest)
    return "".join(sign if " " <= sign <= "~" else "?" for sign in found)


def http(method, status, text, kind=TEXT):
    """Return an answer (str) of HTTP; text: its body, which GET alone gets; kind: content type."""
    body = text + "\n" if not text.endswith("\n") else text
    head = ["HTTP/1.0 {0} {1}".format(status, _REASONS[status]), "Content-Type: {0}".format(kind),
            "Content-Length: {0}".format(len(body)), "Cache-Control: no-store",
            "Connection: close"]
    if status == 405:
        head.append("Allow: {0}".format(", ".join(METHODS)))
    return "\r\n".join(head) + "\r\n\r\n" + ("" if method in ("HEAD", "OPTIONS") else body)


def agent(is_good, text):
    """Return an answer (str) of HAProxy's agent check: one line, with the reason behind a hash."""
    return "up\n" if is_good else "down #{0}\n".format(text)


def size(text):
    """Return a number of bytes (int) such as 1MB, 512kB or 4096; None for what is none."""
    number = (text or "").rstrip("bB").rstrip("i").strip()
    unit = number[-1:].upper().replace("K", "k")
    power = _UNITS.index(unit) + 1 if unit and unit in _UNITS else 0
    number = number[:-1].strip() if power else number
    if not number or set(number) - _DIGITS or len(number) > 15:
        return None
    return int(number) * 1024 ** power
