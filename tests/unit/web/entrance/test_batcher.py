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
from tests.contracts.admission_check import AdmissionCheckContract
from tests.contracts.admission_check import Make as MakeCheck
from web.entrance.batcher import ROUND_TRIP_ROWS, AdmissionBatcher, AdmissionCall, AdmissionResult
from web.entrance.check_memory import MemoryAdmissionCheck
from web.http.errors import ShuttingDownError

TIMEOUT = 5.0


class TestMemoryAdmissionCheck(AdmissionCheckContract):
    @pytest.fixture
    def make(self) -> MakeCheck:
        self.decisions = MemoryDecisionStore()

        def make(rules: AdmissionPolicy) -> MemoryAdmissionCheck:
            return MemoryAdmissionCheck(MemoryAdmissionControl(rules), self.decisions)

        return make


@dataclass
class ScriptedCheck:
    """Decides when the test lets it; `failures` raises in a round trip by number, `answers` cuts the results short."""

    rounds: list[list[AdmissionCall]] = field(default_factory=list)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    failures: dict[int, BaseException] = field(default_factory=dict)
    answers: int | None = None

    def decide(self, calls: Sequence[AdmissionCall]) -> list[AdmissionResult]:
        number = len(self.rounds)
        self.rounds.append(list(calls))
        self.begun.release()
        assert self.go.acquire(timeout=TIMEOUT)
        if number in self.failures:
            raise self.failures[number]
        decided = [
            AdmissionResult(Admission(AdmissionOutcome.ADMITTED, limit=int(item.request.subject)), {}) for item in calls
        ]
        return decided[: self.answers]

    def next_round(self) -> list[AdmissionCall]:
        assert self.begun.acquire(timeout=TIMEOUT), "no round trip began"
        return self.rounds[-1]


def call(number: int, lookups: int = 0) -> AdmissionCall:
    return AdmissionCall(
        AdmissionRequest(str(number), f"signature {number}"), tuple(f"t-{item}" for item in range(lookups))
    )


class Caller(threading.Thread):
    """One request that asks for admission; `result` is the result or the error."""

    def __init__(self, batcher: AdmissionBatcher, asks: AdmissionCall) -> None:
        super().__init__()
        self._batcher, self._asks = batcher, asks
        self.result: AdmissionResult | Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self._batcher.admit(self._asks)
        except (AdmissionUnavailableError, ShuttingDownError) as error:
            self.result = error

    def answer(self) -> AdmissionResult | Exception | None:
        self.join(TIMEOUT)
        assert not self.is_alive()
        return self.result


Make = Callable[..., AdmissionBatcher]


@pytest.fixture
def check() -> ScriptedCheck:
    return ScriptedCheck()


@pytest.fixture
def make(check: ScriptedCheck) -> Iterator[Make]:
    made: list[AdmissionBatcher] = []

    def build(*, timeout_seconds: float = TIMEOUT) -> AdmissionBatcher:
        made.append(AdmissionBatcher(check, timeout_seconds=timeout_seconds))
        return made[-1]

    yield build
    for _ in range(100):
        check.go.release()
    for batcher in made:
        batcher.close(TIMEOUT)


def queue_up(batcher: AdmissionBatcher, calls: Sequence[AdmissionCall]) -> list[Caller]:
    """Lets calls wait, in this order, behind a round trip that runs."""
    callers = []
    for item in calls:
        callers.append(Caller(batcher, item))
        wait_until(lambda: len(batcher._waiting) == len(callers))
    return callers


def test_a_lone_call_is_decided_at_once(make: Make, check: ScriptedCheck) -> None:
    check.go.release()
    assert make().admit(call(7)).admission.limit == 7


def test_what_arrives_during_a_round_trip_shares_the_next_in_order(make: Make, check: ScriptedCheck) -> None:
    batcher = make()
    first = Caller(batcher, call(0))
    assert check.next_round() == [call(0)]
    others = queue_up(batcher, [call(number) for number in range(1, 6)])
    check.go.release()
    assert check.next_round() == [call(number) for number in range(1, 6)]
    check.go.release()
    limits = [caller.answer().admission.limit for caller in (first, *others)]  # type: ignore[union-attr]
    assert limits == [0, 1, 2, 3, 4, 5]


def test_a_round_trip_is_bounded_by_its_requests_and_lookups(make: Make, check: ScriptedCheck) -> None:
    batcher = make()
    Caller(batcher, call(0))
    check.next_round()
    half = ROUND_TRIP_ROWS // 2
    queue_up(batcher, [call(1, half - 1), call(2, half - 2), call(3, 1), call(4, 1000), call(5)])
    rounds = []
    for _ in range(3):
        check.go.release()
        rounds.append([item.request.subject for item in check.next_round()])
    assert rounds == [["1", "2"], ["3"], ["4"]]


