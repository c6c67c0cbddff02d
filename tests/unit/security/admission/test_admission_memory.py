import pytest

from security.admission.admission import AdmissionOutcome, Bucket
from security.admission.admission_memory import MemoryAdmissionControl
from tests.contracts.admission import AdmissionContract, Make, asked, policy


class Clock:
    """A clock that stands still until it is moved, so that no token comes back by itself."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class TestMemoryAdmission(AdmissionContract):
    @pytest.fixture
    def make(self) -> Make:
        return lambda policy: MemoryAdmissionControl(policy, clock=Clock())


def test_tokens_come_back_at_the_configured_rate() -> None:
    clock = Clock()
    control = MemoryAdmissionControl(policy(subject=Bucket(2, 30)), clock=clock)
    assert [control.admit([asked("a")])[0].admitted for _ in range(3)] == [True, True, False]
    clock.now += 1.9
    assert not control.admit([asked("a")])[0].admitted
    clock.now += 0.1
    assert control.admit([asked("a")])[0].admitted
    clock.now += 3600
    assert control.admit([asked("a")])[0].remaining == 1


def test_a_signature_is_forgotten_after_the_replay_window() -> None:
    clock = Clock()
    control = MemoryAdmissionControl(policy(replay_seconds=270), clock=clock)
    request = asked("a")
    control.admit([request])
    clock.now += 269
    assert control.admit([request])[0].outcome is AdmissionOutcome.REPLAYED
    clock.now += 2
    assert control.admit([request])[0].admitted


def test_a_clock_set_back_starts_buckets_anew_instead_of_freezing_them() -> None:
    clock = Clock()
    control = MemoryAdmissionControl(policy(subject=Bucket(1, 1)), clock=clock)
    control.admit([asked("a")])
    clock.now -= 3600
    assert control.admit([asked("a")])[0].admitted
