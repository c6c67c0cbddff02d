"""Who was late in a trial, the platform or the machine: see `judged_trial`."""

import time
from dataclasses import dataclass

from ops.proving.chaos.clients.ledger import now
from ops.proving.chaos.evidence.sinks import Evidence
from ops.proving.chaos.fault import Fault, Scene, Struck, Trial
from ops.proving.chaos.platform.stack import ChaosStack
from ops.proving.chaos.run import run_trial

_TRIALS = 3
_JUDGING_SECONDS = 400.0
_CALM_SECONDS = 15.0


def _wait(_scene: Scene) -> Struck:
    time.sleep(_CALM_SECONDS)
    return Struck(now())


CALM = Fault("calm", "every request is answered in its time", _wait, recovery_seconds=None)
"""No fault at all: what is late now is late because of the machine."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The trial that decides, and whether the machine was too busy to tell."""

    trial: Trial
    is_undecided: bool = False


def judged_trial(stack: ChaosStack, evidence: Evidence, fault: Fault, *, seed: int) -> Judged:
    """Tries a fault in its short form until it is clear who was late.

    A trial that broke a promise decides, and so does one in which nothing was late. Where something was late, the
    trial counts only if the platform without any fault is in time right afterwards; the third trial that counts
    decides. If the machine is busy for so long that no such moment comes, the matter is undecided.
    """
    counted = 0
    begun = time.monotonic()
    while True:
        trial = run_trial(stack, evidence, fault, seed=seed, is_short=True)
        if trial.problems or not trial.delays:
            return Judged(trial)
        calm = run_trial(stack, evidence, CALM, seed=seed, is_short=True)
        if calm.problems:
            return Judged(calm)
        counted += not calm.delays
        if counted == _TRIALS:
            return Judged(trial)
        if time.monotonic() - begun > _JUDGING_SECONDS:
            return Judged(trial, is_undecided=True)
