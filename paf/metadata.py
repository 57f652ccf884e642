"""The meta-data XML, made from the declarations.

Source: OCF resource agent API 1.1, "Metadata". Older Pacemakers, and the pcs and crmsh of their
time, know neither the words of 1.1 nor its roles: for them it is made as 1.0.
"""

from collections import namedtuple

from paf import VERSION, parameters, variant

#: An action of the agent: name, timeout, interval and depth ("" where it has none) and role,
#: which is "promoted", "unpromoted" or "".
OcfAction = namedtuple("OcfAction", "name timeout interval depth role")

ACTIONS = (
    OcfAction("start", 60, "", "", ""),
    OcfAction("stop", 60, "", "", ""),
    OcfAction("reload", 20, "", "", ""),
    OcfAction("reload-agent", 20, "", "", ""),
    OcfAction("promote", 30, "", "", ""),
    OcfAction("demote", 120, "", "", ""),
    OcfAction("monitor", 10, 15, 0, "promoted"),
    OcfAction("monitor", 10, 16, 0, "unpromoted"),
    OcfAction("notify", 60, "", "", ""),
    OcfAction("meta-data", 5, "", "", ""),
    OcfAction("validate-all", 5, "", 0, ""),
    OcfAction("validate-all", 20, "", 10, ""),
    OcfAction("methods", 5, "", "", ""),
)

_ROLES = {
    "1.1": {"promoted": "Promoted", "unpromoted": "Unpromoted"},
    "1.0": {"promoted": "Master", "unpromoted": "Slave"},
}
_ONLY_SINCE_1_1 = ("reload-agent",)

SHORT = "Manages a PostgreSQL streaming replication cluster: one primary, any number of standbys"

LONG = """PAF (PostgreSQL Automatic Failover) runs PostgreSQL with streaming replication: one
primary and any number of hot standbys, with automatic failover and safe switchover.

The instances must be set up for streaming replication beforehand; PAF builds none and changes no
setting. Each standby's primary_conninfo has to name its node as application_name.

The resource has to be made promotable, with the meta attribute notify=true, and fencing should be
enabled. Give the operations explicitly: a monitor for each role, with different intervals.

{upgrade}"""

_NO_SWITCHOVER_CHECK = """This build is for Pacemaker up to 1.1.12. It holds elections, but can not
check before a switchover that the old primary's last WAL has arrived at the new one."""

_RECOMMENDED = """Suggested minimum timeouts are those of the actions below."""


def xml(ocf_version=None, variant_name=None):
    """Return the meta-data (str, ASCII), by default for this build's OCF version and variant."""
    ocf_version = ocf_version or ocf()
    variant_name = variant_name or variant.NAME
    long_text = LONG.format(
        upgrade=_NO_SWITCHOVER_CHECK if variant_name == "corosync1" else _RECOMMENDED)
    lines = ["<?xml version=\"1.0\"?>"]
    if ocf_version == "1.0":
        lines.append("<!DOCTYPE resource-agent SYSTEM \"ra-api-1.dtd\">")
    lines += [
        "<resource-agent name=\"pgsqlms\" version=\"{0}\">".format(VERSION),
        "<version>{0}</version>".format(ocf_version),
        "<longdesc lang=\"en\">", escape(long_text), "</longdesc>",
        "<shortdesc lang=\"en\">{0}</shortdesc>".format(escape(SHORT)),
        "<parameters>"]
    for parameter in parameters.DECLARED:
        lines += _parameter(parameter, ocf_version)
    lines += ["</parameters>", "<actions>"]
    lines += [_action(action, _ROLES[ocf_version]) for action in actions(ocf_version)]
    lines += ["</actions>", "</resource-agent>"]
    return "\n".join(lines) + "\n"


def ocf():
    """Return the OCF version (str) that the agent has here: 1.0 up to Pacemaker 2.0.

    The build's, or with "auto" that of this node's Pacemaker. pcs and crmsh copy role words from
    the meta-data into the CIB, whose schema knows Promoted and Unpromoted since 3.7, of Pacemaker
    2.1. Where no Pacemaker is installed it is the newer one.
    """
    if variant.OCF != "auto":
        return variant.OCF
    import os
    folder = os.environ.get("PCMK_schema_directory") or "/usr/share/pacemaker"
    if not os.path.exists(os.path.join(folder, "pacemaker-1.0.rng")):
        return "1.1"
    return "1.1" if os.path.exists(os.path.join(folder, "pacemaker-3.7.rng")) else "1.0"


def actions(ocf_version):
    """Return the Actions that exist in that OCF version."""
    return [action for action in ACTIONS
            if ocf_version != "1.0" or (action.name not in _ONLY_SINCE_1_1
                                        and action.depth != 10)]


def timeout(name):
    """Return the advertised timeout of an action in seconds, None for one that is unknown."""
    return dict((action.name, action.timeout) for action in ACTIONS).get(name)


def escape(text):
    """Return text as XML content or as the value of an attribute."""
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;")):
        text = text.replace(character, entity)
    return text


def _parameter(parameter, ocf_version):
    default = parameter.default
    if default.startswith("@"):
        default = default.replace("@pgdata", dict(
            (other.name, other.default) for other in parameters.DECLARED)["pgdata"])
    if ocf_version == "1.1":
        traits = "required=\"0\" reloadable=\"{0}\"".format(int(parameter.reloadable))
        if parameter.group:
            traits = "unique-group=\"{0}\" ".format(parameter.group) + traits
    else:
        traits = "unique=\"{0}\" required=\"0\"".format(0 if parameter.reloadable else 1)
    return [
        "<parameter name=\"{0}\" {1}>".format(parameter.name, traits),
        "<longdesc lang=\"en\">{0}</longdesc>".format(escape(parameter.text)),
        "<shortdesc lang=\"en\">{0}</shortdesc>".format(escape(parameter.brief)),
        "<content type=\"{0}\" default=\"{1}\" />".format(parameter.kind, escape(default)),
        "</parameter>"]


def _action(action, roles):
    traits = ["name=\"{0}\"".format(action.name), "timeout=\"{0}s\"".format(action.timeout)]
    if action.interval:
        traits.append("interval=\"{0}s\"".format(action.interval))
    if action.depth != "":
        traits.append("depth=\"{0}\"".format(action.depth))
    if action.role:
        traits.append("role=\"{0}\"".format(roles[action.role]))
    return "<action {0} />".format(" ".join(traits))