def test_a_failed_round_trip_refuses_everybody_in_it_and_nobody_else(
    make: Make, check: ScriptedCheck, caplog: pytest.LogCaptureFixture
) -> None:
    check.failures = {1: AdmissionUnavailableError("gone"), 2: ZeroDivisionError("a bug")}
    batcher = make()
    first = Caller(batcher, call(0))
    check.next_round()
    refused = queue_up(batcher, [call(1), call(2)])
    check.go.release()
    check.next_round()
    surprised = queue_up(batcher, [call(3)])
    check.go.release()
    check.next_round()
    last = queue_up(batcher, [call(4)])
    with caplog.at_level(logging.ERROR):
        check.go.release(2)
        answers = [caller.answer() for caller in (first, *refused, *surprised, *last)]
    refusals = [AdmissionUnavailableError] * 3
    assert [type(answer) for answer in answers] == [AdmissionResult, *refusals, AdmissionResult]
    assert len({id(answer) for answer in answers}) == 5  # an exception shared by threads would mix their tracebacks
    assert caplog.text.count("an admission round trip failed") == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_was_ended_is_replaced(make: Make, check: ScriptedCheck) -> None:
    check.failures = {0: SystemExit()}
    batcher = make(timeout_seconds=1.0)
    lost = Caller(batcher, call(0))
    check.next_round()
    check.go.release(2)
    assert isinstance(lost.answer(), AdmissionUnavailableError)
    wait_until(lambda: not batcher._thread.is_running)
    assert isinstance(Caller(batcher, call(1)).answer(), AdmissionResult)


def test_an_answer_of_the_wrong_length_admits_nobody(make: Make, check: ScriptedCheck) -> None:
    batcher = make()
    first = Caller(batcher, call(0))
    check.next_round()
    others = queue_up(batcher, [call(1), call(2)])
    check.answers = 1
    check.go.release(2)
    assert isinstance(first.answer(), AdmissionResult)
    assert [type(caller.answer()) for caller in others] == [AdmissionUnavailableError] * 2


def test_nobody_waits_longer_than_the_timeout_and_who_has_gone_is_not_decided(make: Make, check: ScriptedCheck) -> None:
    batcher = make(timeout_seconds=0.05)
    frozen = Caller(batcher, call(0))
    check.next_round()
    gone = queue_up(batcher, [call(1)])[0]
    assert isinstance(frozen.answer(), AdmissionUnavailableError)
    assert isinstance(gone.answer(), AdmissionUnavailableError)
    check.go.release()
    wait_until(lambda: not batcher._waiting)
    assert check.rounds == [[call(0)]]


def test_closing_decides_who_waits_and_refuses_the_rest(make: Make, check: ScriptedCheck) -> None:
    batcher = make()
    first = Caller(batcher, call(0))
    check.next_round()
    second = queue_up(batcher, [call(1)])[0]
    closing = threading.Thread(target=batcher.close, args=(TIMEOUT,))
    closing.start()
    wait_until(lambda: batcher._closing)
    with pytest.raises(ShuttingDownError):
        batcher.admit(call(2))
    check.go.release(2)
    closing.join(TIMEOUT)
    assert not closing.is_alive()
    assert isinstance(first.answer(), AdmissionResult)
    assert isinstance(second.answer(), AdmissionResult)


def test_works_in_a_forked_child_of_a_process_that_used_it(make: Make, check: ScriptedCheck) -> None:
    batcher = make()
    check.go.release()
    batcher.admit(call(1))
    busy = Caller(batcher, call(2))
    check.begun.acquire(timeout=TIMEOUT)
    check.next_round()
    child = os.fork()
    if child == 0:
        check.go = threading.Semaphore(1)
        os._exit(0 if batcher.admit(call(3)).admission.limit == 3 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    check.go.release()
    assert isinstance(busy.answer(), AdmissionResult)


def test_of_many_copies_of_one_request_one_is_admitted() -> None:
    control = MemoryAdmissionControl(policy())
    batcher = AdmissionBatcher(MemoryAdmissionCheck(control, MemoryDecisionStore()), timeout_seconds=TIMEOUT)
    request = asked("a")
    callers = [Caller(batcher, AdmissionCall(request)) for _ in range(40)]
    outcomes = [caller.answer().admission.outcome for caller in callers]  # type: ignore[union-attr]
    batcher.close(TIMEOUT)
    assert sorted(outcomes) == ["admitted"] + ["replayed"] * 39


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.001)
