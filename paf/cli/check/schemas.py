"""paf check: the CIB and the agent's meta-data against their schemas, with lxml."""

import os

from paf import metadata
from paf.cli import finding
from paf.cli.common import xml_data

#: Where schemas of the OCF meta-data are installed, by the packages that have them.
_OCF = ("/usr/share/pacemaker/api/ocf-ra-1.1.rng", "/usr/share/pcs/data/ocf-{0}.rng",
        "/usr/lib/pcs/data/ocf-{0}.rng")
_CIB = "/usr/share/pacemaker/{0}.rng"


def lxml_or_none():
    """Return lxml.etree; None when it is not installed."""
    try:
        from lxml import etree
    except ImportError:
        return None
    return etree


def cib(etree, text):
    """The CIB is valid."""
    root = etree.fromstring(xml_data(text))
    name = _CIB.format(root.get("validate-with", ""))
    if not os.path.exists(name):
        yield finding.warning("the CIB was not checked against its schema: {0} is not there".format(
            name), "which of its elements Pacemaker does not understand is not known")
        return
    for problem in _problems(etree, root, name):
        yield finding.error("the CIB is not valid: {0}".format(problem),
                            "Pacemaker may ignore what it does not understand",
                            finding.both("cibadmin --upgrade --force"))


def agent(etree):
    """The agent's meta-data is valid."""
    root = etree.fromstring(metadata.xml().encode("ascii"))
    for pattern in _OCF:
        name = pattern.format(metadata.ocf())
        if os.path.exists(name):
            for problem in _problems(etree, root, name):
                yield finding.error("the agent's meta-data are not valid: {0}".format(problem),
                                    "pcs refuses to work with it: install the package again")
            return
    yield finding.unseen("the agent's meta-data were not checked: no schema of OCF {0} is "
                         "there".format(metadata.ocf()), "pcs and Pacemaker have it")


def _problems(etree, root, schema):
    relax = etree.RelaxNG(etree.parse(schema))
    if relax.validate(root):
        return []
    return ["line {0}: {1}".format(entry.line, entry.message) for entry in relax.error_log][:3]
