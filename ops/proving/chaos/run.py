"""Runs faults on a platform under steady traffic, one trial after the other."""

import random
import time
from collections.abc import Callable

from ops.errors import StackError
from ops.proving.chaos.clients.ledger import Ledger, now
from ops.proving.chaos.clients.steady import Traffic
from ops.proving.chaos.evidence.sinks import Evidence
from ops.proving.chaos.fault import Fault, Scene, Struck, Trial
from ops.proving.chaos.platform.stack import ChaosStack, wait_for
from ops.proving.chaos.verdict import count, wait_until_delivered

RATE = 40.0
"""Transactions per second: far from the platform's limits, so that every failure is the fault's."""

_ANSWERS_BEFORE = 40
_SECONDS_AFTER = 1.0
_WAIT_SECONDS = 60.0


def run_trial(
    stack: ChaosStack, evidence: Evidence, fault: Fault, *, seed: int, is_short: bool, rate: float = RATE
) -> Trial:
    """Lets traffic flow, strikes, waits until the platform has recovered, and counts the cost.

    Raises:
        ops.errors.OpsError: the platform was not ready to begin with.
    """
    stack.wait_ready()
    ledger = Ledger()
    traffic = Traffic(stack.client, ledger, rate=rate, seed=seed, patience_seconds=fault.patience_seconds)
    scene = Scene(stack, traffic, ledger, evidence, random.Random(seed), is_short)  # noqa: S311 - moments, no secret
    begun = now()
    traffic.start()
    try:
        wait_for(lambda: ledger.answered_since(begun) >= _ANSWERS_BEFORE, _WAIT_SECONDS, "traffic to flow")
        struck = strike(fault, scene)
        time.sleep(_SECONDS_AFTER)
        served = now()
        wait_for(lambda: ledger.answered_since(served) >= _ANSWERS_BEFORE, _WAIT_SECONDS, "traffic to flow again")
    except StackError as error:
        struck = Struck(now(), delays=(str(error),))
    finally:
        traffic.stop()
    undelivered = wait_until_delivered(stack, evidence, ledger)
    trial = count(fault, struck, stack=stack, evidence=evidence, ledger=ledger)
    trial.delays[:0] = undelivered
    return trial


def strike(fault: Fault, scene: Scene) -> Struck:
    """Strikes and returns what the fault saw; an expectation that did not come true in time is a delay."""
    try:
        return fault.strike(scene)
    except StackError as error:
        return Struck(now(), delays=(str(error),))


def run_fault(
    stack: ChaosStack,
    evidence: Evidence,
    fault: Fault,
    *,
    runs: int,
    seed: int,
    is_short: bool,
    on_trial: Callable[[Trial], None] = lambda _trial: None,
) -> Trial:
    """Returns the sum of several trials of a fault."""
    total = Trial()
    for number in range(runs):
        trial = run_trial(stack, evidence, fault, seed=seed + number, is_short=is_short)
        on_trial(trial)
        total.add(trial)
    return total
