#!/usr/bin/python3
"""Pacemaker 1.1.12 as the agent meets it: installed in nodes under the names of its programs.

Each program knows the options that 1.1.12 had, and refuses all others, loudly and in a log; what
it accepts it hands to the node's own. Under the name of the agent it cuts the environment down to
what 1.1.12 sends, and runs the agent.

Source: Pacemaker 1.1's tools/*.c and pengine/clone.c, and what 1.1.12 printed and sent in a cluster
with corosync 1.4.10: tests/data/pacemaker/1.1.12. An option that came after 1.1.12 is not here.
"""

import getopt
import os
import re
import sys

FOLDER = "/opt/paf-lab/1.1.12"
LOG = "/var/log/old-pacemaker.log"
AGENT = "pgsqlms"
REFUSED = "REFUSED"

_COMMON = ("V?$", "verbose help version")

#: Options by program: the short ones, then the long ones, as getopt takes them.
OPTIONS = {
    "attrd_updater": (
        "n:U:v:DRd:s:l:S:q",
        "name= update= delete refresh delay= set= lifetime= section= quiet"),
    "crm_attribute": (
        "qQn:Gv:DN:U:t:l:zs:i:d:!",
        "quiet name= query update= delete node= type= lifetime= utilization set-name= id= default= "
        "inhibit-policy-engine node-uname= get-value delete-attr attr-value= attr-name= attr-id="),
    "crm_master": (
        "qQGv:Dl:N:U:r:!",
        "quiet query get-value update= attr-value= delete delete-attr lifetime= node= node-uname= "
        "resource-id= inhibit-policy-engine"),
    "crm_mon": (
        "i:1NdOp:E:e:ftnrAcosX::h:wx:jbQ",
        "quiet interval= one-shot disable-ncurses daemonize pid-file= external-agent= "
        "external-recipient= failcounts timing-details group-by-node inactive show-node-attributes "
        "tickets operations simple-status as-xml as-html= web-cgi xml-file= pending brief"),
    "crm_node": (
        "nlpqieR:N:fHACcQI:",
        "name list partition quorum cluster-id epoch remove= name-for-id= force heartbeat openais "
        "corosync cman quiet"),
    "crm_resource": (
        "QLlcOojqwWAap:g:d:G:S:r:t:v:mzs:i:MBUu:CRPN:H:FDT:fx:",
        "quiet list list-raw list-cts list-operations list-all-operations pending list-standards "
        "list-ocf-providers list-agents= list-ocf-alternatives= show-metadata= query-xml "
        "query-xml-raw locate stack constraints set-parameter= get-parameter= delete-parameter= "
        "get-property= set-property= resource= resource-type= property-value= parameter-value= "
        "meta utilization set-name= nvpair= move ban clear un-move lifetime= master force-start "
        "force-stop force-check cleanup refresh reprobe node= host-uname= fail delete timeout= "
        "force xml-file= recursive"),
    "cibadmin": (
        "uQERBCMDdPSmt:A:lfNVX:x:po:hUbe",
        "upgrade query erase replace bump create modify delete delete-all patch sync timeout= "
        "xpath= local force node= xml-text= xml-file= xml-pipe scope= host= md5-sum "
        "md5-sum-versioned empty node-path no-bcast no-children allow-create sync-call"),
}

#: What of OCF_RESKEY_CRM_meta_... 1.1.12 knows. The active lists are there, and empty; none has
#: today's names of the roles, and no variable the name of the node.
_META = re.compile(
    r"(clone|clone_max|clone_node_max|globally_unique|master_max|master_node_max|name|interval|"
    r"timeout|start_delay|on_fail|role|requires|op_target_rc|record_pending|notify|notify_type|"
    r"notify_operation|notify_key_(type|operation)|"
    r"notify_(active|start|stop|promote|demote|inactive|master|slave)_(resource|uname))$")
_LIST = re.compile(r"notify_\w+_(resource|uname)$")
#: Variables that came later, and what 1.1.12 sent for its own cluster.
_LATER = ("OCF_EXIT_REASON_PREFIX", "PCMK_watchdog")
_CLUSTER = {"HA_cluster_type": "openais", "HA_quorum_type": "pcmk", "PCMK_cluster_type": "openais",
            "PCMK_quorum_type": "pcmk"}
_PREFIX = "OCF_RESKEY_CRM_meta_"
_OLD_ROLES = {"Promoted": "Master", "Unpromoted": "Slave"}


def stand_in(program, words):
    """Hand on to the node's own program what 1.1.12 would have understood."""
    short, long_names = OPTIONS[program]
    try:
        getopt.gnu_getopt(words, short + _COMMON[0], (long_names + " " + _COMMON[1]).split())
    except getopt.GetoptError as error:
        log(f"{REFUSED} {program} {' '.join(words)}: {error}")
        refuse(program, error)
    log(f"{program} {' '.join(words)}")
    os.execv(f"/usr/sbin/{program}", [program, *words])


def refuse(program, error):
    """Print the usage as 1.1.12 did: attrd_updater on standard output, and as a success."""
    usage = f"{program} - ...\nUsage: {program} command [options]\n"
    sys.stderr.write(f"{program}: unrecognized option '--{error.opt}'\n")
    if program == "attrd_updater":
        sys.stdout.write(usage)
        sys.exit(0)
    sys.stderr.write(usage)
    sys.exit(1)


def environment(variables):
    """Return what 1.1.12 would have sent of the variables (a mapping) of a newer Pacemaker."""
    kept = {name: listed(name[len(_PREFIX):], value) if name.startswith(_PREFIX) else value
            for name, value in variables.items() if name not in _LATER
            and (not name.startswith(_PREFIX) or _META.match(name[len(_PREFIX):]))}
    kept.update({name: value for name, value in _CLUSTER.items() if name in kept})
    role = kept.get(_PREFIX + "role")
    kept.update({"OCF_RESKEY_crm_feature_set": "3.0.9", "HA_SBIN_DIR": FOLDER,
                 "OCF_RA_VERSION_MAJOR": "1", "OCF_RA_VERSION_MINOR": "0"})
    if role:
        kept[_PREFIX + "role"] = _OLD_ROLES.get(role, role)
    return kept


def listed(name, value):
    """Return the value of a variable: a list ends with a blank, and nothing is active."""
    if not _LIST.match(name):
        return value
    return " " if name.startswith("notify_active_") else value.rstrip() + " "


def agent(words):
    """Run the agent as 1.1.12 would, under the interpreter that `python` beside it is."""
    python = f"{FOLDER}/python"
    os.execve(python, [python, "-ESsB", f"{FOLDER}/{AGENT}", *words], environment(os.environ))


def log(line):
    """Append a line to the log; lines of several programs do not mix."""
    descriptor = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, (line + "\n").encode())
    os.close(descriptor)


if __name__ == "__main__":
    NAME = os.path.basename(sys.argv[0])
    if NAME == AGENT:
        agent(sys.argv[1:])
    stand_in(NAME, sys.argv[1:])
