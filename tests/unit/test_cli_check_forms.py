"""paf check: the forms that a configuration can have, each understood, each cure applied."""

import pytest

from paf.cli import configuration
from paf.cli.check import address, clusterchecks
from tests.unit import cures
from tests.unit.test_cli_check import text

__all__ = ["text"]

COLOCATION = '<rsc_colocation id="ip-with-primary" score="INFINITY" rsc="pgsql-master-ip" ' \
             'with-rsc="pgsqld-clone" with-rsc-role="Promoted"/>'
READERS = """<primitive id="reader-ip" class="ocf" provider="heartbeat" type="IPaddr2"/>"""
DEVICES = 'class="stonith"', 'class="ocf" provider="x"'
PRIMITIVE = '<primitive id="pgsqld" class="ocf" provider="heartbeat" type="pgsqlms">'
NODE = '<instance_attributes id="nodes-1">'
PROPERTIES = '<cluster_property_set id="cib-bootstrap-options">'
END, META = "</constraints>", 'name="notify" value="true"/>'

#: Without a score: it counts as 0.
BACKWARDS = '<rsc_colocation id="c" rsc="pgsqld-clone" rsc-role="Promoted" ' \
            'with-rsc="pgsql-master-ip"/>'
BEFORE = '<rsc_order id="b" first="pgsql-master-ip" then="pgsqld-clone"'
SEASON = '<rule id="r" score="0"><date_expression id="d" operation="date_spec">' \
         '<date_spec id="s" months="1-6"/></date_expression></rule>'


def nvpair(name, value):
    return f'<nvpair id="n-{name}" name="{name}" value="{value}"/>'


OTHER_DEFAULTS = '<meta_attributes id="other"><rule id="ru" score="0"><rsc_expression id="re" ' \
                 'class="ocf" provider="heartbeat" type="IPaddr2"/></rule>' + nvpair(
                     "failure-timeout", "60") + "</meta_attributes>"


def let_in(resource, *nodes):
    return "".join(f'<rsc_location id="{resource}-on-{node}" rsc="{resource}" node="{node}" '
                   'score="0"/>' for node in nodes)


#: In an opt-in cluster, where the devices may run.
LET_IN = (END, "".join(let_in(f"fence-{node}", *{"srv1", "srv2", "srv3"} - {node})
                       for node in ("srv1", "srv2", "srv3")) + END)

