"""Failover quorum: which absent nodes may hold a commit that a client got acknowledged. Pure.

With synchronous replication a commit is acknowledged once it is on the primary and on `number` of
the standbys in synchronous_standby_names. Nothing is lost if each such commit is on a node that
was heard: the last primary itself, or all of the named standbys but `number` - 1.

Source: PostgreSQL manual, synchronous_standby_names (names compare without regard to case; FIRST
takes the next standby when one is away, so that over time it says no more than ANY); src/backend/
replication/syncrep_gram.y and syncrep_scanner.l for the words.
"""

from collections import namedtuple

from paf.decide.knowledge import Known, Unknown, is_known
from paf.ocf import is_number

MYPY = False    # mypy reads the block below, Python never does
if MYPY:
    from typing import Collection  # novm # noqa: F401
    from paf.decide.knowledge import Fact  # noqa: F401

#: number: how many standbys acknowledge a commit (int); names: of the standbys (tuple of str,
#: lower case, sorted), "*" for every node of the cluster.
Rule = namedtuple("Rule", "number names")

#: What a primary publishes: epoch (int, higher than all before it), the Rule in force.
Entry = namedtuple("Entry", "epoch rule")

ALL = "*"
#: Any standby may acknowledge commits.
ANY = Rule(1, (ALL,))
_SEPARATORS = ",()*\""
_METHODS = ("first", "any")


#: The promotion score of a standby that does not stream, or is away: see decide/scores.
NOT_CONNECTED = -1000
#: The epoch of a primary before the last one: the rule is no longer its own.
FORMER = 0


def parse(text):
    # type: (str) -> Fact
    """Return what synchronous_standby_names (str) asks for: Known(Rule), Known(None) for nothing.

    Unknown for what this parser does not understand.
    """
    tokens = _tokens(text)
    if tokens is None:
        return Unknown("synchronous_standby_names cannot be understood: {0}".format(text))
    words = [word for _, word in tokens]
    if tokens and tokens[0][0] == "word" and words[0].lower() in _METHODS and "(" in words[2:3]:
        tokens, words = tokens[1:], words[1:]
    if not tokens:
        return Known(None)
    number = 1
    if len(words) > 2 and is_number(words[0]) and tokens[1][0] == "(" and tokens[-1][0] == ")":
        number, tokens = int(words[0]), tokens[2:-1]
    names = [word for kind, word in tokens if kind != ","]
    if (len(tokens) != 2 * len(names) - 1 or not number or not names
            or any(kind in "()" for kind, _ in tokens)
            or any((kind == ",") != bool(place % 2) for place, (kind, _) in enumerate(tokens))):
        return Unknown("synchronous_standby_names cannot be understood: {0}".format(text))
    return Known(Rule(number, tuple(sorted(set(_folded(name) for name in names)))))


def _tokens(text):
    # type: (str) -> list[tuple[str, str]] | None
    """Return the (kind, text) pairs of a setting; None where a quote is left open."""
    found, at = [], 0
    while at < len(text):
        character = text[at]
        if character.isspace():
            at += 1
        elif character == '"':
            name, at = _quoted(text, at + 1)
            if name is None:
                return None
            found.append(("name", name))
        elif character in _SEPARATORS:
            found.append(("word" if character == ALL else character, character))
            at += 1
        else:
            end = at
            while end < len(text) and text[end] not in _SEPARATORS and not text[end].isspace():
                end += 1
            found.append(("word", text[at:end]))
            at = end
    return found


def _quoted(text, at):
    # type: (str, int) -> tuple[str | None, int]
    """Return the name in double quotes that begins at `at`, and where the text goes on."""
    name = ""
    while at < len(text):
        if text[at] != '"':
            name += text[at]
            at += 1
        elif text[at:at + 2] == '""':
            name += '"'
            at += 2
        else:
            return name, at + 1
    return None, at


def _folded(name):
    # type: (str) -> str
    return name.lower()


def worries(setting, streaming):
    # type: (Fact, Collection[str]) -> list[str]
    """Return what is to be said where too few standbys stream to acknowledge a commit.

    setting: what `parse` returned; streaming: their names (list of str). Nothing is said where the
    setting is not understood: that has a reason of its own.
    """
    if not is_known(setting) or setting.value is None:
        return []
    rule, names = setting.value, set(_folded(name) for name in streaming)
    able = names if ALL in rule.names else names & set(rule.names)
    if len(able) >= rule.number:
        return []
    return ["commits wait for synchronous standbys: {0} of {1} stream".format(
        len(able), rule.number)]


