"""Every fault of the suite, once, in its short form; `python -m ops chaos` tries the long ones."""

import pytest

from ops.proving.chaos.catalogue import FAULTS
from ops.proving.chaos.evidence.sinks import Evidence
from ops.proving.chaos.platform.stack import ChaosStack
from ops.proving.chaos.report import details
from ops.proving.chaos.run import run_fault


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_costs_no_more_than_it_may(name: str, chaos: ChaosStack, evidence: Evidence) -> None:
    fault = FAULTS[name]
    trial = run_fault(chaos, evidence, fault, runs=1, seed=7, is_short=True)
    assert not trial.problems, "\n".join(details(fault, trial))
    assert trial.acknowledged > 0
