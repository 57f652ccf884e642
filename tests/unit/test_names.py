"""Names with more than ASCII in them are the same wherever they are read, under each Python."""

import subprocess
import sys

import pytest

from tests import interpreters
from tests.conftest import REPOSITORY

CIB = """<cib><configuration><nodes><node id="1" uname="n{0}"><instance_attributes id="a">
<nvpair id="b" name="master-{0}" value="1001"/></instance_attributes></node></nodes>
<resources><clone id="c"><primitive id="{0}" class="ocf" type="pgsqlms"/></clone></resources>
</configuration><status><node_state id="1" uname="n{0}" in_ccm="true" crmd="online"><lrm id="1">
<lrm_resources><lrm_resource id="{0}"><lrm_rsc_op id="{0}_last_0" operation="start"
rc-code="0"/></lrm_resource></lrm_resources></lrm></node_state></status></cib>"""

PROGRAM = r"""
import sys, warnings
warnings.simplefilter("error")
sys.path.insert(0, sys.argv[1])
from paf.cluster import cib
from paf.crash import objections
name, text = sys.argv[2:]
names = cib.Names("master-" + name, "", "", "", (), "", "", "", "", "")
view = cib.parse(text, names, resource=name)
assert view.scores == {"n" + name: 1001}, view
assert view.online == view.running == ["n" + name], view
standing = objections.read(text, name, "n" + name)
assert standing.objection is None, standing
assert standing.attribute == "fail-count-%s#asyncmon_0" % name
"""
NAME = "pgsql-\u00e9t\u00e9"


@pytest.mark.parametrize("version", sorted(interpreters.found()) or [sys.executable])
def test_a_resource_and_a_node_may_have_accents(version):
    python = interpreters.found().get(version, version)
    result = subprocess.run(
        [python, "-B", "-c", PROGRAM, str(REPOSITORY), NAME, CIB.format(NAME)], check=False,
        capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
    assert result.returncode == 0, result.stderr
