from collections.abc import Sequence

import pytest

from security.errors import AdmissionUnavailableError
from web.entrance.batcher import AdmissionCall, AdmissionResult
from web.entrance.guarded_check import GuardedAdmissionCheck
from web.protection.circuit_breaker import BreakerState, CircuitBreaker

OPEN = 15.0
MAX_FAILURES = 3


class Server:
    """The admission check of a server that may be down."""

    def __init__(self) -> None:
        self.is_down = False
        self.asked = 0

    def decide(self, _calls: Sequence[AdmissionCall]) -> list[AdmissionResult]:
        self.asked += 1
        if self.is_down:
            raise AdmissionUnavailableError("down")
        return []


def test_admission_is_refused_without_a_wait_while_redis_is_not_asked() -> None:
    now, server = [1000.0], Server()
    breaker = CircuitBreaker(max_failures=MAX_FAILURES, window_seconds=30, open_seconds=OPEN, clock=lambda: now[0])
    check = GuardedAdmissionCheck(server, breaker)
    server.is_down = True
    for _ in range(MAX_FAILURES + 4):
        with pytest.raises(AdmissionUnavailableError):
            check.decide([])
    assert server.asked == MAX_FAILURES
    server.is_down = False
    now[0] += OPEN
    assert check.decide([]) == []
    assert breaker.state is BreakerState.CLOSED
