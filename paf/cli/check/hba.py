"""Who is let in by pg_hba.conf: the first rule that matches decides. Pure.

Source: PostgreSQL manual, "The pg_hba.conf File". Rules are those of pg_hba_file_rules.
"""

import socket
from collections import namedtuple

from paf.deadline import Deadline
from paf.instance import listening
from paf.ocf import OcfError

_PATIENCE = 3.0    # seconds for a name
_RESOLVED = {}     # type: dict[str, list[str]]    # the names that were asked for

#: place: line and file (str); kind: local, host, hostssl...; databases, users: lists of str;
#: address, mask: str or None; method: str; error: str or None.
HbaRule = namedtuple("HbaRule", "place kind databases users address mask method error")

_TCP = ("host", "hostnossl", "hostnogssenc", "hostssl", "hostgssenc")


def rules(rows):
    """Return the Rules of pg_hba_file_rules' rows; file: "" for pg_hba.conf itself."""
    return [HbaRule("line {0} of {1}".format(line, file or "pg_hba.conf"), kind,
                    (databases or "").split(","), (users or "").split(","), address, mask, method,
                    error)
            for line, kind, databases, users, address, mask, method, error, file in rows]


def for_replication(found, user, address, own, unclear=None):
    """Return the HbaRule that decides on replication by `user` from `address`; None without one.

    own: the addresses of the server's host, for samehost. Whether a user belongs to a role (+) or
    fits a pattern (/) is not known: then the rule counts, unless it rejects. unclear: a list that
    gets the rules before that one which let in a host name without an address here.
    """
    for rule in found:
        if rule.error or rule.kind not in _TCP or "replication" not in rule.databases:
            continue
        perhaps = rule.method != "reject" and any(name[:1] in ("+", "/") for name in rule.users)
        if user not in rule.users and "all" not in rule.users and not perhaps:
            continue
        matches = _matches(rule, address, own)
        if matches:
            return rule
        if matches is None and unclear is not None and rule.method != "reject":
            unclear.append(rule)
    return None


def _matches(rule, address, own):
    if rule.address == "all":
        return True
    if rule.address == "samehost":
        return address in own
    if rule.address == "samenet":
        return True    # its own address, or a peer's, are in its networks more often than not
    return covers(rule.address, rule.mask, address)


def covers(network, mask, address):
    """Return whether `address` is in a network; a host name covers what it resolves to.

    None for a name that resolves to nothing here, as ".example.org", which is for all names in it.
    """
    packed, base = packed_of(address), packed_of(network or "")
    if packed is None:
        return False
    if base is None:
        there = resolved(network)
        return address in there if there else None
    bits = packed_of(mask) if mask else b"\xff" * len(base)
    if bits is None or len(base) != len(packed) or len(bits) != len(base):
        return False
    return all(one & bit == other & bit for one, other, bit in
               zip(bytearray(packed), bytearray(base), bytearray(bits)))


def packed_of(address):
    """Return an address as bytes, of which each has one form; None for what is none."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_pton(family, address)
        except (socket.error, ValueError):
            continue
    return None


def is_address(text):
    """Return whether the text is a numerical address."""
    return packed_of(text) is not None


def resolved(name):
    """Return the addresses (a list of str) of a host name, also of an address.

    [] when it has none, or none was found in time. Each name is asked for once.
    """
    if is_address(name):
        return [name]
    if name not in _RESOLVED:
        try:
            found = listening.addresses(name, Deadline(_PATIENCE)).value
        except OcfError:    # no program can be started
            found = None
        _RESOLVED[name] = sorted(found or [])
    return _RESOLVED[name]
