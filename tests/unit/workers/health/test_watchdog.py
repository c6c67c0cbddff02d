import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.domain.errors import StoreUnavailableError
from workers.health.watchdog import Watchdog

PATIENCE = 10.0


class Line:
    """A worker's own queue; its consumer answers unless it is stuck."""

    def __init__(self) -> None:
        self.queue: list[str] = []
        self.answers: set[str] = set()
        self.sent = 0
        self.is_stuck = False
        self.is_down = False

    def send(self, probe_id: str) -> None:
        self.check()
        self.sent += 1
        self.queue.append(probe_id)
        self.consume()

    def consume(self) -> None:
        if not self.is_stuck:
            self.answers |= set(self.queue)
            self.queue.clear()

    def answered(self) -> set[str]:
        self.check()
        answers, self.answers = self.answers, set()
        return answers

    def is_waiting(self) -> bool:
        self.check()
        return bool(self.queue)

    def check(self) -> None:
        if self.is_down:
            raise StoreUnavailableError("down")


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.line = Line()
        self.stuck: list[float] = []
        self.answers: list[float] = []
        self.is_consuming = True
        self.store_wait = 0.0
        self.watchdog = Watchdog(
            self.line,
            interval_seconds=2.0,
            patience_seconds=PATIENCE,
            is_consuming=lambda: self.is_consuming,
            on_stuck=self.stuck.append,
            on_answer=self.answers.append,
            store_wait=lambda: self.store_wait,
            clock=lambda: self.now,
        )

    def run(self, seconds: float, *, turn: float = 0.5) -> None:
        for _ in range(int(seconds / turn)):
            self.now += turn
            try:
                self.watchdog.look()
            except StoreUnavailableError:
                assert self.line.is_down


@pytest.fixture
def world() -> World:
    return World()


def test_a_worker_that_answers_is_asked_again_and_again_and_left_alone(world: World) -> None:
    world.run(60)
    assert world.stuck == []
    assert len(world.answers) == pytest.approx(60 / 2.5, abs=1)  # an interval, and the turn that finds the answer


def test_a_worker_that_takes_no_messages_is_found_after_its_patience(world: World) -> None:
    world.run(10)
    world.line.is_stuck = True
    world.run(PATIENCE - 1)
    assert world.stuck == []
    world.run(2.0 + 2)  # a probe may be answered just before
    assert world.stuck[0] == PATIENCE


def test_a_broker_that_does_not_answer_is_no_fault_of_the_worker(world: World) -> None:
    world.line.is_stuck = world.line.is_down = True
    world.run(60)
    world.line.is_down = False
    world.run(PATIENCE - 1)
    assert world.stuck == []
    world.run(3)
    assert len(world.stuck) >= 1


def test_a_probe_that_was_lost_is_sent_again(world: World) -> None:
    world.line.is_stuck = True
    world.run(5)
    world.line.queue.clear()  # a Redis that forgot it
    world.line.is_stuck = False
    world.run(PATIENCE + 5)
    assert world.stuck == []
    assert world.answers


def test_a_process_that_was_paused_as_a_whole_is_not_stuck(world: World) -> None:
    world.line.is_stuck = True
    world.run(5)
    world.run(3600, turn=3600)  # nothing ran for an hour, this job included
    assert world.stuck == []
    world.line.is_stuck = False
    world.line.consume()
    world.run(60)
    assert world.stuck == []


def test_a_worker_that_starts_or_stops_is_not_judged(world: World) -> None:
    world.line.is_stuck = True
    world.run(5)
    world.is_consuming = False
    world.run(100)
    assert world.stuck == []
    assert world.line.sent == 1


def test_a_worker_that_waits_for_a_store_is_given_the_time_that_its_wait_may_take(world: World) -> None:
    world.line.is_stuck, world.store_wait = True, 20.0
    world.run(PATIENCE + 19)
    assert world.stuck == []
    world.run(2.0 + 4)  # a wait that outlasts its own bound has no end
    assert world.stuck[0] == PATIENCE + 20


@given(st.lists(st.sampled_from(["down", "up", "lose", "pause"]), max_size=30))
def test_whatever_happens_around_it_a_consuming_worker_is_never_ended(events: list[str]) -> None:
    world = World()
    for event in events:
        world.line.is_down = {"down": True, "up": False}.get(event, world.line.is_down)
        if event == "lose":
            world.line.queue.clear()
            world.line.answers.clear()
        world.run(30, turn=30.0 if event == "pause" else 0.5)
    assert world.stuck == []
