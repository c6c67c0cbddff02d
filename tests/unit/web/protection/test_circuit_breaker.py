import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from web.http.errors import BreakerOpenError
from web.protection.circuit_breaker import BreakerState, CircuitBreaker

MAX_FAILURES = 5
WINDOW = 30.0
OPEN = 15.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shown() -> list[BreakerState]:
    return []


@pytest.fixture
def breaker(clock: Clock, shown: list[BreakerState]) -> CircuitBreaker:
    return make_breaker(clock, shown.append)


def make_breaker(clock: Clock, on_change=lambda _state: None) -> CircuitBreaker:
    return CircuitBreaker(
        max_failures=MAX_FAILURES, window_seconds=WINDOW, open_seconds=OPEN, clock=clock, on_change=on_change
    )


def trip(breaker: CircuitBreaker) -> None:
    for _ in range(MAX_FAILURES):
        breaker.record_failure()


def test_stays_closed_one_failure_short_of_the_limit(breaker: CircuitBreaker) -> None:
    for _ in range(MAX_FAILURES - 1):
        breaker.record_failure()
    breaker.admit()
    assert breaker.state is BreakerState.CLOSED


def test_opens_at_the_limit_and_says_when_to_come_back(breaker: CircuitBreaker, clock: Clock) -> None:
    trip(breaker)
    clock.now += 5
    with pytest.raises(BreakerOpenError) as refused:
        breaker.admit()
    assert refused.value.retry_after_seconds == OPEN - 5


def test_failures_older_than_the_window_do_not_count(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(MAX_FAILURES - 1):
        breaker.record_failure()
    clock.now += WINDOW
    breaker.record_failure()
    assert breaker.state is BreakerState.CLOSED


def test_lets_exactly_one_probe_through_when_its_time_is_over(breaker: CircuitBreaker, clock: Clock) -> None:
    trip(breaker)
    clock.now += OPEN
    breaker.admit()
    assert breaker.state is BreakerState.HALF_OPEN
    with pytest.raises(BreakerOpenError):
        breaker.admit()


def test_a_guarded_call_is_the_probe_and_its_success_closes(breaker: CircuitBreaker, clock: Clock) -> None:
    trip(breaker)
    guard = breaker.guarding(OSError)
    with pytest.raises(BreakerOpenError), guard:
        pytest.fail("an open breaker let a call through")
    clock.now += OPEN
    with guard:
        assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.state is BreakerState.CLOSED


def test_a_guarded_call_counts_the_named_failures_alone(breaker: CircuitBreaker) -> None:
    guard = breaker.guarding(OSError)
    for _ in range(2 * MAX_FAILURES):
        with pytest.raises(ValueError, match="the caller's"), guard:
            raise ValueError("the caller's own mistake")
    assert breaker.state is BreakerState.CLOSED
    for _ in range(MAX_FAILURES):
        with pytest.raises(ConnectionError), guard:
            raise ConnectionError
    assert breaker.state is BreakerState.OPEN


def test_checking_takes_no_probe(breaker: CircuitBreaker, clock: Clock) -> None:
    breaker.check()
    trip(breaker)
    with pytest.raises(BreakerOpenError):
        breaker.check()
    clock.now += OPEN
    breaker.check()
    breaker.admit()


def test_closes_when_the_probe_succeeds(breaker: CircuitBreaker, clock: Clock, shown: list[BreakerState]) -> None:
    trip(breaker)
    clock.now += OPEN
    breaker.admit()
    breaker.record_success()
    breaker.admit()
    assert shown == [BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]


def test_opens_again_when_the_probe_fails(breaker: CircuitBreaker, clock: Clock) -> None:
    trip(breaker)
    clock.now += OPEN
    breaker.admit()
    breaker.record_failure()
    clock.now += OPEN - 0.001
    with pytest.raises(BreakerOpenError):
        breaker.admit()


def test_a_probe_that_never_reports_is_given_up(breaker: CircuitBreaker, clock: Clock) -> None:
    trip(breaker)
    clock.now += OPEN
    breaker.admit()
    clock.now += OPEN
    breaker.admit()


def test_a_probe_that_says_nothing_about_the_service_is_given_back(breaker: CircuitBreaker, clock: Clock) -> None:
    trip(breaker)
    clock.now += OPEN
    for _ in range(3):
        with pytest.raises(ValueError, match="the caller's"), breaker.guarding(OSError):
            raise ValueError("the caller's own mistake")
    with breaker.guarding(OSError):
        assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.state is BreakerState.CLOSED


def test_a_call_without_a_verdict_neither_opens_nor_closes(breaker: CircuitBreaker) -> None:
    breaker.record_neither()
    breaker.admit()
    trip(breaker)
    breaker.record_neither()
    with pytest.raises(BreakerOpenError) as refused:
        breaker.admit()
    assert refused.value.retry_after_seconds == OPEN


def test_a_late_success_does_not_close_an_open_breaker(breaker: CircuitBreaker) -> None:
    trip(breaker)
    breaker.record_success()
    assert breaker.state is BreakerState.OPEN


def test_old_failures_are_forgotten_once_closed_again(breaker: CircuitBreaker, clock: Clock) -> None:
    trip(breaker)
    clock.now += OPEN
    breaker.admit()
    breaker.record_success()
    breaker.record_failure()
    assert breaker.state is BreakerState.CLOSED


class BreakerMachine(RuleBasedStateMachine):
    """Holds the breaker against a model that keeps every failure's time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = make_breaker(self.clock)
        self.failures: list[float] = []
        self.refuse_until = 0.0
        self.state = BreakerState.CLOSED

    @rule(seconds=st.integers(1, 160).map(lambda quarters: quarters / 4))  # exact in binary, so sums are too
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def somebody_asks(self) -> None:
        allowed = self.state is BreakerState.CLOSED or self.clock.now >= self.refuse_until
        if allowed:
            self.breaker.admit()
        else:
            with pytest.raises(BreakerOpenError) as refused:
                self.breaker.admit()
            assert 0 < refused.value.retry_after_seconds <= OPEN
        if allowed and self.state is not BreakerState.CLOSED:
            self.state = BreakerState.HALF_OPEN
            self.refuse_until = self.clock.now + OPEN

    @rule()
    def something_fails(self) -> None:
        self.breaker.record_failure()
        if self.state is BreakerState.OPEN:
            return
        self.failures.append(self.clock.now)
        recent = [at for at in self.failures if at > self.clock.now - WINDOW]
        if self.state is BreakerState.HALF_OPEN or len(recent) >= MAX_FAILURES:
            self.state, self.failures = BreakerState.OPEN, []
            self.refuse_until = self.clock.now + OPEN

    @rule()
    def something_ends_without_a_verdict(self) -> None:
        self.breaker.record_neither()
        if self.state is BreakerState.HALF_OPEN:
            self.state, self.refuse_until = BreakerState.OPEN, self.clock.now

    @precondition(lambda self: self.state is not BreakerState.CLOSED)
    @rule()
    def something_succeeds(self) -> None:
        self.breaker.record_success()
        if self.state is BreakerState.HALF_OPEN:
            self.state, self.failures = BreakerState.CLOSED, []

    @invariant()
    def agrees_with_the_model(self) -> None:
        assert self.breaker.state is self.state


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
