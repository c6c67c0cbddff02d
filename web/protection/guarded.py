"""Dependencies behind circuit breakers of their own: one that failed is not waited for until a probe succeeds.

Scoring has its breaker in the dispatcher. These are the other two places where a request waits: Redis for admissions,
and MongoDB behind `/explanations`.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ml.domain.errors import RetryableError
from ml.stores.explanations.explanations import ExplanationPage, ExplanationQuery, ExplanationReader
from security.errors import AdmissionUnavailableError
from web.entrance.batcher import AdmissionCall, AdmissionCheck, AdmissionResult
from web.http.errors import BreakerOpenError, DependencySuspendedError
from web.protection.circuit_breaker import CircuitBreaker

_Answer = TypeVar("_Answer")


class GuardedExplanations:
    """Reads explanations unless their store failed too often lately."""

    def __init__(self, store: ExplanationReader, breaker: CircuitBreaker) -> None:
        self._store = store
        self._breaker = breaker

    def find(self, transaction_id: str) -> dict[str, Any] | None:
        """See `ExplanationReader.find`.

        Raises:
            DependencySuspendedError: the breaker refuses.
        """
        return self._ask(lambda: self._store.find(transaction_id))

    def search(self, query: ExplanationQuery, *, cursor: str | None = None, limit: int = 50) -> ExplanationPage:
        """See `ExplanationReader.search`; raises like `find`."""
        return self._ask(lambda: self._store.search(query, cursor=cursor, limit=limit))

    def _ask(self, call: Callable[[], _Answer]) -> _Answer:
        try:
            self._breaker.admit()
        except BreakerOpenError as error:
            raise DependencySuspendedError("MongoDB", error.retry_after_seconds) from error
        try:
            answer = call()
        except RetryableError:
            self._breaker.record_failure()
            raise
        self._breaker.record_success()
        return answer


class GuardedAdmissionCheck:
    """Decides admission calls unless Redis failed too often lately: then they are refused without a wait."""

    def __init__(self, check: AdmissionCheck, breaker: CircuitBreaker) -> None:
        self._check = check
        self._breaker = breaker

    def decide(self, calls: Sequence[AdmissionCall]) -> list[AdmissionResult]:
        """See `AdmissionCheck.decide`."""
        try:
            self._breaker.admit()
        except BreakerOpenError as error:
            raise AdmissionUnavailableError("Redis did not answer lately and is not asked yet") from error
        try:
            results = self._check.decide(calls)
        except AdmissionUnavailableError:
            self._breaker.record_failure()
            raise
        self._breaker.record_success()
        return results
