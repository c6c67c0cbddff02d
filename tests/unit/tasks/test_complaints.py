import itertools

from tasks.complaints import LONGEST_PAUSE_SECONDS, Complaints


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_outage_is_said_at_once_and_then_ever_more_rarely() -> None:
    clock = Clock()
    complaints = Complaints(clock=clock)
    said = []
    for turn in range(1200):  # ten minutes of half seconds
        clock.now = turn / 2
        if complaints.is_due("Redis did not answer"):
            said.append(clock.now)
    pauses = [later - earlier for earlier, later in itertools.pairwise(said)]
    assert said[0] == 0
    assert pauses[:5] == [2, 4, 8, 16, 32]
    assert set(pauses[5:]) == {LONGEST_PAUSE_SECONDS}


def test_another_failure_is_said_at_once() -> None:
    complaints = Complaints(clock=lambda: 0.0)
    assert complaints.is_due("Redis did not answer")
    assert not complaints.is_due("Redis did not answer")
    assert complaints.is_due("the registry cannot be read")


def test_the_next_outage_is_a_new_one() -> None:
    clock = Clock()
    complaints = Complaints(clock=clock)
    for clock.now in (0.0, 1.0, 2.0, 3.0):
        complaints.is_due("Redis did not answer")
    assert not complaints.is_due("Redis did not answer")
    clock.now = 20.0
    assert complaints.is_due("Redis did not answer")


def test_texts_that_change_each_time_fill_no_memory() -> None:
    complaints = Complaints(clock=lambda: 0.0)
    assert all(complaints.is_due(f"failure {number}") for number in range(1000))
    assert len(complaints._said) <= 100
