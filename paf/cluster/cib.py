"""What PAF reads of the cluster's CIB, in one pass over its XML.

Source: Pacemaker Explained, "Status", "Constraints"; in_ccm and crmd are times (0: away) since
Pacemaker 2.1.7, words before.
"""

from collections import namedtuple
from xml.parsers import expat

from paf.ocf import INFINITY, OcfError, score

#: online: nodes (sorted list) of this partition; scores: dict of node to promotion score (int);
#: reasons, positions: dicts of node to its value (str) of the transient attributes asked for;
#: cleaned_up: nodes (sorted list) whose failure was cleaned up, and which still show its reason;
#: running: nodes (sorted list) on which Pacemaker has not stopped the resource, or not found it;
#: wished: nodes (set) to which a location constraint draws the promoted role of this resource with
#: INFINITY, as a request for a switchover does; rules, last_words: dicts of node to its value (str)
#: of these permanent attributes; accepted: nodes (set) for which the administrator accepts a loss;
#: maintenance: nodes (set) in maintenance mode, which Pacemaker does not notify; acknowledged: as
#: rules, what each standby may have acknowledged; copies: as rules, the last primary and its rule,
#: kept at each other node; hidden: nodes (set) with a transient score, which hides that in scores.
Scan = namedtuple("Scan", "online scores reasons positions cleaned_up running wished rules "
                  "last_words accepted maintenance acknowledged copies hidden")

#: The names of the attributes that `parse` looks for, each as it is called for the resource.
#: score, rule, last_words, acknowledged, copy: permanent; reason, position, accept, failure:
#: transient, and counts, a tuple: which one counts failures differs between versions.
Names = namedtuple("Names", "score reason position failure counts rule last_words accept "
                   "acknowledged copy")

TRUE = ("true", "on", "yes", "y", "1")
_AWAY = ("", "0", "false", "offline")    # values of in_ccm and crmd of a node that is away
#: What a probe ends with that found nothing, or has nothing to run it with.
_NOT_THERE = ("2", "3", "4", "5", "6", "7")
_RESOURCES = ("primitive", "group", "clone", "master", "bundle")


def parse(xml, names, resource="", now=None):
    """Return the Scan in the CIB's XML (str). Raises OcfError when it is none.

    names: Names; resource: the resource's name; now: seconds since 1970, to know which constraints
    have expired.
    """
    reader = _Reader(resource, names)
    reader.read(xml)
    permanent, transient = reader.permanent, reader.transient
    counted = [node for name in names.counts for node, value in transient[name].items()
               if value not in ("", "0")]
    # what is no number is 0 to Pacemaker; a node that has it is none without a score
    scores = dict((node, score(text) or 0) for node, text in permanent[names.score].items())
    return Scan(
        sorted(reader.online),
        scores, transient[names.reason], transient[names.position],
        sorted(set(transient[names.failure]) - set(counted)),
        sorted(reader.running), reader.wished(now), permanent[names.rule],
        permanent[names.last_words],
        set(node for node, text in transient[names.accept].items() if text.lower() in TRUE),
        reader.maintenance, permanent[names.acknowledged], permanent[names.copy],
        set(transient[names.score]))


def is_powerless(xml):
    """Return whether the CIB (XML, str) is of a partition that has no quorum and acts by that.

    Raises OcfError when it is none. Source: Pacemaker Explained, "CIB Properties" (have-quorum),
    "Cluster Options" (no-quorum-policy).
    """
    begin, policies = xml.find("<cib"), []
    if 'have-quorum="0"' not in xml[begin:xml.find(">", begin)]:
        return False

    def start(tag, attributes):
        if tag == "nvpair" and attributes.get("name") in ("no-quorum-policy", "no_quorum_policy"):
            policies.append(attributes.get("value", "").lower())
    parser = xml_parser()
    parser.StartElementHandler = start
    feed(parser, xml)
    return set(policies) != set(["ignore"])    # of several another one may hold


def has_watchdog(xml):
    """Return whether Pacemaker has found a running SBD, as the CIB (XML, str) says.

    Raises OcfError when it is none. Source: Pacemaker Explained, "Cluster Options" (have-watchdog).
    """
    values = []

    def start(tag, attributes):
        if tag == "nvpair" and attributes.get("name") == "have-watchdog":
            values.append(attributes.get("value", "").lower())
    parser = xml_parser()
    parser.StartElementHandler = start
    feed(parser, xml)
    return any(value in TRUE for value in values)


def xml_parser():
    """Return an expat parser whose handlers get str, as names in the environment are.

    Python 2 would give unicode, which equals no str that has more than ASCII in it.
    """
    parser = expat.ParserCreate()
    if str is bytes:
        parser.returns_unicode = False  # type: ignore[attr-defined]
    return parser


def feed(parser, xml):
    """Give a CIB's XML (str) to an expat parser. Raises OcfError when it is none.

    Another document, of an error for one, has no nodes: that does not mean that there are none.
    """
    data = xml if isinstance(xml, bytes) else xml.encode("utf-8", "replace")
    start = data.lstrip()
    if start.startswith(b"<?"):
        start = start.partition(b"?>")[2].lstrip()
    if not start.startswith(b"<cib") or start[4:5] not in b" \t\r\n>/":
        raise OcfError("cannot understand the CIB: it does not begin as one")
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise OcfError("cannot understand the CIB: {0}".format(error))