#: What a configuration is changed to: pairs of text, before and after, and what is found then, ""
#: if nothing may be. The clone, the address and the three nodes are those of the recorded CIB.
FORMS = {
    "an address for readers": (
        [("</resources>", READERS + "</resources>"),
         (END, '<rsc_colocation id="r" rsc="reader-ip" with-rsc="pgsqld-clone" '
               'with-rsc-role="Unpromoted" score="INFINITY"/>'
               '<rsc_order id="s" first="pgsqld-clone" then="reader-ip"/>' + END)], ""),
    "an address kept off the primary": (
        [("</resources>", READERS + "</resources>"),
         (END, '<rsc_colocation id="r" rsc="reader-ip" with-rsc="pgsqld-clone" '
               'with-rsc-role="Promoted" score="-INFINITY"/>' + END)], ""),
    "a colocation without a score": (
        [(COLOCATION, COLOCATION.replace('score="INFINITY" ', ""))], "its score is below INFINITY"),
    "a colocation the wrong way round": (
        [(COLOCATION, '<rsc_colocation id="c" score="INFINITY" rsc="pgsqld-clone" '
                      'rsc-role="Promoted" with-rsc="pgsql-master-ip"/>')],
        "c ties the primary to pgsql-master-ip, and not the reverse"),
    "resource sets": (
        [(COLOCATION, '<rsc_colocation id="c" score="INFINITY"><resource_set id="s1">'
                      '<resource_ref id="pgsql-master-ip"/></resource_set><resource_set id="s2" '
                      'role="Master"><resource_ref id="pgsqld-clone"/></resource_set>'
                      '</rsc_colocation>')], ""),
    "two addresses, one behind the other in a sequential set": (
        [("</resources>", READERS + "</resources>"),
         (COLOCATION, '<rsc_colocation id="c" score="INFINITY"><resource_set id="s1">'
                      '<resource_ref id="pgsql-master-ip"/><resource_ref id="reader-ip"/>'
                      '</resource_set><resource_set id="s2" role="Master">'
                      '<resource_ref id="pgsqld-clone"/></resource_set></rsc_colocation>'),
         (END, "".join(f'<rsc_order id="o-{first}" first="pgsqld-clone" first-action="{first}" '
                       f'then="reader-ip" then-action="{then}" symmetrical="false" kind="{kind}"/>'
                       for first, then, kind in (("promote", "start", "Mandatory"),
                                                 ("demote", "stop", "Optional"))) + END)], ""),
    "an address that follows the address": (
        [("</resources>", READERS + "</resources>"),
         (END, '<rsc_colocation id="r" rsc="reader-ip" with-rsc="pgsql-master-ip" '
               'score="INFINITY"/><rsc_order id="s" first="pgsql-master-ip" then="reader-ip"/>'
               + END)], ""),
    "an address that follows the address, and may start before it": (
        [("</resources>", READERS + "</resources>"),
         (END, '<rsc_colocation id="r" rsc="reader-ip" with-rsc="pgsql-master-ip" '
               'score="INFINITY"/><rsc_order id="s" first="pgsql-master-ip" then="reader-ip" '
               'kind="Optional"/>' + END)], "reader-ip has no order: promote, then start"),
    "an address that follows a pooler": (
        [("</resources>", READERS + '<primitive id="pool" class="ocf" provider="heartbeat" '
                                    'type="Dummy"/></resources>'),
         (END, '<rsc_colocation id="r" rsc="reader-ip" with-rsc="pool" score="INFINITY"/>'
               '<rsc_colocation id="q" rsc="pool" with-rsc="pgsqld-clone" score="INFINITY" '
               'with-rsc-role="Promoted"/>' + END)], ""),
    "an address that follows the address, and is kept off a node": (
        [("</resources>", READERS + "</resources>"),
         (END, '<rsc_colocation id="r" rsc="reader-ip" with-rsc="pgsql-master-ip" '
               'score="INFINITY"/><rsc_order id="s" first="pgsql-master-ip" then="reader-ip"/>'
               '<rsc_location id="l" rsc="reader-ip" node="srv2" score="-INFINITY"/>'
               + END)], "l keeps reader-ip off srv2"),
    "an order written symmetrical=0": (
        [('symmetrical="false"', 'symmetrical="0"')], ""),
    "an order without symmetrical": (
        [('then-action="start" symmetrical="false"', 'then-action="start"')], "is symmetrical"),
    "an optional order of the start": (
        [('then-action="start" symmetrical="false" kind="Mandatory"',
          'then-action="start" symmetrical="false" kind="Optional"')],
        "the order promote-then-start-ip is optional"),
    "a ban of the address": (
        [(END, '<rsc_location id="cli-ban-pgsql-master-ip-on-srv2" rsc="pgsql-master-ip" '
               'node="srv2" score="-INFINITY"/>' + END)],
        "left over from a move or a ban: cli-ban-pgsql-master-ip-on-srv2"),
    "a ban that has expired": (
        [(END, '<rsc_location id="cli-ban-a" rsc="pgsqld-clone"><rule id="r" score="-INFINITY">'
               '<expression id="e" attribute="#uname" operation="eq" value="srv1"/>'
               '<date_expression id="d" operation="lt" end="2020-01-01 00:00:00Z"/></rule>'
               '</rsc_location>' + END)], ""),
    "an address kept off a node": (
        [(END, '<rsc_location id="off" rsc="pgsql-master-ip" node="srv2" score="-INFINITY"/>'
          + END)], "off keeps pgsql-master-ip off srv2"),
    "an address kept off a node by a rule": (
        [(END, '<rsc_location id="off" rsc="pgsql-master-ip"><rule id="r" score="-INFINITY">'
               '<expression id="e" attribute="#uname" operation="ne" value="srv1"/></rule>'
               '</rsc_location>' + END)], "off keeps pgsql-master-ip off srv2 and srv3"),
    "an address kept off by what is not known here": (
        [(END, '<rsc_location id="off" rsc="pgsql-master-ip"><rule id="r" score="-INFINITY">'
               '<expression id="e" attribute="pingd" operation="not_defined"/></rule>'
               '</rsc_location>' + END)], ""),
    "an address kept off a node by a pattern": (
        [(END, '<rsc_location id="off" rsc-pattern="^pgsql-.*-ip$" node="srv2" '
               'score="-INFINITY"/>' + END)], "off keeps pgsql-master-ip off srv2"),
    "a pattern that means all": (
        [(END, '<rsc_location id="off" rsc-pattern="!^fence" node="srv2" score="-INFINITY"/>'
          + END)], ""),
    "failures that op_defaults ignore": (
        [("</configuration>", '<op_defaults><meta_attributes id="od">' + nvpair("on-fail", "ignore")
          + "</meta_attributes></op_defaults></configuration>"),
         ('interval="15s"', 'interval="15s" on-fail="restart"'),
         ('interval="16s"', 'interval="16s" on-fail="restart"'),
         ('name="stop"', 'name="stop" on-fail="fence"'),
         ('name="promote"', 'name="promote" on-fail="restart"')],
        "has on-fail=ignore"),
    "failures of what is not configured, that op_defaults block": (
        [("</configuration>", '<op_defaults><meta_attributes id="od">' + nvpair("on-fail", "Block")
          + nvpair("timeout", "120s") + "</meta_attributes></op_defaults></configuration>"),
         ('<op id="pgsqld-demote-0s" name="demote" interval="0s" timeout="120s"/>', ""),
         ('interval="15s"', 'interval="15s" on-fail="restart"'),
         ('interval="16s"', 'interval="16s" on-fail="restart"'),
         ('name="stop"', 'name="stop" on-fail="fence"'),
         ('name="promote"', 'name="promote" on-fail="restart"')],
        "op_defaults have on-fail=Block"),
    "a clone of one instance": (
        [(META, META + nvpair("clone-max", "1"))], "pgsqld-clone has clone-max=1"),
    "a clone of two instances": ([(META, META + nvpair("clone-max", "2"))], ""),
    "an opt-in cluster without a location": (
        [(PROPERTIES, PROPERTIES + nvpair("symmetric-cluster", "false")), LET_IN,
         (END, let_in("pgsql-master-ip", "srv1", "srv2", "srv3") + END)],
        "no constraint lets pgsqld-clone run on srv1 or srv2 or srv3"),
    "an opt-in cluster with locations": (
        [(PROPERTIES, PROPERTIES + nvpair("symmetric-cluster", "false")), LET_IN,
         (END, let_in("pgsqld-clone", "srv1", "srv3") + let_in("pgsql-master-ip", "srv1", "srv3")
          + END)], ""),
    "an opt-in cluster without the address on a node": (
        [(PROPERTIES, PROPERTIES + nvpair("symmetric-cluster", "false")), LET_IN,
         (END, let_in("pgsqld", "srv1", "srv3") + let_in("pgsql-master-ip", "srv3") + END)],
        "no constraint lets pgsql-master-ip run on srv1"),
    "an opt-in cluster by a rule": (
        [(PROPERTIES, PROPERTIES + nvpair("symmetric-cluster", "false")), LET_IN,
         (END, "".join(f'<rsc_location id="{name}-r" rsc="{name}"><rule id="{name}-rule" score="0">'
                       f'<expression id="{name}-e" attribute="site" operation="defined"/></rule>'
                       "</rsc_location>" for name in ("pgsqld-clone", "pgsql-master-ip")) + END)],
        ""),
    "a node that has neither": (
        [(END, '<rsc_location id="off" rsc="pgsql-master-ip" node="srv2" score="-INFINITY"/>'
               '<rsc_location id="none" rsc="pgsqld-clone" node="srv2" score="-INFINITY"/>'
          + END)], ""),
    "intervals of ISO 8601": (
        [('interval="15s"', 'interval="PT15S"'), ('interval="16s"', 'interval="PT0H0M16S"')], ""),
    "the same interval in two spellings": (
        [('interval="15s"', 'interval="PT16S"')], "have the same interval"),
    "a monitor that is switched off": (
        [('interval="16s"', 'interval="16s" enabled="0"')], "no recurring monitor for the role"),
    "a standby's monitor without a role": ([('role="Unpromoted"', "")], ""),
    "booleans in other words": ([(META, META.replace("true", "Yes"))], ""),
    "notify at the primitive": (
        [(META, 'name="x" value="y"/>'), (PRIMITIVE, PRIMITIVE + '<meta_attributes id="m">'
                                          + nvpair("notify", "true") + "</meta_attributes>")],
        "notify=false, not true"),
    "instances that are unique": (
        [(META, META + nvpair("globally-unique", "yes"))], "globally-unique=yes, not false"),
    "unique instances by default": (
        [('<meta_attributes id="rsc-options">', '<meta_attributes id="rsc-options">'
          + nvpair("globally-unique", "true"))], "globally-unique=true, not false"),
    "instances that are not unique": ([(META, META + nvpair("globally-unique", "0"))], ""),
    "a promotion that needs quorum alone": (
        [(META, META + nvpair("requires", "Quorum"))], "pgsqld has requires=Quorum"),
    "a promotion that needs nothing": (
        [(PRIMITIVE, PRIMITIVE + '<meta_attributes id="m">' + nvpair("requires", "nothing")
          + "</meta_attributes>")], "pgsqld has requires=nothing"),
    "a promotion that needs quorum alone by default": (
        [('<meta_attributes id="rsc-options">', '<meta_attributes id="rsc-options">'
          + nvpair("requires", "quorum"))], "pgsqld has requires=quorum"),
    "a promotion that needs fencing or more": (
        [('<meta_attributes id="rsc-options">', '<meta_attributes id="rsc-options">'
          + nvpair("requires", "quorum")), (META, META + nvpair("requires", "Unfencing").replace(
              'id="n-', 'id="o-'))], ""),
    "a promotion that needs what is no word": ([(META, META + nvpair("requires", "q"))], ""),
    "a promotion of whose needs the date decides": (
        [("</rsc_defaults>", '<meta_attributes id="season">' + SEASON + nvpair("requires", "quorum")
          + "</meta_attributes></rsc_defaults>")], "whether requires is set is not known"),
    "disabled at the primitive": (
        [(PRIMITIVE, PRIMITIVE + '<meta_attributes id="m">' + nvpair("target-role", "stopped")
          + "</meta_attributes>")], "target-role=stopped"),
    "in maintenance": ([(META, META + nvpair("maintenance", "1"))], "pgsqld is in maintenance"),
    "a node in maintenance": (
        [(NODE, NODE + nvpair("maintenance", "on"))], "srv1 is in maintenance"),
    "a node that was in maintenance": (
        [(NODE, NODE + nvpair("maintenance", "off"))], ""),
    "a device that is disabled": (
        [('<primitive id="fence-srv1" class="stonith" type="fence_paf_lab">',
          '<primitive id="fence-srv1" class="stonith" type="fence_paf_lab"><meta_attributes id="m">'
          + nvpair("target-role", "Stopped") + "</meta_attributes>")],
        "no fencing device for srv1"),
    "SBD without a device": (
        [DEVICES, ('name="have-watchdog" value="false"/>', 'name="have-watchdog" value="true"/>'
                   + nvpair("stonith-watchdog-timeout", "-1"))], ""),
    "SBD that does not run": (
        [DEVICES, ("</cluster_property_set>", nvpair("stonith-watchdog-timeout", "PT10S")
                   + "</cluster_property_set>")], "Pacemaker sees no SBD with a watchdog"),
    "SBD switched off": (
        [DEVICES, ("</cluster_property_set>", nvpair("stonith-watchdog-timeout", "0")
                   + "</cluster_property_set>")], "no fencing device for srv1, srv2, srv3"),
    "a member of a group": (
        [('<primitive id="pgsqld"', '<group id="g"><primitive id="pgsqld"'),
         ("</primitive>\n        <meta_attributes id=\"pgsqld-clone",
          "</primitive></group>\n        <meta_attributes id=\"pgsqld-clone")],
        "pgsqld is a member of the group g"),
    "an address that no colocation ties": (
        [(COLOCATION, "")], "pgsql-master-ip is not colocated with the primary"),
    "an address that only a colocation without a score draws, the wrong way round": (
        [(COLOCATION, BACKWARDS)], "pgsql-master-ip is not colocated with the primary"),
    "a colocation without a score beside the right one": (
        [(COLOCATION, COLOCATION + BACKWARDS)], ""),
    "a colocation that compares a site": (
        [(COLOCATION, COLOCATION.replace(" rsc=", ' node-attribute="site" rsc='))],
        "it compares site, not the node"),
    "a colocation that compares the node": (
        [(COLOCATION, COLOCATION.replace(" rsc=", ' node-attribute="#uname" rsc='))], ""),
    "two addresses of a group are one place": (
        [('rsc="pgsql-master-ip"', 'rsc="g"'), ('then="pgsql-master-ip"', 'then="g"'),
         ('<primitive id="pgsql-master-ip"', '<group id="g">' + READERS
          + '<primitive id="pgsql-master-ip"'),
         ('<primitive id="fence-srv1"', '</group><primitive id="fence-srv1"'),
         (COLOCATION.replace("pgsql-master-ip", "g"), "")],
        "g is not colocated with the primary"),
    "an address that no order holds while the primary is demoted": (
        [('first-action="demote"', 'first-action="promote"')],
        "pgsql-master-ip has no order: demote, then stop"),
    "an address that may start before the promotion": (
        [('first-action="promote"', 'first-action="demote"')],
        "pgsql-master-ip has no order: promote, then start"),
    "a mandatory order by its score": (
        [('then-action="stop" symmetrical="false" kind="Optional"',
          'then-action="stop" symmetrical="false" score="INFINITY"')],
        "the order demote-then-stop-ip is mandatory"),
    "an address that starts before PostgreSQL": (
        [(END, BEFORE + "/>" + END)], "the order b starts the address before PostgreSQL"),
    "an order of the address that is optional": (
        [(END, BEFORE + ' kind="Optional"/>' + END)], ""),
    "an order after the stop of the address": (
        [(END, BEFORE + ' first-action="stop" then-action="stop"/>' + END)], ""),
    "a partition without quorum that goes on": (
        [(PROPERTIES, PROPERTIES + nvpair("no-quorum-policy", "Freeze"))],
        "no-quorum-policy=freeze"),
    "a cluster in maintenance": (
        [(PROPERTIES, PROPERTIES + nvpair("maintenance-mode", "on"))], "maintenance-mode is on"),
    "a cluster that does not fence what it has not seen": (
        [(PROPERTIES, PROPERTIES + nvpair("startup-fencing", "Off"))], "startup-fencing is off"),
    "a cluster that stops all": (
        [(PROPERTIES, PROPERTIES + nvpair("stop-all-resources", "y"))],
        "stop-all-resources is on"),
    "SBD without a device on two nodes": (
        [DEVICES, ('name="have-watchdog" value="false"/>', 'name="have-watchdog" value="true"/>'
                   + nvpair("stonith-watchdog-timeout", "-1")),
         ('<node id="3" uname="srv3">', '<node id="3" uname="srv3" type="ping">')],
        "SBD without a device fences two nodes"),
    "a threshold that the date decides on": (
        [('<meta_attributes id="rsc-options">', '<meta_attributes id="rsc-options">' + SEASON)],
        ""),
    "a threshold that is in none of two sets of defaults": (
        [('<nvpair id="rsc-options-migration-threshold" name="migration-threshold" value="5"/>',
          ""), ("<rsc_defaults>", "<rsc_defaults>" + OTHER_DEFAULTS)],
        "migration-threshold is not set"),
    "a stickiness, where the only set of defaults is for other resources": (
        [('<meta_attributes id="rsc-options">', OTHER_DEFAULTS.replace("</meta_attributes>", "")),
         (META, META + nvpair("migration-threshold", "6"))],
        "resource-stickiness is not set"),
    "a threshold of the clone": (
        [(META, META + nvpair("migration-threshold", "1"))], "migration-threshold is 1"),
    "a threshold in a second set of the clone": (
        [("</clone>", '<meta_attributes id="m2">' + nvpair("migration-threshold", "1")
          + "</meta_attributes></clone>")], "migration-threshold is 1"),
    "a name that Pacemaker's programs do not take": (
        [('"pgsqld-clone"', '"pgsqld-cloné"')], "the name 'pgsqld-cloné' has other characters"),
}


