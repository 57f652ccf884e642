"""What crm_mon of Pacemaker 1.1 leaves out of its XML, or breaks in it. Pure.

Seen in what 1.1.10 to 1.1.24 print: values are not escaped; node attributes are missing before
1.1.14, cluster options before 1.1.16; a standby is "Started" where its monitor was lost (1.1.10).
"""

import re

from paf.cli.common import element

_ELEMENT = re.compile(r"\A(\s*<[\w:-]+)(\s.*?)(\s*/?>)\Z", re.DOTALL)
# a value ends where the next attribute begins, or the element ends
_ATTRIBUTE = re.compile(r'(\s+[\w:-]+=")(.*?)"(?=\s+[\w:-]+="|\Z)', re.DOTALL)
_SIGNS = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"))


def repaired(xml):
    """Return crm_mon's XML (str) with its values escaped.

    An element ends at the end of a line whose next line starts another element. A value that looks
    like that ends there, too.
    """
    elements = re.split(r"(?<=>)\n(?=\s*<)", xml.rstrip("\n"))
    return "\n".join(_escaped(element) for element in elements) + "\n"


def _escaped(element):
    found = _ELEMENT.match(element)
    if not found:
        return element
    return found.group(1) + _ATTRIBUTE.sub(_escaped_value, found.group(2)) + found.group(3)


def _escaped_value(found):
    value = "".join(sign if sign >= " " else " " for sign in found.group(2))
    for sign, entity in _SIGNS:
        value = value.replace(sign, entity)
    return "{0}{1}\"".format(found.group(1), value)


def attributes(cib):
    """Return all nodes' attributes in a CIB (str), lasting or transient: dict of node to dict."""
    root = element(cib)
    names = dict((node.get("id"), node.get("uname")) for node in
                 root.findall("configuration/nodes/node"))
    found = dict((name, {}) for name in names.values())
    for path, sets in (("configuration/nodes/node", "instance_attributes"),
                       ("status/node_state", "transient_attributes/instance_attributes")):
        for node in root.findall(path):
            name = node.get("uname") or names.get(node.get("id"))
            for pair in node.findall(sets + "/nvpair"):
                found.setdefault(name, {})[pair.get("name")] = pair.get("value", "")
    return found


def in_maintenance(cib):
    """Return whether a CIB (str) has the whole cluster in maintenance mode."""
    root = element(cib)
    return any(pair.get("name") == "maintenance-mode" and
               pair.get("value", "").lower() in ("true", "on", "yes", "y", "1") for pair in
               root.findall("configuration/crm_config/cluster_property_set/nvpair"))
