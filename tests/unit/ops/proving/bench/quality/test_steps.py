import io

import pytest

from ops.proving.bench.quality.steps import Steps


class Clock:
    """Time that a test sets."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


def run_second_step(steps: Steps, clock: Clock, *, first_seconds: float) -> None:
    """The first of two steps, then half of the second one's time."""
    with steps.step("features", cost=1.0) as show:
        clock.seconds += first_seconds
        show("reading", 0.5)
    with steps.step("hybrid", cost=2.0) as show:
        clock.seconds += first_seconds
        show("gradient boosting", 0.5)


def test_the_first_step_has_no_pace_to_extrapolate(clock: Clock, output: io.StringIO) -> None:
    with Steps(4.0, stream=output, clock=clock).step("features", cost=1.0) as show:
        clock.seconds += 10.0
        show("reading", 0.5)
    assert output.getvalue().splitlines() == ["  features", "  features: reading  50%", "  features: 10.0 s"]


@pytest.mark.parametrize(
    ("first_seconds", "left"),
    # Three of four parts were left when the second step began, and as long as the first step took has passed since.
    [(10.0, "about 20 s left in all"), (60.0, "about 2 min left in all")],
)
def test_the_time_left_is_extrapolated_from_the_steps_done(
    clock: Clock, output: io.StringIO, first_seconds: float, left: str
) -> None:
    run_second_step(Steps(4.0, stream=output, clock=clock), clock, first_seconds=first_seconds)
    assert f"  hybrid: gradient boosting  50%, {left}" in output.getvalue().splitlines()


def test_a_step_that_takes_longer_than_expected_leaves_nothing(clock: Clock, output: io.StringIO) -> None:
    steps = Steps(2.0, stream=output, clock=clock)
    run_second_step(steps, clock, first_seconds=3.0)
    with steps.step("more", cost=1.0) as show:
        clock.seconds += 100.0
        show("waiting", 0.9)
    assert "about 0 s left in all" in output.getvalue()


def test_stages_that_follow_each_other_at_once_are_not_shown(clock: Clock, output: io.StringIO) -> None:
    with Steps(1.0, stream=output, clock=clock).step("features", cost=1.0) as show:
        for percent in range(100):
            show("reading", percent / 100)
    assert output.getvalue().splitlines() == ["  features", "  features: 0.0 s"]
