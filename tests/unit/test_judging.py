"""Which trial of a fault decides, in `tests/chaos`."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ops.proving.chaos.fault import Fault, Struck, Trial
from tests.chaos import judging

FAULT = Fault("a", "nothing", lambda _scene: Struck(0.0))
FINE, LATE, LOST = Trial(), Trial(delays=["late"]), Trial(problems=["lost"])


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., judging.Judged]:
    def played(*outcomes: Trial) -> judging.Judged:
        left: Iterator[Trial] = iter(outcomes)
        monkeypatch.setattr(judging, "run_trial", lambda *_args, **_options: next(left))
        none: Any = None
        judged = judging.judged_trial(none, none, FAULT, seed=1)
        assert next(left, None) is None  # every trial was needed
        return judged

    return played


@pytest.mark.parametrize("trial", [FINE, LOST])
def test_the_first_trial_decides_if_nothing_was_late_or_something_was_lost(
    trial: Trial, play: Callable[..., judging.Judged]
) -> None:
    assert play(trial) == judging.Judged(trial)


def test_a_platform_that_is_late_three_times_and_calm_in_between_is_convicted(
    play: Callable[..., judging.Judged],
) -> None:
    assert play(LATE, FINE, LATE, FINE, LATE, FINE) == judging.Judged(LATE)


def test_a_machine_that_is_late_by_itself_convicts_nobody(play: Callable[..., judging.Judged]) -> None:
    assert play(LATE, LATE, LATE, LATE, LATE, LATE, FINE) == judging.Judged(FINE)


def test_what_is_lost_without_any_fault_convicts_at_once(play: Callable[..., judging.Judged]) -> None:
    assert play(LATE, LOST) == judging.Judged(LOST)


def test_a_machine_that_stays_busy_leaves_the_matter_undecided(
    play: Callable[..., judging.Judged], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "_JUDGING_SECONDS", 0.0)
    assert play(LATE, LATE) == judging.Judged(LATE, is_undecided=True)
