"""Whatever Pacemaker's schema allows, the command reads; and what it prints as a cure is one."""

import os
import re
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from paf.cli import check, configuration, create, switchover, view
from paf.cli.common import Problem
from paf.cli.main import parser
from paf.cli.status import report, report_text
from tests.conftest import REPOSITORY
from tests.unit import cures, rng
from tests.unit.test_cli_status import WELL

BASE = (REPOSITORY / "tests/data/cli/cib.xml").read_text()
SEEN = view.parse((REPOSITORY / "tests/data/cli/crm_mon.xml").read_text())

#: More of them with PAF_SCHEMA=1000; a cure starts a handful of programs.
EXAMPLES = int(os.environ.get("PAF_SCHEMA", "40"))
generated = settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck),
                     phases=[Phase.explicit, Phase.generate])


@generated
@given(rng.configurations(BASE))
def test_no_configuration_breaks_a_verb(root):
    xml = rng.text_of(root)
    assert rng.is_valid(root) == []
    configured = configuration.parse(xml, cures.NOW)
    for managed in configured.resources:
        if managed.kind == "bundle":
            with pytest.raises(Problem, match="bundle"):
                configuration.find(configured, managed.name)
            continue
        for name, item in check.of_cib(xml, managed.name):
            assert name and (item is None or (item.what and item.why))
        with pytest.raises(Problem, match="there is a resource .* already"):
            rehearse(xml, managed.name)
        found = report.report(SEEN, configured, managed, WELL)
        assert list(report_text.lines(found))
        list(switchover.problems(found, "srv2"))


def rehearse(xml, name):
    """Do what paf create does before its first command."""
    options = parser().parse_args(["create", "--bindir", "/b", "--pgdata", "/d", "--name", name])
    copy = create.Copy()
    try:
        create._rehearse([], "pcs", options, SimpleNamespace(cib=lambda: xml), copy)
    finally:
        copy.remove()


@settings(generated, max_examples=max(3, EXAMPLES // 20))
@given(rng.configurations(BASE))
def test_each_cure_cures_and_harms_nothing(tmp_path_factory, root):
    folder, xml = tmp_path_factory.mktemp("cure"), rng.text_of(root)
    for resource in cures.resources(xml)[:1]:
        # one of each kind: the same words about another operation have the same cure
        kinds = {(name, re.sub(r"\b(x\d+|start|stop|promote|demote|notify)\b", "", item.what)):
                 (name, item) for name, item in cures.found(xml, resource)
                 if cures.is_for_a_file(item)}
        for name, item in kinds.values():
            spelling = "crm" if name == "clone" else "pcs"
            assert cures.faults(folder, xml, resource, name, item, spelling) == [], item
