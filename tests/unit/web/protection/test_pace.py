import pytest

from web.protection.pace import Pace


@pytest.fixture
def pace() -> Pace:
    pace = Pace()
    for _ in range(50):
        pace.note(0.1)
    return pace


def test_before_the_first_message_nothing_is_hopeless() -> None:
    assert not Pace().is_hopeless(1000, 0.25)


def test_what_can_be_answered_in_time_is_taken_and_what_cannot_is_not(pace: Pace) -> None:
    assert not pace.is_hopeless(6, 1.0)
    assert pace.is_hopeless(7, 1.0)


def test_with_nothing_ahead_a_request_is_always_tried(pace: Pace) -> None:
    pace.note(1000.0)
    assert not pace.is_hopeless(0, 0.25)
    assert pace.is_hopeless(1, 0.25)


def test_a_stall_is_forgotten(pace: Pace) -> None:
    pace.note(5.0)
    assert pace.is_hopeless(3, 1.0)
    for _ in range(20):
        pace.note(0.1)
    assert not pace.is_hopeless(5, 1.0)
