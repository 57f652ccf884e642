"""paf check: the CIB and the agent's meta-data against their schemas, with lxml."""

import os

from paf import metadata
from paf.cli import finding
from paf.cli.common import xml_data
from paf.decide.knowledge import Known, Unknown, is_known

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
    found = _problems(etree, root, name) if os.path.exists(name) else Unknown(
        "{0} is not there".format(name))
    if not is_known(found):
        yield finding.warning("the CIB was not checked against its schema: {0}".format(
            found.reason), "which of its elements Pacemaker does not understand is not known")
        return
    for problem in found.value:
        yield finding.error("the CIB is not valid: {0}".format(problem),
                            "Pacemaker may ignore what it does not understand",
                            finding.both("cibadmin --upgrade --force"))


def agent(etree):
    """The agent's meta-data is valid."""
    root = etree.fromstring(metadata.xml().encode("ascii"))
    names = [pattern.format(metadata.ocf()) for pattern in _OCF]
    name = ([name for name in names if os.path.exists(name)] or [""])[0]
    found = _problems(etree, root, name) if name else Unknown(
        "no schema of OCF {0} is there".format(metadata.ocf()))
    if not is_known(found):
        yield finding.unseen("the agent's meta-data were not checked: {0}".format(found.reason),
                             "pcs and Pacemaker have it")
        return
    for problem in found.value:
        yield finding.error("the agent's meta-data are not valid: {0}".format(problem),
                            "pcs refuses to work with it: install the package again")


def _problems(etree, root, schema):
    """Return the first mistakes (Known of a list of str); Unknown where the schema is unreadable.
    """
    try:
        relax = etree.RelaxNG(etree.parse(schema))
    except (etree.LxmlError, IOError, OSError) as error:
        return Unknown("{0} cannot be used: {1}".format(schema, error))
    if relax.validate(root):
        return Known([])
    return Known(["line {0}: {1}".format(entry.line, entry.message)
                  for entry in relax.error_log][:3])
