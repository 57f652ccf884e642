"""One event as a picture: a lane per node, a bar per action, the time without a primary. Pure.

A node's name is above its lane, so that it may be long. A label that does not fit to the right of a
bar is on its left. The colours follow the reader's choice of light or dark.
"""

import math
from xml.sax.saxutils import escape

from paf.cli.common import clock
from paf.cli.timeline import action_times, event_text

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW, _GAP, _HEAD = 1180, 20, 45, 84, 20, 12, 18
_COLOURS = {"demote": "#b8860b", "stop": "#8b5a2b", "start": "#2e7d5b", "promote": "#1f5fbf",
            "fence": "#7b1fa2", "monitor": "#c62828",
            action_times.CRASH: "#c62828", action_times.REFUSE: "#c62828", "pre-promote": "#9fb8d8",
            "pre-demote": "#d8c49f", "post-promote": "#9fb8d8"}
_FAILURES = (action_times.CRASH, action_times.REFUSE)
_LIGHT = ("pre-promote", "pre-demote", "post-promote")
_FAILED = "#e53935"
_AFTER = 0.16
_NARROW = 6.4       # pixels of a letter
_WIDE = 9.0         # of one in the title
_LINE = 160         # letters in a line
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)

_STYLE = "text{font:12px sans-serif;fill:#222}.s{font-size:11px;fill:#555}" \
         ".t{font-size:16px;font-weight:bold}.u{font-weight:bold}.d{fill:#222}.w{fill:#fff}" \
         ".o{fill:#b71c1c;font-weight:bold}.b{fill:#fff}.n{fill:#fde0dc}.l{stroke:#ccc}" \
         ".h{stroke:#000;stroke-width:2;stroke-dasharray:3 2}" \
         "@media(prefers-color-scheme:dark){text{fill:#ddd}.s{fill:#aaa}.b{fill:#181a1b}" \
         ".d{fill:#222}.w{fill:#fff}.n{fill:#4a2422}.l{stroke:#444}.h{stroke:#fff}" \
         ".o{fill:#ff8a80}}"


class _Drawing(object):
    """Where things are: the scale, and the elements so far."""

    def __init__(self, event):
        self.event = event
        #: a while after the end, so that it is seen who is the primary then, and labels have room
        self.end = event.end + max(event.end - event.begin, 0.1) * _AFTER
        self._span = self.end - event.begin
        self.elements = []

    def x(self, moment):
        """Return the place of a moment."""
        scale = (_WIDTH - _LEFT - _RIGHT) / self._span
        return _LEFT + (moment - self.event.begin) * scale

    def box(self, left, top, width, height, fill, hint="", more=""):
        """Draw a rectangle; fill: a colour, or a class."""
        paint = "fill=\"{0}\"" if fill.startswith("#") else "class=\"{0}\""
        self.elements.append(
            "<rect x=\"{0:.1f}\" y=\"{1:.1f}\" width=\"{2:.1f}\" height=\"{3:.1f}\" "
            "{4}{5}><title>{6}</title></rect>".format(
                left, top, width, height, paint.format(fill), more, escape(hint)))

    def text(self, left, top, words, kind="", anchor="start"):
        """Write."""
        self.elements.append(
            "<text x=\"{0:.1f}\" y=\"{1:.1f}\" class=\"{2}\" "
            "text-anchor=\"{3}\">{4}</text>".format(left, top, kind, anchor, escape(words)))

    def line(self, left, top, right, bottom, kind="l"):
        """Draw a line of a class."""
        self.elements.append(
            "<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{2:.1f}\" y2=\"{3:.1f}\" class=\"{4}\"/>"
            .format(left, top, right, bottom, kind))


def _rows(drawing, found):
    """Return (number of rows, list of (row, Action, where its label is)) of a node's actions.

    Neither bars nor labels overlap.
    """
    taken, placed = [], []
    for item in found:
        begin, end, side = _span(drawing, item)
        row = next((number for number, spans in enumerate(taken)
                    if all(end <= other or begin >= until for other, until in spans)), len(taken))
        if row == len(taken):
            taken.append([])
        taken[row].append((begin, end))
        placed.append((row, item, side))
    return max(1, len(taken)), placed


def _span(drawing, item):
    """Return (begin, end, side): what a bar and its label need, and where the label is."""
    left = drawing.x(item.start)
    width = max(2.0, drawing.x(item.end or item.start) - left)
    needed = len(_words(item)) * _NARROW + 8
    if needed <= width:
        return left, left + width + 4, "in"
    if left + width + needed <= _WIDTH or left - needed < 0:
        return left, left + width + needed + 4, "right"
    return left - needed, left + width + 4, "left"


def _is_bad(item):
    return bool(item.result) and not action_times.is_good(item.result)


def _words(item):
    # of a monitor that failed only the moment is known
    length = "" if item.end in (None, item.start) else " {0:.2f} s".format(item.end - item.start)
    return "{0}{1}{2}{3}".format(
        item.operation, " " + item.resource if item.resource else "", length,
        " FAILED" if _is_bad(item) and item.operation not in _FAILURES else "")


def svg(event):
    """Return the picture (str)."""
    drawing = _Drawing(event)
    nodes = sorted(set(item.node for item in event.actions) | set(event.lost))
    lanes, top = [], _TOP
    for node in nodes:
        count, placed = _rows(drawing, [item for item in event.actions if item.node == node])
        lanes.append((node, top, count, placed))
        top += _HEAD + count * _ROW + _GAP
    _background(drawing, top)
    for lane in lanes:
        _lane(drawing, *lane)
    _primary(drawing, top)
    height = _remarks(drawing, top + 74)
    return ("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
            "viewBox=\"0 0 {0} {1}\"><style>{2}</style><rect width=\"{0}\" height=\"{1}\" "
            "class=\"b\"/>{3}</svg>\n".format(_WIDTH, height, _STYLE,
                                              "\n".join(drawing.elements)))


