"""Configurations that Pacemaker's own schema allows: a walk through its RELAX NG files.

`configurations()` is a hypothesis strategy. It draws a few sections, puts them into a recorded CIB,
lets references lead to something, and makes a resource of PAF of some primitive.
"""

import copy
import pathlib
from dataclasses import dataclass, field
from xml.etree import ElementTree

from hypothesis import strategies as st
from lxml import etree

FOLDER = pathlib.Path("/usr/share/pacemaker")
_NS = "{http://relaxng.org/ns/structure/1.0}"
_DEEP = 9       # elements below each other, from which on only what is needed is drawn

RESOURCES, CONSTRAINTS = "resources-3.7.rng", "constraints-3.7.rng"
SECTIONS = {"resources": RESOURCES, "constraints": CONSTRAINTS, "options": "options-3.5.rng",
            "tags": "tags-3.3.rng"}

#: What is in attributes of which the schema says only that they are text.
WORDS = {
    "name": ("notify", "promotable", "interleave", "target-role", "is-managed", "maintenance",
             "resource-stickiness", "migration-threshold", "promoted-max", "master-max", "timeout",
             "clone_node_max", "bindir", "pgdata", "pgport", "maxlag", "maintenance-mode",
             "stonith-enabled", "stonith-watchdog-timeout", "have-watchdog", "no-quorum-policy",
             "pcmk_host_list", "start", "stop", "monitor", "promote", "demote", "notify", "role",
             "on-fail", "ip"),
    "value": ("true", "FALSE", "on", "No", "0", "1", "2", "10", "INFINITY", "-INFINITY", "red",
              "15s", "PT15S", "P1Y", "Started", "Master", "stop", "ignore", "srv1", "srv1 srv2", "",
              "#default", "/x y", "it's"),
    "interval": ("0", "0s", "10s", "PT15S", "15", "1min", "1500ms", "P1D", "x", ""),
    "timeout": ("20s", "PT2M", "120", "1h", "10ms"),
    "role": ("Promoted", "Master", "Unpromoted", "Slave", "Started", "Stopped"),
    "node": ("srv1", "srv2", "srv3", "srv4"),
    "type": ("pgsqlms", "IPaddr2", "Stateful"), "provider": ("heartbeat",),
    "attribute": ("#uname", "site"), "rsc-pattern": ("^x", "!x", ".*"),
    "start": ("2026-01-01 00:00:00Z", "2026-01-01", "now"), "ticket": ("t",),
    "end": ("2027-01-01T00:00:00+01:00", "2020-01-01 00:00Z"),
}
_OTHER = ("", "1", "x", "a b")


@dataclass
class Scope:
    """A grammar: its defines by name, what it starts with, and the grammar around it."""

    start: object = None
    defines: dict = field(default_factory=dict)
    parent: object = None


def _load(name, parent=None):
    scope = Scope(parent=parent)
    _read(etree.parse(str(FOLDER / name)).getroot(), scope)
    return scope


def _read(grammar, scope):
    for item in grammar.iterchildren(tag=etree.Element):
        tag = item.tag.replace(_NS, "")
        if tag == "start":
            scope.start = item
        elif tag == "define":
            scope.defines[item.get("name")] = item
        elif tag == "include":
            _read(etree.parse(str(FOLDER / item.get("href"))).getroot(), scope)
            _read(item, scope)


class Walk:
    """A random walk through the grammar: it draws at each choice, and adds what it meets."""

    def __init__(self, draw):
        self._draw = draw
        self._loaded = {}
        self._depth = 0

    def section(self, name):
        """Return what a file of the schema describes, below an element of its own."""
        root = ElementTree.Element("drawn")
        scope = self._file(name)
        self._all(scope.start, scope, root)
        return root

    def _file(self, name):
        if name not in self._loaded:
            self._loaded[name] = _load(name)
        return self._loaded[name]

    def _all(self, pattern, scope, parent):
        for item in pattern.iterchildren(tag=etree.Element):
            self._one(item, scope, parent)

    def _one(self, item, scope, parent):
        getattr(self, "_" + item.tag.replace(_NS, "").lower())(item, scope, parent)

    _group = _interleave = _mixed = _all

    def _element(self, item, scope, parent):
        self._depth += 1
        self._all(item, scope, ElementTree.SubElement(parent, item.get("name")))
        self._depth -= 1

    def _attribute(self, item, scope, parent):
        name = item.get("name").strip()
        parent.set(name, self._value(list(item.iterchildren(tag=etree.Element)), scope, name))

    def _value(self, patterns, scope, name):
        if not patterns or patterns[0].tag == _NS + "text":
            return self._draw(st.sampled_from(WORDS.get(name, _OTHER)))
        item, tag = patterns[0], patterns[0].tag.replace(_NS, "")
        if tag == "value":
            return item.text.strip()
        if tag == "data":
            return {"ID": "?", "IDREF": "->", "integer": self._draw(st.sampled_from(
                ("0", "1", "-5", "1000000"))), "boolean": self._draw(st.sampled_from(
                    ("true", "false", "0", "1")))}.get(item.get("type")) or self._draw(
                        st.sampled_from(WORDS.get(name, ("1",))))
        if tag == "choice":
            chosen = self._draw(st.sampled_from(list(item.iterchildren(tag=etree.Element))))
            return self._value([chosen], scope, name)
        if tag in ("ref", "parentRef"):
            found, scope = self._lookup(item, scope)
            return self._value(list(found.iterchildren(tag=etree.Element)), scope, name)
        raise AssertionError(f"an attribute with {tag}")

    def _lookup(self, item, scope):
        scope = scope.parent if item.tag == _NS + "parentRef" else scope
        return scope.defines[item.get("name")], scope

    def _ref(self, item, scope, parent):
        found, scope = self._lookup(item, scope)
        self._all(found, scope, parent)

    _parentref = _ref

    def _externalref(self, item, scope, parent):
        found = self._file(item.get("href"))
        self._all(found.start, found, parent)

    def _grammar(self, item, scope, parent):
        inner = Scope(parent=scope)
        _read(item, inner)
        self._all(inner.start, inner, parent)

    def _choice(self, item, scope, parent):
        choices = list(item.iterchildren(tag=etree.Element))
        if self._depth > _DEEP:
            choices = choices[:1]
        self._one(self._draw(st.sampled_from(choices)), scope, parent)

    def _optional(self, item, scope, parent):
        if self._depth <= _DEEP and self._draw(st.booleans()):
            self._all(item, scope, parent)

    def _zeroormore(self, item, scope, parent):
        self._repeat(item, scope, parent, 0)

    def _oneormore(self, item, scope, parent):
        self._repeat(item, scope, parent, 1)

    def _repeat(self, item, scope, parent, least):
        most = least if self._depth > _DEEP else 4 if self._depth < 2 else least + 1
        for _ in range(self._draw(st.integers(least, most))):
            self._all(item, scope, parent)

    def _empty(self, item, scope, parent):
        """There is nothing here."""

    _text = _data = _value_element = _notallowed = _empty


