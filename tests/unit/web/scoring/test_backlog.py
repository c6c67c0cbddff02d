import pytest

from ml.domain.scoring_batch import ScoringRequest
from ml.domain.transaction import Transaction
from web.http.errors import BreakerOpenError, ShuttingDownError
from web.protection.circuit_breaker import BreakerState, CircuitBreaker
from web.scoring.backlog import Backlog

OPEN = 15.0
PAID = Transaction(
    transaction_id="a",
    timestamp=1_700_000_000,
    customer_id="c",
    terminal_id="t",
    amount="1.00",
    currency="EUR",
    channel="pos",
)
REQUEST = ScoringRequest(PAID, PAID.fingerprint(), "correlation-1")


class HalfOpen:
    """A backlog whose breaker lets the next submission through as its probe."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.breaker = CircuitBreaker(max_failures=1, window_seconds=30, open_seconds=OPEN, clock=lambda: self.now)
        self.breaker.record_failure()
        self.now += OPEN
        self.backlog = Backlog(self.breaker, batch_rows=32, seal=None)

    def submit(self, timeout_seconds: float) -> None:
        self.backlog.submit([REQUEST], timeout_seconds)


@pytest.fixture
def half_open() -> HalfOpen:
    return HalfOpen()


def test_a_probe_whose_deadline_passes_before_it_is_sent_is_given_back(half_open: HalfOpen) -> None:
    half_open.submit(0.0)
    with pytest.raises(BreakerOpenError):
        half_open.submit(1.0)
    assert half_open.backlog.take_batch() is None
    half_open.submit(1.0)
    assert half_open.breaker.state is BreakerState.HALF_OPEN


def test_a_probe_that_a_closing_process_refuses_is_given_back(half_open: HalfOpen) -> None:
    half_open.backlog.close()
    for _ in range(2):
        with pytest.raises(ShuttingDownError):
            half_open.submit(1.0)
