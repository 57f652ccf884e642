#!/usr/bin/env python3
"""The architecture as a picture: the layers of paf/, from the rules that `make lint` holds.

    python3 -B docs/architecture.py FOLDER      writes architecture.svg
"""

import io
import os
import sys
from xml.sax.saxutils import escape

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from tests import layers    # noqa: E402

_WIDTH, _LEFT, _GAP, _LINE = 760, 20, 24, 15
#: What is outside: before the first layer, and below the one that observes and acts.
_CALLERS = ("Pacemaker: start, stop, monitor, promote, demote, notify",
            "administrator: the command paf")
_OUTSIDE = {"instance": "PostgreSQL: processes, SQL, files, pg_ctl",
            "cluster": "Pacemaker's programs: attributes, scores, members"}
_FILL = {"entries": "#dbe7f7", "decide": "#d9efe3", "observe and act": "#fff3d6"}
_STYLE = ("text{font:12px sans-serif;fill:#222}.t{font-size:13px;font-weight:bold}"
          ".o{fill:#555;font-style:italic}")


class Drawing(object):
    """The elements of the picture, and how far down it has come."""

    def __init__(self):
        self.elements, self.top = [], 16

    def text(self, left, top, words, kind=""):
        """Write words at a place."""
        self.elements.append("<text x=\"{0}\" y=\"{1}\" class=\"{2}\">{3}</text>".format(
            left, top, kind, escape(words)))

    def box(self, left, width, title, lines, fill, kind="t"):
        """Draw a box at the present height; return its height."""
        height = 30 + _LINE * len(lines)
        self.elements.append(
            "<rect x=\"{0}\" y=\"{1}\" width=\"{2}\" height=\"{3}\" rx=\"5\" fill=\"{4}\" "
            "stroke=\"#889\"/>".format(left, self.top, width, height, fill))
        self.text(left + 10, self.top + 20, title, kind)
        for number, line in enumerate(lines):
            self.text(left + 10, self.top + 37 + _LINE * number, line)
        return height

    def arrow(self, left):
        """Draw an arrow from the present height over the gap below."""
        self.elements.append(
            "<path d=\"M{0} {1}v{2}m-4 -6l4 6l4 -6\" fill=\"none\" stroke=\"#445\"/>".format(
                left, self.top + 3, _GAP - 6))


def layer(drawing, name, what, names):
    """Draw one layer, with a box for each of its packages where it has two; return its height."""
    fill = _FILL.get(name, "#f2f2f2")
    packages = [one.rstrip(".") for one in names if one.endswith(".")]
    modules = ["paf/{0}.py".format(one.replace(".", "/")) for one in names
               if one and not one.endswith(".")]
    if len(packages) == 2:
        width = (_WIDTH - 2 * _LEFT - 20) // 2
        for number, package in enumerate(packages):
            tall = drawing.box(_LEFT + number * (width + 20), width,
                               "paf/{0}/".format(package), (_OUTSIDE[package],), fill)
        return tall
    title = "paf/*.py" if len(modules) > 4 else ", ".join(
        ["paf/{0}/".format(one) for one in packages] + modules)
    return drawing.box(_LEFT, _WIDTH - 2 * _LEFT, title, (what,), fill)


def svg():
    """Return the picture (str)."""
    drawing = Drawing()
    width = (_WIDTH - 2 * _LEFT - 20) // 2
    for number, words in enumerate(_CALLERS):
        tall = drawing.box(_LEFT + number * (width + 20), width, words, (), "#fff", "o")
    for name, what, names in layers.LAYERS:
        drawing.top += tall
        drawing.arrow(_WIDTH // 2)
        drawing.top += _GAP
        tall = layer(drawing, name, what, names)
    height = drawing.top + tall + 16
    return ("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
            "viewBox=\"0 0 {0} {1}\"><style>{2}</style><rect width=\"{0}\" height=\"{1}\" "
            "fill=\"#fff\"/>\n{3}\n</svg>\n".format(_WIDTH, height, _STYLE,
                                                    "\n".join(drawing.elements)))


def main(argv):
    """Write the picture into the folder that argv names; return the exit status."""
    with io.open(os.path.join(argv[1], "architecture.svg"), "w", encoding="utf-8") as stream:
        stream.write(u"{0}".format(svg()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