@pytest.mark.parametrize("name", FORMS)
def test_each_form_that_the_schema_allows_is_understood(text, name, tmp_path):
    pairs, words = FORMS[name]
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    found = cures.found(text, "pgsqld")
    assert [words in item.what for _, item in found] == ([True] if words else []), found
    for check_name, item in found:
        if cures.is_for_a_file(item):
            assert cures.faults(tmp_path, text, "pgsqld", check_name, item, "pcs") == []


@pytest.mark.parametrize("name, commands", [
    ("a mandatory order by its score", ["pcs constraint delete", "pcs constraint order demote"]),
    ("two addresses of a group are one place", ["pcs constraint colocation add g with"]),
    ("a promotion that needs nothing", ["crm_resource --force --resource pgsqld --meta"]),
    ("a promotion that needs quorum alone by default",
     ["crm_resource --force --resource pgsqld-clone --meta --set-parameter requires"])])
def test_a_cure_is_there_and_replaces_what_is_wrong(text, name, commands):
    for old, new in FORMS[name][0]:
        text = text.replace(old, new)
    (_, item), = cures.found(text, "pgsqld")
    assert [item.pcs[number].startswith(words) for number, words in enumerate(commands)] == (
        [True] * len(item.pcs))


@pytest.mark.parametrize("name, expected", [
    ("SBD without a device", True), ("SBD that does not run", False), ("SBD switched off", False),
    ("in maintenance", False)])
