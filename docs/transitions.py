#!/usr/bin/env python3
"""The four transitions as pictures: what Pacemaker asks for, node by node, in order.

    python3 -B docs/transitions.py FOLDER       writes an .svg for each

Each step is data: a column, a lane, a kind, a title and a few short lines.
"""

import io
import os
import sys
from collections import namedtuple
from xml.sax.saxutils import escape

#: kind: action, notify (a notification), event (something that happens to PostgreSQL or a node).
Step = namedtuple("Step", "column lane kind title lines")

#: writes: (node, begin, end): who takes writes, "" for none, in columns: 1.5 is the middle of the
#: first.
Picture = namedtuple("Picture", "name heading lanes columns steps writes")

ACTION, NOTIFY, EVENT = "action", "notify", "event"
SRV1, SRV2, SRV3 = "srv1", "srv2", "srv3"

PICTURES = (
    Picture(
        "recovery-of-a-standby", "Recovery of a standby: srv2 has crashed",
        (SRV1, SRV2), 5, (
            Step(1, SRV2, EVENT, "crash", ("its postmaster", "is gone")),
            Step(2, SRV2, EVENT, "it is seen", (
                "by crash_watch, or", "by the monitor:", "crashed standby")),
            Step(3, SRV2, ACTION, "stop", ("ends backends", "that are left")),
            Step(4, SRV2, ACTION, "start", ("not diverged?", "as a standby")),
            Step(5, SRV1, NOTIFY, "post-start", ("srv2 streams:", "its score")),
        ), ((SRV1, 1, 6),)),
    Picture(
        "recovery-of-the-primary", "Recovery of the primary: srv1 has crashed",
        (SRV1, SRV2), 7, (
            Step(1, SRV1, EVENT, "crash", ("its postmaster", "is gone")),
            Step(2, SRV1, EVENT, "it is seen", (
                "by crash_watch, or", "by the monitor:", "crashed primary")),
            Step(3, SRV1, ACTION, "demote", ("ends backends", "that are left")),
            Step(4, SRV1, ACTION, "stop", ("nothing to do",)),
            Step(5, SRV1, ACTION, "start", ("as a standby, it", "replays its WAL")),
            Step(6, SRV1, NOTIFY, "pre-promote", ("the same node:", "no election")),
            Step(6, SRV2, NOTIFY, "pre-promote", ("publishes its", "position")),
            Step(7, SRV1, ACTION, "promote", ("a new timeline;", "the address")),
        ), ((SRV1, 1, 1.5), ("", 1.5, 7.5), (SRV1, 7.5, 8))),
    Picture(
        "failover", "Failover: srv1 is lost, srv2 and srv3 hold an election",
        (SRV1, SRV2, SRV3), 6, (
            Step(1, SRV1, EVENT, "power cut", ("or no network",)),
            Step(2, SRV1, ACTION, "fencing", ("off: it certainly", "cannot write")),
            Step(3, SRV2, NOTIFY, "pre-promote", (
                "candidate: opens the", "round, publishes", "TL 3, 0/5000148")),
            Step(3, SRV3, NOTIFY, "pre-promote", ("publishes", "TL 3, 0/5000060")),
            Step(4, SRV2, NOTIFY, "it counts", (
                "no node is ahead;", "else: the better", "gets the score")),
            Step(5, SRV2, ACTION, "promote", ("counts again,", "then a new", "timeline")),
            Step(6, SRV2, ACTION, "the address", ("is started",)),
            Step(6, SRV3, EVENT, "follows", ("to the new", "timeline")),
        ), ((SRV1, 1, 1.5), ("", 1.5, 5.5), (SRV2, 5.5, 7))),
    Picture(
        "switchover", "Switchover: the primary moves from srv1 to srv2",
        (SRV1, SRV2, SRV3), 6, (
            Step(1, SRV1, NOTIFY, "pre-demote", (
                "srv2 streams and", "is near? else:", "refused. Checkpoint")),
            Step(2, SRV1, ACTION, "demote", ("fast shutdown,", "then a start as", "a standby")),
            Step(3, SRV2, NOTIFY, "pre-promote", (
                "shutdown checkpoint", "of srv1 received?", "else: refused")),
            Step(3, SRV1, NOTIFY, "pre-promote", ("publishes its", "position")),
            Step(3, SRV3, NOTIFY, "pre-promote", ("publishes its", "position")),
            Step(4, SRV2, NOTIFY, "it counts", ("no node is ahead", "(the election)")),
            Step(5, SRV2, ACTION, "promote", ("counts again,", "then a new", "timeline")),
            Step(6, SRV2, ACTION, "the address", ("is started",)),
            Step(6, SRV1, EVENT, "follows", ("to the new", "timeline")),
            Step(6, SRV3, EVENT, "follows", ("to the new", "timeline")),
        ), ((SRV1, 1, 2), ("", 2, 5.5), (SRV2, 5.5, 7))),
)