def is_there(attributes):
    """Return whether a node_state with these attributes (dict) is of a node that is not away.

    What ran there may still run: its controller may have failed, or have not joined yet. A remote
    or guest node is of no corosync membership; Pacemaker says it of them, but not in each version.
    """
    remote = attributes.get("remote_node") == "true"
    return attributes.get("in_ccm", "true" if remote else "") not in _AWAY


def is_online(attributes):
    """Return whether a node_state with these attributes (dict) is a member's.

    Of one on which Pacemaker can run something: it is there, and its controller has joined.
    """
    return (is_there(attributes) and attributes.get("crmd", "online") not in _AWAY
            and attributes.get("join", "member") == "member")


def _has_started(operation):
    """Return whether a resource runs after its last operation (the attributes, a dict).

    Its recurring monitors stay in the history when it is stopped. A probe that failed, or has not
    ended, does not say that nothing runs: Pacemaker stops such an instance first.
    """
    if operation.get("operation") == "monitor":    # a probe
        return operation.get("rc-code") not in _NOT_THERE
    return operation.get("operation") != "stop"


class Item(list):
    """An element: its children, a tag (str), and attributes (dict)."""

    def __init__(self, tag, attributes):
        super(Item, self).__init__()
        self.tag, self._attributes = tag, attributes

    def get(self, name, default=None):
        """Return an attribute (str), or the default."""
        return self._attributes.get(name, default)


class _Reader(object):
    """Follows the XML from tag to tag."""

    def __init__(self, resource, names):
        self.online, self.running, self.maintenance = [], set(), set()
        self._last = "{0}_last_0".format(resource)
        self.permanent = dict((name, {}) for name in (
            names.score, names.rule, names.last_words, names.acknowledged, names.copy))
        self.transient = dict((name, {}) for name in names.counts + (
            names.score, names.reason, names.position, names.failure, names.accept))
        self._node, self._section, self._names = None, None, {}
        self._attributes = {}               # of the nodes, by name
        self._resource, self._ids, self._open = resource, [], []
        self._tags = {}                     # of tags that may name the resource
        self._locations, self._inside = [], []

    def read(self, xml):
        parser = xml_parser()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        feed(parser, xml)

    def _start(self, tag, attributes):
        if tag == "node":
            self._node, self._section = attributes.get("uname"), tag
            self._names[attributes.get("id")] = self._node
            self._attributes[self._node] = {"#uname": self._node, "#id": attributes.get("id")}
        elif tag == "node_state":
            self._node, self._section = self._name_of(attributes), tag
            if is_online(attributes):
                if self._node is None:
                    raise OcfError("cannot understand the CIB: it does not say which node is "
                                   "online")
                self.online.append(self._node)
        elif tag == "lrm_rsc_op" and self._node:
            if attributes.get("id") == self._last and _has_started(attributes):
                self.running.add(self._node)
        elif tag == "nvpair" and self._node:
            self._pair(attributes.get("name"), attributes.get("value", ""))
        else:
            self._start_of_configured(tag, attributes)

    def _start_of_configured(self, tag, attributes):
        if tag in _RESOURCES:
            self._open.append(attributes.get("id"))
            if tag == "primitive" and attributes.get("id") == self._resource:
                self._ids = self._open + [attributes.get("template", self._resource)]
        elif tag == "obj_ref":
            self._tags.setdefault(attributes.get("id"), []).append(self._section)
        elif tag == "tag":
            self._section = attributes.get("id")
        elif tag == "rsc_location" or self._inside:
            self._constraint(tag, attributes)

    def _constraint(self, tag, attributes):
        item = Item(tag, attributes)
        (self._inside[-1] if self._inside else self._locations).append(item)
        self._inside.append(item)

    def wished(self, now):
        """Return the nodes (set) to which the promoted role is drawn; now: see parse."""
        if not any(score(item.get("score", "INFINITY")) == INFINITY for item in self._locations):
            return set()
        from paf.cluster import rules    # most clusters have nothing to be read with it
        ids = self._ids or [self._resource]
        names = ids + [tag for name in ids for tag in self._tags.get(name, [])]
        return rules.wished(self._locations, names, self._attributes, now)

    def _end(self, tag):
        if tag in ("node", "node_state"):
            self._node = None
        elif tag in _RESOURCES:
            self._open.pop()
        elif self._inside:
            self._inside.pop()

    def _name_of(self, attributes):
        return attributes.get("uname") or self._names.get(attributes.get("id"))

    def _pair(self, name, value):
        if self._node in self._attributes:
            self._attributes[self._node][name] = value
        found = self.permanent if self._section == "node" else self.transient
        if name in found:
            found[name][self._node] = value
        elif name == "maintenance" and value.lower() in TRUE:
            self.maintenance.add(self._node)
