"""Pacemaker's programs as the agent meets them in 2.1.5, over a folder instead of daemons.

Installed under the names of attrd_updater, crm_attribute, crm_node, cibadmin and crm_resource. The
folder is PAF_TEST_STORE, this node is PAF_TEST_NODE. Names and nodes are file names in hex. Each
run is a line in the file "calls". A file broken/PROGRAM makes that program fail, or hang if it says
"hang"; crm_resource does its work and gives no answer if it says "late".
"""

import binascii
import os
import sys
import time

STORE = os.environ["PAF_TEST_STORE"]
NODE = os.environ["PAF_TEST_NODE"]

ENXIO, ENOENT, NOT_CONNECTED, USAGE = 6, 105, 102, 64


def main():
    """Do what the program of this name does."""
    program = os.path.basename(sys.argv[0])
    note(program)
    fail_if_broken(program)
    words = options()
    if not str(words.get("--update", "")).isascii():    # since 2.1, and so with other arguments
        sys.stderr.write(program + ": Invalid byte sequence in conversion input\n")
        return USAGE
    return {"attrd_updater": attrd_updater, "crm_attribute": crm_attribute, "crm_node": crm_node,
            "cibadmin": cibadmin, "crm_resource": crm_resource}[program](words)


def note(program):
    """Write this run into the list of calls."""
    line = "\x1f".join([NODE, program] + sys.argv[1:]).replace("\n", "\\n") + "\n"
    calls = os.open(os.path.join(STORE, "calls"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(calls, os.fsencode(line))
    os.close(calls)


def fail_if_broken(program):
    """Fail, or hang, if the test wants it."""
    how = read(os.path.join(STORE, "broken", program))
    if how == "hang":
        time.sleep(600)
    if how not in (None, "late"):
        sys.stderr.write(program + ": Could not connect to the cluster: Connection refused\n")
        sys.exit(NOT_CONNECTED)


def options():
    """Return the options as a dict; a flag has the value True."""
    flags = {"--private", "--query", "--all", "--delete", "--local", "-n", "--fail", "--quorum"}
    found, words = {}, sys.argv[1:]
    while words:
        word, given, value = words.pop(0).partition("=")
        found[word] = True if word in flags else value if given else words.pop(0)
    return found


def read(path):
    """Return a file's text, None without the file."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def write(path, value):
    """Write a file so that readers see the old or the new text."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    fresh = f"{path}.{os.getpid()}"
    with open(fresh, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(value)
    os.rename(fresh, path)


def coded(name):
    """Return a name in hex."""
    return binascii.hexlify(os.fsencode(name)).decode("ascii")


def decoded(name):
    """Return the name that was coded."""
    return os.fsdecode(binascii.unhexlify(name))


def listed(*parts):
    """Return {decoded name: value} of the files in a folder of the store, {} without it."""
    folder = os.path.join(STORE, *parts)
    try:
        names = sorted(name for name in os.listdir(folder) if "." not in name)
    except FileNotFoundError:
        return {}
    return {decoded(name): read(os.path.join(folder, name)) for name in names
            if os.path.isfile(os.path.join(folder, name))}


def attrd_updater(words):
    """Private attributes: on deletion the value is empty; a query of a name never set fails.

    Public ones, of any node, are written to the CIB, as crm_attribute does it.
    """
    if "--node" in words:
        return crm_attribute(dict(words, **{"--type": "status"}))
    folder = os.path.join("attrd", coded(words["--name"]))
    if "--update" in words:
        write(os.path.join(STORE, folder, coded(NODE)), words["--update"])
        return 0
    values = listed(folder)
    if "--delete" in words:
        if NODE in values:
            write(os.path.join(STORE, folder, coded(NODE)), "")
        return 0
    target = os.environ.get("OCF_RESKEY_CRM_meta_on_node")    # 2.1.5 uses it before --all
    shown = {node: value for node, value in values.items() if target in (None, node)}
    if not shown:
        sys.stderr.write(f"Could not query value of {words['--name']}: "
                         "attribute does not exist\n")
        return ENXIO
    for node, value in shown.items():
        sys.stdout.write(f'name="{words["--name"]}" host="{node}" value="{value}"\n')
    return 0


def crm_attribute(words):
    """Node attributes, permanent (nodes) or transient (status)."""
    node = words["--node"]
    if node not in listed("members"):
        sys.stderr.write(f"Could not map name={node} to a UUID\n")
        return ENOENT
    path = os.path.join(STORE, words["--type"], coded(node), coded(words["--name"]))
    if "--update" in words:
        write(path, words["--update"])
    elif "--delete" in words:
        for place in (path, os.path.join(STORE, "attrd", coded(words["--name"]), coded(node))):
            if os.path.exists(place):
                os.unlink(place)
    else:
        value = read(path)
        if value is None:
            sys.stderr.write("Error performing operation: No such device or address\n")
            return ENXIO
        sys.stdout.write(value + "\n")
    return 0


def crm_node(words):
    """Print this node's name, or whether it has quorum."""
    sys.stdout.write((quorum() if "--quorum" in words else NODE) + "\n")
    return 0


def quorum():
    """Return whether there is quorum, as Pacemaker writes it."""
    return read(os.path.join(STORE, "quorum")) or "1"


def crm_resource(words):
    """A failure: counted as often as the file "counts" says, 2 without it as 2.1.5 does."""
    if "--fail" in words:
        times = int(read(os.path.join(STORE, "counts")) or 2)
        name = "fail-count-" + words["--resource"] + by_operation()
        path = os.path.join(STORE, "attrd", coded(name), coded(words["--node"]))
        if read(path) != "INFINITY":
            write(path, str(int(read(path) or 0) + times))
        write(os.path.join(STORE, "counted"), read(path) or "0")
        if read(os.path.join(STORE, "broken", "crm_resource")) == "late":
            time.sleep(60)
    return 0


def feature_set():
    """Return the DC's CRM feature set, that of 2.1.5 unless the test says another."""
    return read(os.path.join(STORE, "feature_set")) or "3.16.1"


def by_operation():
    """Return what the name of a count ends with: since 1.1.17 each operation has its own."""
    numbers = [int(number) for number in feature_set().split(".")]
    return "#asyncmon_0" if numbers >= [3, 0, 13] else ""


def cibadmin(words):
    """Print the CIB. It has what a test has put into the file "configuration", too."""
    members = listed("members")
    sys.stdout.write(f'<cib crm_feature_set="{feature_set()}" validate-with="pacemaker-3.9" '
                     f'have-quorum="{quorum()}">\n'
                     "  <configuration>\n"
                     + (read(os.path.join(STORE, "configuration")) or "") + "    <nodes>\n")
    for number, node in enumerate(members, 1):
        sys.stdout.write(f'      <node id="{number}" uname="{escaped(node)}">\n'
                         f'{pairs("nodes", node)}      </node>\n')
    sys.stdout.write("    </nodes>\n  </configuration>\n  <status>\n")
    for number, node in enumerate(members, 1):
        ccm, crmd = ("true", "online") if members[node] == "online" else ("false", "offline")
        sys.stdout.write(f'    <node_state id="{number}" uname="{escaped(node)}" in_ccm="{ccm}" '
                         f'crmd="{crmd}" join="member">\n{pairs("status", node)}'
                         f'{counts(node)}{history(node)}'
                         '    </node_state>\n')
    sys.stdout.write("  </status>\n</cib>\n")
    return 0


def pairs(section, node):
    """Return a node's attributes as XML."""
    values = listed(section, coded(node))
    inner = "".join(
        f'<nvpair id="{coded(name)}" name="{escaped(name)}" value="{escaped(value)}"/>'
        for name, value in values.items())
    return f'<instance_attributes id="x">{inner}</instance_attributes>\n'


def counts(node):
    """Return what a node's watcher has set, which are no private attributes, as XML."""
    folder = os.path.join(STORE, "attrd")
    names = [decoded(name) for name in os.listdir(folder)] if os.path.isdir(folder) else []
    found = {name: listed("attrd", coded(name)).get(node) for name in names
             if name.startswith(("fail-count-", "failed_because-"))}
    inner = "".join(f'<nvpair id="{coded(name)}" name="{escaped(name)}" value="{escaped(value)}"/>'
                    for name, value in found.items() if value)
    return f'<transient_attributes id="x">{inner}</transient_attributes>\n' if inner else ""


def history(node):
    """Return the last operation on a node, a start unless the test says that it was a stop."""
    last = "start" if read(os.path.join(STORE, "stopped", coded(node))) is None else "stop"
    if read(os.path.join(STORE, "promoted", coded(node))) is not None:
        last = "promote"
    return ('<lrm id="x"><lrm_resources><lrm_resource id="pgsqld">'
            f'<lrm_rsc_op id="pgsqld_last_0" operation="{last}" call-id="7" rc-code="0"/>'
            '</lrm_resource></lrm_resources></lrm>\n')


def escaped(text):
    """Return text as the value of an XML attribute."""
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, entity)
    return text