_LEFT, _TOP, _COLUMN, _LANE, _BOX, _FOOT = 70, 56, 148, 92, 138, 30
_FILL = {ACTION: "#1f5fbf", NOTIFY: "#dbe7f7", EVENT: "#fff3d6"}
_EDGE = {ACTION: "#1f5fbf", NOTIFY: "#7f9fca", EVENT: "#c9a13b"}
_KEY = ((ACTION, "action"), (NOTIFY, "notification"), (EVENT, "what happens"))
_STYLE = "text{font:12px sans-serif;fill:#222}.h{font-size:16px;font-weight:bold}" \
         ".t{font-weight:bold}.w{fill:#fff}.n{fill:#b71c1c;font-weight:bold}"


def _text(left, top, words, kind="", anchor="middle"):
    return "<text x=\"{0}\" y=\"{1}\" class=\"{2}\" text-anchor=\"{3}\">{4}</text>".format(
        left, top, kind, anchor, escape(words))


def _box(left, top, width, height, fill, edge):
    return "<rect x=\"{0}\" y=\"{1}\" width=\"{2}\" height=\"{3}\" rx=\"4\" fill=\"{4}\" " \
           "stroke=\"{5}\"/>".format(left, top, width, height, fill, edge)


def _column(number):
    return _LEFT + (number - 1) * _COLUMN


def _step(step, lanes):
    """Yield the elements of one step."""
    left = _column(step.column) + (_COLUMN - _BOX) // 2
    top = _TOP + lanes.index(step.lane) * _LANE + 10
    yield _box(left, top, _BOX, _LANE - 20, _FILL[step.kind], _EDGE[step.kind])
    light = " w" if step.kind == ACTION else ""
    yield _text(left + _BOX // 2, top + 17, step.title, "t" + light)
    for number, line in enumerate(step.lines):
        yield _text(left + _BOX // 2, top + 34 + number * 14, line, light.strip())


def _writes(picture, top):
    """Yield who takes writes when."""
    yield _text(10, top + 15, "writes", "t", "start")
    for node, begin, end in picture.writes:
        left, right = int(_column(begin)) + 4, int(_column(end)) - 4
        colour = "#2e7d5b" if node else "#ef9a9a"
        yield _box(left, top, right - left, _FOOT - 8, colour, colour)
        yield _text((left + right) // 2, top + 15, node or "none", "t w" if node else "n")


def svg(picture):
    """Return a Picture as SVG (str)."""
    width = _LEFT + picture.columns * _COLUMN + 14
    bottom = _TOP + len(picture.lanes) * _LANE
    elements = [_text(10, 26, picture.heading, "h", "start")]
    left = width - 14 - 110 * len(_KEY)
    for number, (kind, words) in enumerate(_KEY):
        place = left + number * 110
        elements.append(_box(place, 34, 12, 12, _FILL[kind], _EDGE[kind]))
        elements.append(_text(place + 18, 44, words, "", "start"))
    for number, lane in enumerate(picture.lanes):
        top = _TOP + number * _LANE
        elements.append("<line x1=\"10\" y1=\"{0}\" x2=\"{1}\" y2=\"{0}\" stroke=\"#bbb\"/>".format(
            top, width - 14))
        elements.append(_text(10, top + _LANE // 2 + 4, lane, "t", "start"))
    elements.append("<line x1=\"10\" y1=\"{0}\" x2=\"{1}\" y2=\"{0}\" stroke=\"#555\"/>".format(
        bottom, width - 14))
    for step in picture.steps:
        elements += _step(step, picture.lanes)
    elements += _writes(picture, bottom + 8)
    height = bottom + _FOOT + 10
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" " \
           "viewBox=\"0 0 {0} {1}\"><style>{2}</style><rect width=\"{0}\" height=\"{1}\" " \
           "fill=\"#fff\"/>\n{3}\n</svg>\n".format(width, height, _STYLE, "\n".join(elements))


def main(argv):
    """Write the pictures into the folder that argv names; return the exit status."""
    for picture in PICTURES:
        with io.open(os.path.join(argv[1], picture.name + ".svg"), "w", encoding="utf-8") as stream:
            stream.write(u"{0}".format(svg(picture)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
