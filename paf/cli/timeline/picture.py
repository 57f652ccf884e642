"""One event as a picture: a lane per node, a bar per action, the time without a primary. Pure."""

from xml.sax.saxutils import escape

from paf.cli.timeline import actions

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW, _GAP = 1180, 90, 45, 64, 20, 14
_COLOURS = {"demote": "#b8860b", "stop": "#8b5a2b", "start": "#2e7d5b", "promote": "#1f5fbf",
            "fence": "#7b1fa2", "monitor": "#c62828",
            actions.CRASH: "#c62828", "pre-promote": "#9fb8d8",
            "pre-demote": "#d8c49f", "post-promote": "#9fb8d8"}
_FAILED, _OUTAGE = "#c62828", "#fde0dc"
_AFTER = 0.16
_NARROW = 6.4       # pixels of a letter
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600)

_STYLE = "text{font:12px sans-serif;fill:#222}.s{font-size:11px;fill:#555}" \
         ".t{font-size:16px;font-weight:bold}.w{fill:#fff}.o{fill:#b71c1c;font-weight:bold}"


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
        """Draw a rectangle."""
        self.elements.append(
            "<rect x=\"{0:.1f}\" y=\"{1:.1f}\" width=\"{2:.1f}\" height=\"{3:.1f}\" "
            "fill=\"{4}\"{5}><title>{6}</title></rect>".format(
                left, top, width, height, fill, more, escape(hint)))

    def text(self, left, top, words, kind="", anchor="start"):
        """Write."""
        self.elements.append(
            "<text x=\"{0:.1f}\" y=\"{1:.1f}\" class=\"{2}\" text-anchor=\"{3}\">{4}</text>".format(
                left, top, kind, anchor, escape(words)))

    def line(self, left, top, right, bottom, colour="#ddd", more=""):
        """Draw a line."""
        self.elements.append(
            "<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{2:.1f}\" y2=\"{3:.1f}\" stroke=\"{4}\"{5}/>"
            .format(left, top, right, bottom, colour, more))


def _rows(drawing, found):
    """Return (row, Action) of one node's actions, so that neither bars nor labels overlap."""
    ends, placed = [], []
    for item in found:
        left = drawing.x(item.start)
        right = max(drawing.x(item.end or item.start) + 2,
                    left + _label_room(drawing, item)) + 4
        free = [row for row, end in enumerate(ends) if end <= left]
        row = free[0] if free else len(ends)
        if row == len(ends):
            ends.append(right)
        ends[row] = right
        placed.append((row, item))
    return max(1, len(ends)), placed


def _words(item):
    # of a monitor that failed only the moment is known
    length = "" if item.end in (None, item.start) else " {0:.2f} s".format(item.end - item.start)
    return "{0}{1}{2}".format(item.operation, " " + item.resource if item.resource else "", length)


def _label_room(drawing, item):
    width = drawing.x(item.end or item.start) - drawing.x(item.start)
    needed = len(_words(item)) * _NARROW + 8
    return width if needed <= width else width + needed


def svg(event):
    """Return the picture (str)."""
    drawing = _Drawing(event)
    nodes = sorted(set(item.node for item in event.actions) | set(event.lost))
    lanes, top = [], _TOP
    for node in nodes:
        count, placed = _rows(drawing, [item for item in event.actions if item.node == node])
        lanes.append((node, top, count, placed))
        top += count * _ROW + _GAP
    _background(drawing, top)
    for lane in lanes:
        _lane(drawing, *lane)
    _primary(drawing, top)
    height = top + 62
    return ("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
            "viewBox=\"0 0 {0} {1}\"><style>{2}</style><rect width=\"{0}\" height=\"{1}\" "
            "fill=\"#fff\"/>{3}</svg>\n".format(_WIDTH, height, _STYLE,
                                                "\n".join(drawing.elements)))


