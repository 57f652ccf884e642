"""The faults that say most in the least time; `make faults` plays all of them."""

import pytest

from tests.cluster.conftest import LOGS
from trials.faults.stage import Stage
from trials.faults.table import FAULTS

QUICK = [fault for fault in FAULTS if fault.quick]
#: Numbers of those that take most of the time.
LONG = (5, 6, 20, 25)
#: Quick monitors that are patient with a slow server, see conftest.PATIENT.
MONITORS = {"monitor:Promoted": {"interval": "5s", "timeout": "30s"},
            "monitor:Unpromoted": {"interval": "6s", "timeout": "30s"}}
#: What goes wrong waits for a timeout, of 60 s and more; what is slow on a busy machine does not.
TOLERATED = 45.0


@pytest.fixture(scope="module")
def stage():
    """The cluster that they are played on, one after the other."""
    with Stage(QUICK[0].stage, LOGS, tolerated=TOLERATED, operations=MONITORS) as found:
        yield found


@pytest.mark.parametrize("fault", [
    pytest.param(fault, marks=[pytest.mark.long] if fault.number in LONG else [],
                 id=f"{fault.number} {fault.name}") for fault in QUICK])
def test_fault(stage, fault):
    assert stage.run(fault).problems == []
