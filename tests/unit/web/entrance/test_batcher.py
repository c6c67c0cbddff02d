import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from ml.stores.decisions.decisions_memory import MemoryDecisionStore
from security.admission.admission import Admission, AdmissionOutcome, AdmissionPolicy, AdmissionRequest
from security.admission.admission_memory import MemoryAdmissionControl
from security.errors import AdmissionUnavailableError
from tests.contracts.admission import asked, policy
from tests.contracts.entrance_check import EntranceCheckContract
from tests.contracts.entrance_check import Make as MakeCheck
from web.entrance.batcher import Arrival, Entrance, Passage
from web.entrance.check_memory import MemoryEntranceCheck
from web.http.errors import ShuttingDownError

TIMEOUT = 5.0


class TestMemoryEntranceCheck(EntranceCheckContract):
    @pytest.fixture
    def make(self) -> MakeCheck:
        self.decisions = MemoryDecisionStore()

        def make(rules: AdmissionPolicy) -> MemoryEntranceCheck:
            return MemoryEntranceCheck(MemoryAdmissionControl(rules), self.decisions)

        return make


@dataclass
class ScriptedCheck:
    """Judges when the test lets it; a round trip's number picks what it raises instead, `answers` cuts what it says."""

    rounds: list[list[Arrival]] = field(default_factory=list)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    failures: dict[int, BaseException] = field(default_factory=dict)
    answers: int | None = None

    def judge(self, arrivals: Sequence[Arrival]) -> list[Passage]:
        number = len(self.rounds)
        self.rounds.append(list(arrivals))
        self.begun.release()
        assert self.go.acquire(timeout=TIMEOUT)
        if number in self.failures:
            raise self.failures[number]
        judged = [
            Passage(Admission(AdmissionOutcome.ADMITTED, limit=int(item.request.subject)), {}) for item in arrivals
        ]
        return judged[: self.answers]

    def next_round(self) -> list[Arrival]:
        assert self.begun.acquire(timeout=TIMEOUT), "no round trip began"
        return self.rounds[-1]


def arrival(number: int, lookups: int = 0) -> Arrival:
    return Arrival(AdmissionRequest(str(number), f"signature {number}"), tuple(f"t-{item}" for item in range(lookups)))


class Caller(threading.Thread):
    """One request at the entrance; `result` is the passage or the error."""

    def __init__(self, entrance: Entrance, asks: Arrival) -> None:
        super().__init__()
        self._entrance, self._asks = entrance, asks
        self.result: Passage | Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self._entrance.enter(self._asks)
        except (AdmissionUnavailableError, ShuttingDownError) as error:
            self.result = error

    def answer(self) -> Passage | Exception | None:
        self.join(TIMEOUT)
        assert not self.is_alive()
        return self.result


Make = Callable[..., Entrance]


@pytest.fixture
def check() -> ScriptedCheck:
    return ScriptedCheck()


@pytest.fixture
def make(check: ScriptedCheck) -> Iterator[Make]:
    made: list[Entrance] = []

    def build(*, timeout_seconds: float = TIMEOUT, most_rows: int = 256) -> Entrance:
        made.append(Entrance(check, timeout_seconds=timeout_seconds, most_rows=most_rows))
        return made[-1]

    yield build
    for _ in range(100):
        check.go.release()
    for entrance in made:
        entrance.close(TIMEOUT)


def queue_up(entrance: Entrance, arrivals: Sequence[Arrival]) -> list[Caller]:
    """Lets arrivals wait, in this order, behind a round trip that runs."""
    callers = []
    for item in arrivals:
        callers.append(Caller(entrance, item))
        wait_until(lambda: len(entrance._waiting) == len(callers))
    return callers


def test_a_lone_arrival_is_judged_at_once(make: Make, check: ScriptedCheck) -> None:
    check.go.release()
    assert make().enter(arrival(7)).admission.limit == 7


def test_what_arrives_during_a_round_trip_shares_the_next_in_order(make: Make, check: ScriptedCheck) -> None:
    entrance = make()
    first = Caller(entrance, arrival(0))
    assert check.next_round() == [arrival(0)]
    others = queue_up(entrance, [arrival(number) for number in range(1, 6)])
    check.go.release()
    assert check.next_round() == [arrival(number) for number in range(1, 6)]
    check.go.release()
    limits = [caller.answer().admission.limit for caller in (first, *others)]  # type: ignore[union-attr]
    assert limits == [0, 1, 2, 3, 4, 5]


def test_a_round_trip_is_bounded_by_its_requests_and_lookups(make: Make, check: ScriptedCheck) -> None:
    entrance = make(most_rows=6)
    Caller(entrance, arrival(0))
    check.next_round()
    queue_up(entrance, [arrival(1, 2), arrival(2, 1), arrival(3, 1), arrival(4, 1000), arrival(5)])
    rounds = []
    for _ in range(3):
        check.go.release()
        rounds.append([item.request.subject for item in check.next_round()])
    assert rounds == [["1", "2"], ["3"], ["4"]]


