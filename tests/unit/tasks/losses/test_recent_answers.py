from itertools import pairwise

from ml.stores.decisions.decisions import NewDecision
from tasks.losses.recent_answers import RecentAnswers


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def entries(*names: str) -> list[NewDecision]:
    return [NewDecision(name, "0" * 32, b"{}", b"{}", b"{}") for name in names]


def test_keeps_the_newest_answers_with_their_age() -> None:
    clock = Clock()
    recent = RecentAnswers(clock=clock)
    recent.note(entries("a"))
    clock.now += 10
    recent.note(entries("b", "c"))
    assert [answer.entry.transaction_id for answer in recent.younger_than(60)] == ["a", "b", "c"]
    assert [answer.entry.transaction_id for answer in recent.younger_than(5)] == ["b", "c"]
    assert not recent.is_full


def test_forgets_the_oldest_beyond_its_bound() -> None:
    recent = RecentAnswers(clock=Clock())
    recent.note(entries(*(f"t-{number}" for number in range(1_500))))
    kept = recent.younger_than(60)
    assert recent.is_full
    assert (len(kept), kept[0].entry.transaction_id) == (1_000, "t-500")


def test_samples_are_the_newest_answer_and_one_for_every_ten_seconds() -> None:
    clock = Clock()
    recent = RecentAnswers(clock=clock, wall_clock=clock)
    assert recent.samples() == []
    for second in range(200):
        recent.note(entries(f"t-{second}"))
        samples = recent.samples()
        clock.now += 1
    assert samples[-1].transaction_id == "t-199"
    gaps = [late.answered_at - early.answered_at for early, late in pairwise(samples)]
    assert all(10 <= gap < 12 for gap in gaps[:-1])
    assert samples[-1].answered_at - samples[0].answered_at > 60
    assert recent.samples() == samples