def test_nodes_are_left_to_their_watchdogs_where_no_device_fences_them(text, name, expected):
    for old, new in FORMS[name][0]:
        text = text.replace(old, new)
    assert clusterchecks.is_left_to_watchdogs(configuration.parse(text)) is expected


def test_the_clusters_old_property_for_managing_counts(text):
    configured = configuration.parse(text)
    managed = configuration.find(configured)
    configured.properties["is-managed-default"] = "off"
    found, = clusterchecks.running(configured, managed)
    assert found.what == "pgsqld is not managed"
    assert list(clusterchecks.running(configured, managed._replace(meta={"is-managed": "1"}))) == []


def test_a_template_is_no_traceback_and_its_parameters_are_cured_in_it(text, tmp_path):
    start = text.index('<primitive id="pgsqld"')
    end = text.index("</primitive>", start) + len("</primitive>")
    template = text[start:end].replace("primitive", "template").replace(
        'id="pgsqld"', 'id="paf"').replace('name="bindir"', 'name="bin_dir"')
    text = text[:start] + '<primitive id="pgsqld" template="paf"/>' + text[end:]
    text = text.replace("<resources>", "<resources>" + template)
    (check_name, item), = cures.found(text, "pgsqld")
    assert "no parameter bin_dir, bindir is meant?" in item.what
    assert cures.faults(tmp_path, text, "pgsqld", check_name, item, "pcs") == []