def to_wire(entry):
    # type: (Entry) -> str
    """Return the Entry as the value of a node attribute: "EPOCH NUMBER NAME NAME...".

    Plain characters only: crm_mon before Pacemaker 2 does not escape what is in attributes.
    """
    names = [name if name == ALL else _encoded(name) for name in entry.rule.names]
    return " ".join([str(entry.epoch), str(entry.rule.number)] + names)


def from_wire(value):
    # type: (str) -> Fact
    """Return the Entry in an attribute's value: Known, or Unknown for anything else."""
    words = value.split()
    if len(words) < 3 or not is_number(words[0]) or not is_number(words[1]):
        return Unknown("\"{0}\" is no rule of synchronous standbys".format(value))
    names = tuple(sorted(_decoded(word) for word in words[2:]))
    return Known(Entry(int(words[0]), Rule(int(words[1]), names)))


def copy_to_wire(primary, entry):
    # type: (str, Entry) -> str
    """Return what other nodes keep of the Entry of `primary` (str): "PRIMARY ENTRY"."""
    return "{0} {1}".format(_encoded(primary), to_wire(entry))


def copy_from_wire(value):
    # type: (str) -> Fact
    """Return the (primary, Entry) in such a text: Known, or Unknown for anything else."""
    primary, _, text = value.partition(" ")
    fact = from_wire(text)
    return Known((_decoded(primary), fact.value)) if primary and is_known(fact) else Unknown(
        "\"{0}\" is no rule of synchronous standbys".format(value))


def with_copies(entries, copies):
    # type: (dict[str, Entry], list[tuple[str, Entry]]) -> dict[str, Entry]
    """Return the entries (dict of node to Entry) with those of nodes that were removed.

    copies: what other nodes keep of them, (primary, Entry). What a primary says itself is newer. Of
    copies with one epoch, of which some were not brought up to date, all count.
    """
    lost = {}  # type: dict[str, Entry]
    for primary, entry in copies:
        found = lost.get(primary, entry)
        if found.epoch == entry.epoch:
            rule = join(found.rule, entry.rule)
            lost[primary] = Entry(entry.epoch, rule)
        elif found.epoch < entry.epoch:
            lost[primary] = entry
    lost.update((node, entry) for node, entry in entries.items()
                if node not in lost or entry.epoch >= lost[node].epoch)
    return lost


def _encoded(name):
    # type: (str) -> str
    data = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
    return "".join(chr(code) if code < 128 and (chr(code).isalnum() or chr(code) in "_.-")
                   else "%{0:02X}".format(code) for code in bytearray(data))


def _decoded(word):
    # type: (str) -> str
    data, at = bytearray(), 0
    while at < len(word):
        code = word[at + 1:at + 3] if word[at] == "%" else ""
        if len(code) == 2 and not code.strip("0123456789ABCDEF"):
            data.append(int(code, 16))
            at += 3
        else:
            data.append(ord(word[at]) & 0xFF)
            at += 1
    text = bytes(data)
    return text if str is bytes else text.decode("utf-8", "surrogateescape")  # type: ignore  # novm


def covers(rule, other):
    # type: (Rule, Rule) -> bool
    """Return True if whatever satisfies `rule` satisfies `other` (both Rules) as well."""
    names = set(rule.names)
    return rule.number <= other.number and (ALL in names or set(other.names) <= names)


def join(rule, other):
    # type: (Rule | None, Rule | None) -> Rule | None
    """Return the Rule that covers both Rules; either may be None, which asks for nothing."""
    if rule is None or other is None:
        return rule or other
    return Rule(min(rule.number, other.number),
                tuple(sorted(set(rule.names) | set(other.names))))


def holders(rule, primary, nodes):
    # type: (Rule, str | None, Collection[str]) -> set[str]
    """Return the names (a set, lower case) of the standbys that may acknowledge a commit.

    primary: the node (str) that took the commits, None where that is not known; nodes: all of the
    cluster (list of str), for "*".
    """
    names = set(rule.names)
    if ALL in names:
        names |= set(_folded(node) for node in nodes)
    return names - set([ALL] + ([_folded(primary)] if primary else []))