def _background(drawing, bottom):
    """Draw the heading, the outage behind everything, and the seconds."""
    from paf.cli.timeline import timeline
    event = drawing.event
    drawing.text(_LEFT, 24, timeline.title(event), "t")
    drawing.text(_WIDTH - _RIGHT, 24, timeline.clock(event.begin), "s", "end")
    if event.up is not None and event.down is not None:
        drawing.box(drawing.x(event.down), _TOP - 8,
                    max(1, drawing.x(event.up) - drawing.x(event.down)), bottom - _TOP + 8, _OUTAGE,
                    "no primary")
    step = [one for one in _STEPS if (drawing.end - event.begin) / one <= 16] or [_STEPS[-1]]
    number = 0
    while number * step[0] <= drawing.end - event.begin:
        left = drawing.x(event.begin + number * step[0])
        drawing.line(left, _TOP - 8, left, bottom)
        drawing.text(left, _TOP - 14, "{0:g} s".format(number * step[0]), "s", "middle")
        number += 1


def _lane(drawing, node, top, count, placed):
    """Draw a node's name and actions."""
    drawing.line(10, top - _GAP / 2.0, _WIDTH - _RIGHT, top - _GAP / 2.0, "#bbb")
    drawing.text(12, top + 14, node)
    if node in drawing.event.lost:
        left = drawing.x(drawing.event.lost[node])
        drawing.line(left, top - 4, left, top + count * _ROW, "#000",
                     " stroke-width=\"2\" stroke-dasharray=\"3 2\"")
        drawing.text(left + 5, top + 14, "last heard of", "s")
    for row, item in placed:
        left, y = drawing.x(item.start), top + row * _ROW
        width = max(2.0, drawing.x(item.end or item.start) - left)
        bad = item.result and not actions.is_good(item.result)
        hint = "{0}: {1} {2}".format(_words(item), item.result or "?", item.reason).strip()
        drawing.box(left, y, width, _ROW - 4, _COLOURS.get(item.operation, "#888"), hint,
                    " stroke=\"{0}\" stroke-width=\"3\"".format(_FAILED) if bad else "")
        words = _words(item) + (" FAILED" if bad and item.operation != actions.CRASH else "")
        inside = len(words) * _NARROW + 8 <= width
        light = item.operation in ("pre-promote", "pre-demote", "post-promote")
        drawing.text(left + 4 if inside else left + width + 4, y + 12, words,
                     ("" if light else "w") if inside else "o" if bad else "s")


def _primary(drawing, top):
    """Draw who was the primary when, and the time that nobody was."""
    event = drawing.event
    drawing.line(10, top - _GAP / 2.0, _WIDTH - _RIGHT, top - _GAP / 2.0, "#555")
    drawing.text(12, top + 16, "primary")
    if event.up is None or event.down is None:
        drawing.text(_LEFT, top + 16, "{0} all the time".format(event.new or "unknown"))
        return
    reigns = ((event.begin, event.down, event.old), (event.up, drawing.end, event.new))
    for left, right, node in reigns:
        width = drawing.x(right) - drawing.x(left)
        if width > 1 and node:
            drawing.box(drawing.x(left), top, width, 24, "#1f5fbf",
                        "{0} is the primary".format(node))
            if width > len(node) * _NARROW + 10:
                drawing.text(drawing.x(left) + 5, top + 16, node, "w")
    words = "no primary: {0:.2f} s{1}".format(
        event.up - event.down, " (start estimated)" if event.estimated else "")
    left, right = drawing.x(event.down), drawing.x(event.up)
    drawing.box(left, top, max(1, right - left), 24, "#ef9a9a", words)
    if right - left > len(words) * _NARROW + 10:
        drawing.text((left + right) / 2, top + 16, words, "o", "middle")
    else:
        drawing.text(min(left, _WIDTH - _RIGHT - 160), top + 42, words, "o")


def _plain(text, _colour):
    return text


def html(event):
    """Return a page (str) with the picture and the list of actions; it needs no other file."""
    from paf.cli.timeline import timeline
    return ("<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>{0}</title></head>"
            "<body style=\"font-family:sans-serif;margin:2em\">{1}<pre>{2}</pre></body></html>\n"
            .format(escape(timeline.title(event)), svg(event),
                    escape("\n".join(timeline.lines(event, _plain)))))