SECOND = """<clone id="two-clone"><meta_attributes id="two-m"><nvpair id="two-p" name="promotable"
value="true"/><nvpair id="two-n" name="notify" value="true"/><nvpair id="two-i" name="interleave"
value="true"/></meta_attributes><primitive id="two" class="ocf" provider="heartbeat"
type="pgsqlms"/></clone>"""
BOUND = '<rsc_colocation id="with-web" score="INFINITY" rsc="web-ip" with-rsc="web"/>'


@pytest.mark.parametrize("added, constraint, words, cured", [
    ("", "", "", False),    # that of the first resource of PAF
    (READERS, "", "reader-ip", True),
    (READERS + READERS.replace("reader", "other"), "", "other-ip or reader-ip", False),
    (READERS.replace("reader", "web") + '<primitive id="web" class="ocf" provider="heartbeat" '
     'type="Dummy"/>', BOUND, "", False),
    ('<group id="site">' + READERS + '<primitive id="web" class="ocf" provider="heartbeat" '
     'type="Dummy"/></group>', "", "", False)])
def test_an_address_that_follows_something_else_is_not_drawn_to_the_primary(
        text, added, constraint, words, cured):
    """The cure took the address of one cluster of PostgreSQL, or of a web server, away from it."""
    text = text.replace("</resources>", SECOND + added + "</resources>").replace(
        END, constraint + END)
    configured = configuration.parse(text)
    found = list(address.address(configured, configuration.find(configured, "two")))
    assert [item.what for item in found] == (
        [f"no constraint ties the address {words} to the primary"] if words else [])
    assert [bool(item.pcs and item.crm) for item in found] == ([cured] if words else [])
