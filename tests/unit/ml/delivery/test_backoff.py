from ml.delivery.backoff import Backoff


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def waited(backoff: Backoff, clock: Clock) -> float:
    started = clock.now
    while backoff.is_waiting:
        clock.now += 0.25
    return clock.now - started


def test_each_failure_in_a_row_doubles_the_wait_up_to_a_bound() -> None:
    clock = Clock()
    backoff = Backoff(clock=clock)
    assert not backoff.is_waiting
    waits = []
    for _ in range(6):
        backoff.note(is_available=False)
        waits.append(waited(backoff, clock))
    assert waits == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_a_success_begins_anew() -> None:
    clock = Clock()
    backoff = Backoff(clock=clock)
    for is_available in (False, False, True):
        backoff.note(is_available=is_available)
        waited(backoff, clock)
    assert not backoff.is_waiting
    backoff.note(is_available=False)
    assert waited(backoff, clock) == 0.5
