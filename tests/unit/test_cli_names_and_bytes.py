"""What programs print in any letters is text that messages can be made of, under each Python."""

import subprocess
import sys
from xml.etree import ElementTree
from xml.parsers import expat

import pytest

from paf.cli import view
from tests import interpreters
from tests.conftest import REPOSITORY

PROGRAM = r"""
import io, sys
sys.path.insert(0, sys.argv[1])
from paf import runner
from paf.cli import configuration, view
from paf.cli.health import wire
from paf.cli.timeline import logs
with open(sys.argv[2], "rb") as stream:
    recorded = stream.read()
for word in (b"l\xc3\xa4uft", b"\xe9"):
    at = recorded.index(b'exitreason="') + len(b'exitreason="')
    seen = view.parse(runner.text(recorded[:at] + word + recorded[at:]))
    assert [item for item in seen.failures if "{0}".format(item.reason) and (
        isinstance(item.reason, str))], seen.failures
    message = wire._complaint(b"SFATAL\0M" + word + b"\0")
    assert isinstance(message, str) and "{0}".format(message)
    reading = logs._Reading(2e9, [])
    reading.take(io.BytesIO(b"Nov 23 15:00:01 srv1 pacemaker-controld [5] (x) notice: "
                            b"srv1-pgsqld_monitor_6000:13 [ ocf-exit-reason:" + word
                            + b" ]\n"), 2e9)
    for fact in reading.facts:
        assert all(isinstance(value, str) for value in fact.values.values()), fact
"""


@pytest.mark.parametrize("version", sorted(interpreters.found()) or [sys.executable])
def test_reasons_may_have_any_letters(version, data):
    python = interpreters.found().get(version, version)
    result = subprocess.run(
        [python, "-B", "-c", PROGRAM, str(REPOSITORY),
         str(data / "pacemaker" / "1.1.24" / "crm_mon.xml")], check=False,
        capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
    assert result.returncode == 0, result.stderr


def test_broken_xml_is_mended_also_by_a_python_whose_parser_has_an_error_of_its_own(
        data, monkeypatch):
    """In 2.6 it is no SyntaxError, and each verb ended with a traceback."""
    text = (data / "pacemaker" / "1.1.24" / "crm_mon.xml").read_text()
    parse, asked = ElementTree.fromstring, []

    def fromstring(xml):
        asked.append(xml)
        if len(asked) == 1:
            raise expat.ExpatError("not well-formed (invalid token): line 1, column 9")
        return parse(xml)
    monkeypatch.setattr(ElementTree, "fromstring", fromstring)
    assert view.parse(text).nodes and len(asked) == 2