@st.composite
def configurations(draw, base):
    """Draw a CIB (an Element) with the sections of `base` (text) that were not drawn left as is."""
    root = ElementTree.fromstring(base)
    configured = root.find("configuration")
    walk = Walk(draw)
    for name in draw(st.lists(st.sampled_from(sorted(SECTIONS)), min_size=1, max_size=2,
                              unique=True)):
        for section in walk.section(SECTIONS[name]):
            for old in configured.findall(section.tag):
                configured.remove(old)
            configured.append(section)
    identify(configured)
    connect(draw, configured)
    _make_paf(draw, configured)
    return root


def identify(configured):
    """Give each element an id that no other has."""
    for number, element in enumerate(configured.iter()):
        if element.get("id") == "?":
            element.set("id", f"x{number}")


_REFERENCES = {"rsc_location": ("rsc",), "rsc_colocation": ("rsc", "with-rsc"),
               "rsc_order": ("first", "then"), "rsc_ticket": ("rsc",), "resource_ref": ("id",)}
_OF_RESOURCES = ("primitive", "group", "clone", "master", "bundle")


def connect(draw, configured):
    """Point each reference at an element of its kind; remove those that can have none."""
    resources = [item.get("id") for item in configured.iter()
                 if item.tag in _OF_RESOURCES and item.get("id") != "->"]
    for item in configured.iter():
        for name in _REFERENCES.get(item.tag, ()):
            if item.get(name) not in (None, "->", *resources):
                item.set(name, "->")    # what was recorded may be gone
    while True:
        item, name = _loose(configured)
        if item is None:
            return
        wanted = resources
        if name == "template":
            wanted = [other.get("id") for other in configured.iter("template")]
        elif name == "id-ref":
            wanted = [other.get("id") for other in configured.iter(item.tag)
                      if other.get("id") and other is not item]
        if wanted:
            item.set(name, draw(st.sampled_from(wanted)))
        else:
            _cut_off(configured, item, name)


def _loose(configured):
    """Return (element, attribute) of a reference that leads nowhere, (None, "") without one."""
    ids = {item.get("id") for item in configured.iter()}
    for item in configured.iter():
        for name, value in item.items():
            if value == "->" or (name == "id-ref" and value not in ids):
                return item, name
    return None, ""


def _cut_off(configured, item, name):
    """Remove a reference, and with it the element where it may not be missing."""
    if name == "template":
        del item.attrib[name]
        item.attrib.update({"class": "ocf", "provider": "heartbeat", "type": "Stateful"})
        return
    parents = {child: parent for parent in configured.iter() for child in parent}
    while item.tag in ("resource_ref", "resource_set", "obj_ref", "rule"):
        item = parents[item]
    parents[item].remove(item)


def _make_paf(draw, configured):
    """Make a resource of PAF of one of the primitives, in a clone where there is none."""
    found = list(configured.iter("primitive"))
    kind = {"class": "ocf", "provider": "heartbeat", "type": "pgsqlms"}
    if not found:
        section = configured.find("resources")
        clone = ElementTree.SubElement(section, "clone", {"id": "drawn-clone"})
        found = [ElementTree.SubElement(clone, "primitive", {"id": "drawn", **kind})]
    chosen = draw(st.sampled_from(found))
    if chosen.get("template"):
        source = [item for item in configured.iter("template")
                  if item.get("id") == chosen.get("template")]
        chosen = source[0]
    chosen.attrib.update(kind)


def text_of(root):
    """Return a CIB as text."""
    return ElementTree.tostring(copy.deepcopy(root), encoding="unicode")


def is_valid(root):
    """Return the schema's complaints about a CIB: a list."""
    relax = etree.RelaxNG(etree.parse(str(FOLDER / "pacemaker-3.7.rng")))
    relax.validate(etree.fromstring(text_of(root)))
    return [entry.message for entry in relax.error_log]
