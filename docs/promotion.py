#!/usr/bin/env python3
"""The life of a promotion as a picture: the modules that the code of each step calls, in its order.

    python3 -B docs/promotion.py FOLDER      writes promotion.svg

Read from the source: of each step, `run` and the functions of its module that it reaches.
"""

import ast
import io
import os
import sys
from xml.sax.saxutils import escape

REPOSITORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
#: What Pacemaker starts, in this order; where; the module.
STEPS = (
    ("1. notify, pre-promote", "on every node that runs the resource", "notifications/pre_promote"),
    ("2. promote", "on the candidate", "actions/promote"),
    ("3. notify, post-promote", "on every node that runs the resource",
     "notifications/post_promote"),
    ("4. monitor", "on the new primary: scores of its standbys", "actions/monitor"),
)
#: Modules that say what to do, and those that find out or do it, in colours of architecture.svg.
_FILL = {"decide": "#d9efe3", "instance": "#fff3d6", "cluster": "#fff3d6"}
_WIDTH, _LINE = 760, 17
_STYLE = ("text{font:12px sans-serif;fill:#222}.t{font-size:13px;font-weight:bold}"
          ".o{fill:#555;font-style:italic}.m{font-family:monospace}")


def calls(name):
    """Return the modules (a list of str) that a module (str, below paf/) calls, in its order."""
    with io.open(os.path.join(REPOSITORY, "paf", name + ".py"), encoding="utf-8") as stream:
        tree = ast.parse(stream.read())
    modules, functions = {}, {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("paf"):
            for alias in node.names:
                modules[alias.name] = "/".join((node.module + "." + alias.name).split(".")[1:])
        elif isinstance(node, ast.FunctionDef):
            functions[node.name] = node
    found = []
    _follow("run", functions, modules, found, set())
    return found


def _follow(name, functions, modules, found, done):
    """Add to `found` what a function calls elsewhere, and what the module's own ones do."""
    done.add(name)
    inside = [node for node in ast.walk(functions[name]) if isinstance(node, ast.Call)]
    for node in sorted(inside, key=lambda one: (one.lineno, one.col_offset)):
        called = node.func
        if isinstance(called, ast.Name) and called.id in functions and called.id not in done:
            _follow(called.id, functions, modules, found, done)
        elif isinstance(called, ast.Attribute):
            place = _elsewhere(called, modules)
            if place and place not in found:
                found.append(place)


def _elsewhere(called, modules):
    """Return the module of a call (str); "" for one that is not of paf/ or says nothing."""
    owner = called.value
    if isinstance(owner, ast.Attribute) and owner.attr == "cluster":
        return "cluster"
    place = modules.get(owner.id, "") if isinstance(owner, ast.Name) else ""
    shown = ("decide", "instance", "promotion", "holders", "lastwords", "synchronous",
             "acknowledged")
    return place if place.split("/")[0] in shown else ""


def svg():
    """Return the picture (str)."""
    elements, top = [], 16
    for title, where, name in STEPS:
        found = calls(name)
        height = max(70, 16 + _LINE * len(found))
        elements.append(_box(20, top, 280, height, "#dbe7f7"))
        elements += [_text(30, top + 20, title, "t"), _text(30, top + 37, where, "o"),
                     _text(30, top + 54, "paf/{0}.py".format(name), "m")]
        for number, module in enumerate(found):
            line = top + 8 + _LINE * number
            elements.append(_box(320, line, _WIDTH - 340, _LINE, _FILL.get(
                module.split("/")[0], "#f2f2f2")))
            elements.append(_text(328, line + 13, "paf/{0}{1}".format(
                module, "/" if module == "cluster" else ".py"), "m"))
        top += height + 14
    return (u"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
            u"viewBox=\"0 0 {0} {1}\"><style>{2}</style><rect width=\"{0}\" height=\"{1}\" "
            u"fill=\"#fff\"/>\n{3}\n</svg>\n".format(_WIDTH, top + 4, _STYLE, u"\n".join(elements)))


def _text(left, top, words, kind):
    return "<text x=\"{0}\" y=\"{1}\" class=\"{2}\">{3}</text>".format(
        left, top, kind, escape(words))


def _box(left, top, width, height, fill):
    return ("<rect x=\"{0}\" y=\"{1}\" width=\"{2}\" height=\"{3}\" rx=\"3\" fill=\"{4}\" "
            "stroke=\"#889\"/>".format(left, top, width, height, fill))


def main(argv):
    """Write the picture into the folder that argv names; return the exit status."""
    with io.open(os.path.join(argv[1], "promotion.svg"), "w", encoding="utf-8") as stream:
        stream.write(svg())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
