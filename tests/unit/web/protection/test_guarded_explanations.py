from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from ml.domain.errors import StoreUnavailableError
from ml.stores.explanations.explanations import ExplanationPage, ExplanationQuery, InvalidCursorError
from web.http.errors import DependencySuspendedError, problem_of
from web.protection.circuit_breaker import BreakerState, CircuitBreaker
from web.protection.guarded_explanations import GuardedExplanations

OPEN = 15.0
MAX_FAILURES = 3


class Server:
    """Explanations of a server that may be down."""

    def __init__(self) -> None:
        self.is_down = False
        self.asked = 0

    def find(self, transaction_id: str) -> dict[str, Any] | None:
        self.asked += 1
        if self.is_down:
            raise StoreUnavailableError("down")
        return {"transaction_id": transaction_id}

    def search(self, _query: ExplanationQuery, *, cursor: str | None = None, limit: int = 50) -> ExplanationPage:  # noqa: ARG002
        self.find("x")
        if cursor is not None:
            raise InvalidCursorError("bad")
        return ExplanationPage((), None)


class World:
    def __init__(self) -> None:
        self.now = 1000.0
        self.server = Server()
        self.breaker = CircuitBreaker(
            max_failures=MAX_FAILURES, window_seconds=30, open_seconds=OPEN, clock=lambda: self.now
        )
        self.explanations = GuardedExplanations(self.server, self.breaker)


@pytest.fixture
def world() -> World:
    return World()


def test_a_store_that_failed_is_left_alone_and_the_client_gets_a_retry_after(world: World) -> None:
    world.server.is_down = True
    for _ in range(MAX_FAILURES):
        with pytest.raises(StoreUnavailableError):
            world.explanations.find("a")
    world.now += 5
    with pytest.raises(DependencySuspendedError, match="MongoDB") as refused:
        world.explanations.find("a")
    assert world.server.asked == MAX_FAILURES
    problem = problem_of(refused.value)
    assert (problem.kind.status, dict(problem.headers)) == (503, {"Retry-After": "10"})


def test_one_probe_decides_whether_everybody_may_ask_again(world: World) -> None:
    world.server.is_down = True
    for _ in range(MAX_FAILURES):
        with pytest.raises(StoreUnavailableError):
            world.explanations.search(ExplanationQuery())
    world.now += OPEN
    with pytest.raises(StoreUnavailableError):
        world.explanations.find("a")
    with pytest.raises(DependencySuspendedError):
        world.explanations.find("a")
    world.server.is_down = False
    world.now += OPEN
    assert world.explanations.find("a") == {"transaction_id": "a"}
    assert world.breaker.state is BreakerState.CLOSED


def test_a_clients_own_mistake_is_no_failure_of_the_store(world: World) -> None:
    for _ in range(2 * MAX_FAILURES):
        with pytest.raises(InvalidCursorError):
            world.explanations.search(ExplanationQuery(), cursor="bad")
    assert world.breaker.state is BreakerState.CLOSED


def test_a_bad_cursor_costs_a_healthy_store_nobody_else_anything(world: World) -> None:
    world.server.is_down = True
    for _ in range(MAX_FAILURES):
        with pytest.raises(StoreUnavailableError):
            world.explanations.find("a")
    world.server.is_down = False
    world.now += OPEN
    for _ in range(3):
        with pytest.raises(InvalidCursorError):
            world.explanations.search(ExplanationQuery(), cursor="bad")
    assert world.explanations.find("a") == {"transaction_id": "a"}
    assert world.breaker.state is BreakerState.CLOSED


class GuardMachine(RuleBasedStateMachine):
    """Whatever comes and goes, a dead server is hardly asked, and a live one is asked again within the open time."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.up_since: float | None = self.world.now

    @rule(seconds=st.integers(1, 40))
    def time_passes(self, seconds: int) -> None:
        self.world.now += seconds

    @rule(is_down=st.booleans())
    def the_server_changes(self, is_down: bool) -> None:  # noqa: FBT001 - hypothesis passes it by name
        if is_down != self.world.server.is_down:
            self.up_since = None if is_down else self.world.now
        self.world.server.is_down = is_down

    @rule()
    def somebody_reads(self) -> None:
        try:
            self.world.explanations.find("a")
        except StoreUnavailableError:
            assert self.world.server.is_down
        except DependencySuspendedError as error:
            self.check_refusal(error)

    def check_refusal(self, error: DependencySuspendedError) -> None:
        assert 0 < error.retry_after_seconds <= OPEN
        assert self.up_since is None or self.world.now - self.up_since < OPEN

    @rule()
    def many_read_at_once(self) -> None:
        before = self.world.server.asked
        for _ in range(20):
            self.somebody_reads()
        if self.world.server.is_down:
            assert self.world.server.asked - before <= MAX_FAILURES


TestGuardMachine = GuardMachine.TestCase
TestGuardMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