def test_a_failed_round_trip_refuses_everybody_in_it_and_nobody_else(
    make: Make, check: ScriptedCheck, caplog: pytest.LogCaptureFixture
) -> None:
    check.failures = {1: AdmissionUnavailableError("gone"), 2: ZeroDivisionError("a bug")}
    entrance = make()
    first = Caller(entrance, arrival(0))
    check.next_round()
    refused = queue_up(entrance, [arrival(1), arrival(2)])
    check.go.release()
    check.next_round()
    surprised = queue_up(entrance, [arrival(3)])
    check.go.release()
    check.next_round()
    last = queue_up(entrance, [arrival(4)])
    with caplog.at_level(logging.ERROR):
        check.go.release(2)
        answers = [caller.answer() for caller in (first, *refused, *surprised, *last)]
    assert [type(answer) for answer in answers] == [
        Passage, AdmissionUnavailableError, AdmissionUnavailableError, AdmissionUnavailableError, Passage,
    ]  # fmt: skip
    assert len({id(answer) for answer in answers}) == 5  # an exception shared by threads would mix their tracebacks
    assert caplog.text.count("the entrance failed") == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_was_ended_is_replaced(make: Make, check: ScriptedCheck) -> None:
    check.failures = {0: SystemExit()}
    entrance = make(timeout_seconds=1.0)
    lost = Caller(entrance, arrival(0))
    check.next_round()
    check.go.release(2)
    assert isinstance(lost.answer(), AdmissionUnavailableError)
    wait_until(lambda: entrance._thread is None)
    assert isinstance(Caller(entrance, arrival(1)).answer(), Passage)


def test_an_answer_of_the_wrong_length_admits_nobody(make: Make, check: ScriptedCheck) -> None:
    entrance = make()
    first = Caller(entrance, arrival(0))
    check.next_round()
    others = queue_up(entrance, [arrival(1), arrival(2)])
    check.answers = 1
    check.go.release(2)
    assert isinstance(first.answer(), Passage)
    assert [type(caller.answer()) for caller in others] == [AdmissionUnavailableError] * 2


def test_nobody_waits_longer_than_the_timeout_and_who_has_gone_is_not_judged(make: Make, check: ScriptedCheck) -> None:
    entrance = make(timeout_seconds=0.05)
    frozen = Caller(entrance, arrival(0))
    check.next_round()
    gone = queue_up(entrance, [arrival(1)])[0]
    assert isinstance(frozen.answer(), AdmissionUnavailableError)
    assert isinstance(gone.answer(), AdmissionUnavailableError)
    check.go.release()
    wait_until(lambda: not entrance._waiting)
    assert check.rounds == [[arrival(0)]]


def test_closing_judges_who_waits_and_refuses_the_rest(make: Make, check: ScriptedCheck) -> None:
    entrance = make()
    first = Caller(entrance, arrival(0))
    check.next_round()
    second = queue_up(entrance, [arrival(1)])[0]
    closing = threading.Thread(target=entrance.close, args=(TIMEOUT,))
    closing.start()
    wait_until(lambda: entrance._closing)
    with pytest.raises(ShuttingDownError):
        entrance.enter(arrival(2))
    check.go.release(2)
    closing.join(TIMEOUT)
    assert not closing.is_alive()
    assert isinstance(first.answer(), Passage)
    assert isinstance(second.answer(), Passage)


def test_works_in_a_forked_child_of_a_process_that_used_it(make: Make, check: ScriptedCheck) -> None:
    entrance = make()
    check.go.release()
    entrance.enter(arrival(1))
    busy = Caller(entrance, arrival(2))
    check.begun.acquire(timeout=TIMEOUT)
    check.next_round()
    child = os.fork()
    if child == 0:
        check.go = threading.Semaphore(1)
        os._exit(0 if entrance.enter(arrival(3)).admission.limit == 3 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    check.go.release()
    assert isinstance(busy.answer(), Passage)


def test_of_many_copies_of_one_request_one_is_admitted() -> None:
    control = MemoryAdmissionControl(policy())
    entrance = Entrance(MemoryEntranceCheck(control, MemoryDecisionStore()), timeout_seconds=TIMEOUT)
    request = asked("a")
    callers = [Caller(entrance, Arrival(request)) for _ in range(40)]
    outcomes = [caller.answer().admission.outcome for caller in callers]  # type: ignore[union-attr]
    entrance.close(TIMEOUT)
    assert sorted(outcomes) == ["admitted"] + ["replayed"] * 39


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.001)
