"""What paf pause leaves in the CIB, for those who read it. Pure."""

import re

from paf.cli.configuration.spelling import is_true


def name_of(resource):
    """Return the id of the attributes that pause a resource (its primitive's name)."""
    return "paf-pause-{0}".format(re.sub(r"[^A-Za-z0-9_.-]", "_", resource))


def is_in_maintenance(root, node):
    """Return whether a node (its name) has the attribute that paf pause gives it; root: as below.
    """
    return any(pair.get("name") == "maintenance" and is_true(pair.get("value", ""))
               for item in root.findall("configuration/nodes/node") if item.get("uname") == node
               for pair in item.findall("instance_attributes/nvpair"))


def end_of(root, resource):
    """Return until when paf pause has paused a resource, as the CIB (an Element) has it.

    An ISO 8601 date (str); None where it has not.
    """
    ident = name_of(resource)
    for item in root.findall(".//meta_attributes"):
        if item.get("id") == ident:
            dates = [date.get("end", "") for date in item.findall("rule/date_expression")]
            return dates[0] if dates else ""
    return None


def is_paused(root, resource, node):
    """Return whether paf pause has left something of a resource, or of a node, in the CIB.

    root: the CIB (an Element); resource: the primitive's name; node: its name, None for the
    resource. A pause whose time is over is one: it is to be removed.
    """
    return (is_in_maintenance(root, node) if node else
            end_of(root, resource) is not None)