def _background(drawing, bottom):
    """Draw the heading, the outage behind everything, and the seconds."""
    event = drawing.event
    title = event_text.title(event)
    drawing.text(_LEFT, 24, title,
                 "t" if len(title) * _WIDE <= _WIDTH - _LEFT - _RIGHT else "u")
    drawing.text(_LEFT, 44, clock(event.begin), "s")
    if event.down is not None:
        up = drawing.end if event.up is None else event.up
        drawing.box(drawing.x(event.down), _TOP - 8,
                    max(1, drawing.x(up) - drawing.x(event.down)), bottom - _TOP + 8, "n",
                    "no primary")
    whole = drawing.end - event.begin
    step = [one for one in _STEPS if whole / one <= 16] or [math.ceil(whole / 16)]
    number = 0
    while number * step[0] <= whole:
        left = drawing.x(event.begin + number * step[0])
        drawing.line(left, _TOP - 8, left, bottom)
        drawing.text(left, _TOP - 14, "{0:g} s".format(number * step[0]), "s", "middle")
        number += 1


def _lane(drawing, node, top, count, placed):
    """Draw a node's name and actions."""
    drawing.line(10, top - _GAP / 2.0, _WIDTH - _RIGHT, top - _GAP / 2.0)
    drawing.text(_LEFT, top + 11, node, "u")
    first = top + _HEAD
    if node in drawing.event.lost:
        left = drawing.x(drawing.event.lost[node])
        drawing.line(left, top - 4, left, first + count * _ROW, "h")
        words = "last heard of"
        after = max(left + 5, _LEFT + len(node) * (_NARROW + 1) + 14)
        drawing.text(min(after, _WIDTH - len(words) * _NARROW), top + 11, words, "s")
    for row, item, side in placed:
        left, y = drawing.x(item.start), first + row * _ROW
        width = max(2.0, drawing.x(item.end or item.start) - left)
        hint = "{0}: {1} {2}".format(_words(item), item.result or "?", item.reason).strip()
        drawing.box(left, y, width, _ROW - 4, _COLOURS.get(item.operation, "#888888"), hint,
                    " stroke=\"{0}\" stroke-width=\"3\"".format(_FAILED) if _is_bad(item) else "")
        if side == "in":
            drawing.text(left + 4, y + 12, _words(item), "d" if item.operation in _LIGHT else "w")
        else:
            drawing.text(left + width + 4 if side == "right" else left - 4, y + 12, _words(item),
                         "o" if _is_bad(item) else "s", "start" if side == "right" else "end")


def _primary(drawing, top):
    """Draw who was the primary when, and the time without one."""
    event = drawing.event
    drawing.line(10, top - _GAP / 2.0, _WIDTH - _RIGHT, top - _GAP / 2.0)
    drawing.text(_LEFT, top + 11, "primary", "u")
    top += _HEAD
    if event.down is None:
        drawing.text(_LEFT, top + 16, "{0} all the time".format(event.new) if event.new else
                     "not known")
        return
    up = drawing.end if event.up is None else event.up
    reigns = ((event.begin, event.down, event.old), (up, drawing.end, event.new))
    for begin, end, node in reigns:
        left, width = drawing.x(begin), drawing.x(end) - drawing.x(begin)
        if width > 1 and node:
            drawing.box(left, top, width, 24, "#1f5fbf", "{0} is the primary".format(node))
            if width > len(node) * _NARROW + 10:
                drawing.text(left + 5, top + 16, node, "w")
    words = "no primary: {0}".format(event_text.shown(event).partition(" (")[0])
    left, right = drawing.x(event.down), drawing.x(up)
    drawing.box(left, top, max(1, right - left), 24, "#ef9a9a", words)
    if right - left > len(words) * _NARROW + 10:
        drawing.text((left + right) / 2, top + 16, words, "d", "middle")
    else:
        drawing.text(min(left, _WIDTH - len(words) * (_NARROW + 1)), top + 40, words, "o")


def _remarks(drawing, top):
    """Write why this node was promoted, and what is estimated; return the picture's height."""
    event = drawing.event
    remarks = [line for line in event_text.why(event) if line]
    if event.estimated or event.at_least:
        remarks.append("no primary: {0}".format(event_text.shown(event)))
    for line in [piece for remark in remarks for piece in _folded(remark)]:
        drawing.text(_LEFT, top, line, "s")
        top += 16
    return top


def _folded(line):
    """Yield a line in pieces that fit, cut between nodes where that is possible."""
    while line:
        cut = line if len(line) <= _LINE else line[:_LINE].rpartition("; ")[0] or line[:_LINE]
        yield cut
        line = line[len(cut):].lstrip("; ")


def _plain(words, _colour):
    return words


_PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{0}</title>
<style>:root{{color-scheme:light dark}}body{{font-family:sans-serif;margin:1em}}
div,pre{{overflow-x:auto}}</style></head><body><div>{1}</div><pre>{2}</pre></body></html>
"""


def html(event):
    """Return a page (str) with the picture and the list of actions; it needs no other file."""
    return _PAGE.format(escape(event_text.title(event)), svg(event),
                        escape("\n".join(event_text.lines(event, _plain))))
