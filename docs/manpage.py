#!/usr/bin/env python3
"""Write the manual page ocf_heartbeat_pgsqlms(7), made from the agent's own meta-data.

    python3 -B docs/manpage.py FOLDER > ocf_heartbeat_pgsqlms.7

FOLDER holds the paf/ to describe: a checkout, or the library that `make install` has just laid
down, with the variant and the defaults of that build. Packages are built on old distributions
too, so this keeps to Python 2.6 and 3, and to the standard library.
"""

import re
import sys
import xml.etree.ElementTree as etree

#: What an administrator types for the two resource managers, by the words of the OCF version.
#: {options} are the parameters, {operations} the actions with their timeouts.
PCS = {
    "1.1": "pcs resource create pgsqld ocf:heartbeat:pgsqlms{options}{operations}"
           "\n  promotable pgsql-ha notify=true",
    "1.0": "pcs resource create pgsqld ocf:heartbeat:pgsqlms{options}{operations}\n"
           "pcs resource master pgsql-ha pgsqld notify=true",
}
CRMSH = {
    "1.1": "primitive pgsqld ocf:heartbeat:pgsqlms{options}{operations}\n"
           "clone pgsql-ha pgsqld meta promotable=true notify=true",
    "1.0": "primitive pgsqld ocf:heartbeat:pgsqlms{options}{operations}\n"
           "ms pgsql-ha pgsqld meta notify=true",
}

#: The parameters of the example: where Debian's pg_createcluster puts things, and PGDG's rpms.
_DEBIAN = (
    "bindir=/usr/lib/postgresql/15/bin", "pgdata=/var/lib/postgresql/15/main",
    "start_opts=\"-c config_file=/etc/postgresql/15/main/postgresql.conf\"")
_RED_HAT = ("bindir=/usr/pgsql-15/bin", "pgdata=/var/lib/pgsql/15/data")
_DEBIAN_PGHOST = "/var/run/postgresql"
_WITHOUT_OPERATION = ("meta-data", "validate-all", "methods", "reload", "reload-agent")


def read(folder):
    """Return the meta-data (an Element) of the agent whose library is in `folder`."""
    sys.path.insert(0, folder)
    from paf import metadata, variant
    # the page is the same wherever it is made
    return etree.fromstring(metadata.xml("1.1" if variant.OCF == "auto" else None))


def page(agent):
    """Return the manual page (str) for the meta-data, an Element."""
    sections = (
        ("NAME", ["ocf_heartbeat_pgsqlms \\- {0}".format(roff(text(agent, "shortdesc")))]),
        ("SYNOPSIS", [".B pgsqlms", "[" + " | ".join(roff(name) for name in names(agent)) + "]"]),
        ("DESCRIPTION", paragraphs(text(agent, "longdesc"))),
        ("SUPPORTED PARAMETERS", parameters(agent)),
        ("SUPPORTED ACTIONS", actions(agent)),
        ("EXAMPLE WITH PCS", example(agent, PCS)),
        ("EXAMPLE WITH CRMSH", example(agent, CRMSH)),
        ("SEE ALSO", [".BR crm_resource (8),", ".BR crm_mon (8),", ".BR pcs (8),", ".BR crm (8)"]),
    )
    lines = [".TH OCF_HEARTBEAT_PGSQLMS 7 \"\" \"PAF {0}\" \"OCF resource agents\"".format(
        agent.get("version")), ".ad l", ".nh"]
    for title, body in sections:
        lines += [".SH " + title] + body
    return "\n".join(lines) + "\n"


def text(element, name):
    """Return the text of a child, "" where there is none."""
    return (element.findtext(name) or "").strip()


def names(agent):
    """Return the actions' names in the order of the meta-data, each once."""
    found = []
    for action in agent.findall("actions/action"):
        if action.get("name") not in found:
            found.append(action.get("name"))
    return found


def paragraphs(long_text):
    """Return lines of roff for text whose paragraphs are separated by empty lines."""
    lines = []
    for paragraph in re.split(r"\n\s*\n", long_text):
        lines += [".PP", roff(" ".join(paragraph.split()))]
    return lines[1:]


def parameters(agent):
    """Return lines of roff that list the parameters with what each is for."""
    lines = []
    for parameter in agent.findall("parameters/parameter"):
        content = parameter.find("content")
        default = content.get("default")
        lines += [".TP", ".B " + roff(parameter.get("name")), roff(text(parameter, "longdesc")),
                  ".sp", "({0}, default {1})".format(
                      content.get("type"), roff("\"{0}\"".format(default)) if default else "empty")]
    return lines


def actions(agent):
    """Return lines of roff that list the actions with the timeouts they should at least have."""
    lines = ["The timeouts are the suggested minimum."]
    for action in agent.findall("actions/action"):
        traits = [(name, action.get(name)) for name in ("interval", "timeout", "role", "depth")]
        lines += [".TP", ".B " + roff(action.get("name")),
                  roff(", ".join("{0} {1}".format(*trait) for trait in traits if trait[1]))]
    return lines


def example(agent, forms):
    """Return lines of roff with the commands that create the resource."""
    version = text(agent, "version")
    crmsh = forms is CRMSH
    options = list(layout(agent))
    if crmsh:
        options[0] = "params " + options[0]
    operations = [operation(action, crmsh) for action in agent.findall("actions/action")
                  if action.get("name") not in _WITHOUT_OPERATION]
    command = forms[version].format(
        options="".join("\n  " + line for line in options),
        operations="".join("\n  " + line for line in operations))
    return [".nf"] + [roff(continued(line, following)) for line, following in
                      zip(command.split("\n"), command.split("\n")[1:] + [""])] + [".fi"]


def layout(agent):
    """Return the parameters of the example, as the distribution of this build has its files."""
    defaults = dict((parameter.get("name"), parameter.find("content").get("default"))
                    for parameter in agent.findall("parameters/parameter"))
    return _DEBIAN if defaults["pghost"] == _DEBIAN_PGHOST else _RED_HAT


def continued(line, following):
    """Return a line of a command with the backslash it needs when the next one belongs to it."""
    return line + " \\" if following.startswith(" ") else line


def operation(action, crmsh):
    """Return how an action is written for a resource: op monitor interval=15s..."""
    traits = [(name, action.get(name)) for name in ("interval", "timeout", "role")]
    if crmsh and not action.get("interval"):
        traits[0] = ("interval", "0")
    return "op {0} {1}".format(
        action.get("name"), " ".join("{0}={1}".format(*trait) for trait in traits if trait[1]))


def roff(plain):
    """Return plain text as a line of roff: nothing in it is a macro, dashes and quotes stay."""
    escaped = plain.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    if escaped.startswith("."):
        escaped = "\\&" + escaped
    return escaped


def main(argv):
    """Print the page of the library in the folder that argv names; return the exit status."""
    if len(argv) != 2:
        sys.stderr.write("usage: manpage.py FOLDER (the folder that holds paf/)\n")
        return 2
    sys.stdout.write(page(read(argv[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