def taken_in(rule, nodes, idle):
    # type: (Rule | None, list[str], Collection[str]) -> list[str]
    """Return those of `nodes` (a list of str) that "*" takes in, of all in the cluster.

    rule: what the last primary published; None for nothing. Beside "*" it names each standby that
    it has seen. idle: nodes (of str) that are members and on which Pacemaker has not started an
    instance. One of these that was never seen is there for the quorum, say, and holds nothing.
    """
    names = set(rule.names) if rule else set()
    if ALL not in names or not names & set(_folded(node) for node in nodes):
        return nodes    # nothing, or an earlier agent, says which standbys were seen
    return [node for node in nodes if node not in idle or _folded(node) in names]


def unheard(rule, primary, heard, nodes):
    # type: (Rule, str | None, Collection[str], Collection[str]) -> list[str]
    """Return the names (a sorted list) of which one may hold an acknowledged commit; [] for none.

    heard: nodes (of str) that have reported how far their WAL goes, or are known not to have moved
    since they did. The other arguments are those of `holders`.
    """
    heard = set(_folded(node) for node in heard)
    if primary and _folded(primary) in heard:
        return []
    absent = holders(rule, primary, nodes) - heard
    most = min(rule.number, len(holders(rule, primary, nodes)))
    return sorted(absent) if absent and len(absent) >= most else []


def last_primary(entries, scores, primary_score):
    # type: (dict[str, Entry], dict[str, int], int) -> tuple[str | None, Entry | None]
    """Return the last primary and its Entry: (node, Entry), None for what is not known.

    entries: dict of node to Entry; scores: promotion scores, dict of node to int. A primary
    publishes before it takes writes, so the highest epoch is the last one's. A node that has a
    primary's score and no entry was promoted by an agent that publishes none: then the last
    primary is not known, if there are entries; without any, it is that node. Nor is it where two
    have the highest epoch, or former primaries alone are left: the Entry covers what all say then.
    One that has the score of a standby that was away was left by a later primary, whose entry is
    gone.
    """
    scored = [node for node, score in scores.items() if score >= primary_score]
    if not entries:
        return (scored[0] if len(scored) == 1 else None), None
    highest = max(entry.epoch for entry in entries.values())
    nodes = sorted(node for node, entry in entries.items() if entry.epoch == highest)
    rule = None  # type: Rule | None
    for node in nodes:
        rule = join(rule, entries[node].rule)
    known = (len(nodes) == 1 and highest != FORMER and all(other in entries for other in scored)
             and scores.get(nodes[0]) != NOT_CONNECTED)
    return (nodes[0] if known else None), Entry(highest, rule)


def suspects(entries, scores, primary_score, nodes):
    # type: (dict[str, Entry], dict[str, int], int, Collection[str]) -> list[str | None]
    """Return the nodes (a list) of which one was the last primary; [None] for any, or one removed.

    The arguments are those of `last_primary`; nodes: that may have been one. Where an agent that
    publishes nothing has promoted a node, that was the last primary or any other may be: a commit
    is on it and on those that acknowledged it, so who was heard counts for each of them.
    """
    primary, entry = last_primary(entries, scores, primary_score)
    unlisted = [node for node, score in scores.items()
                if score >= primary_score and node not in entries]
    if primary is None and entry is not None and entry.epoch != FORMER and unlisted:
        return list(sorted(set(nodes) | set(entries)))
    return [primary]


def is_confirmed(rule, position, flushed):
    # type: (Rule | None, int, dict[str, int | None]) -> bool
    """Return True if a commit at `position` would be acknowledged under `rule` now.

    A narrower rule holds once it is: all WAL before is on its standbys then. position: int bytes;
    flushed: dict of standby's name to the LSN (int) that it has flushed, None where that is not
    known. rule None: commits wait for no standby; then all that stream have to have it.
    """
    reached = dict((_folded(name), lsn is not None and lsn >= position)
                   for name, lsn in flushed.items())
    if rule is None:
        return bool(reached) and all(reached.values())
    named = [name for name in reached if reached[name] and (
        ALL in rule.names or name in rule.names)]
    return bool(len(named) >= rule.number)
