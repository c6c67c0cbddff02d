"""Explanations behind a circuit breaker: a MongoDB that failed is not asked again until a probe succeeds."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ml.domain.errors import RetryableError
from ml.stores.explanations.explanations import ExplanationPage, ExplanationQuery, ExplanationReader
from web.http.errors import BreakerOpenError, DependencySuspendedError
from web.protection.circuit_breaker import CircuitBreaker


class GuardedExplanations:
    """Reads explanations unless their store failed too often lately."""

    def __init__(self, store: ExplanationReader, breaker: CircuitBreaker) -> None:
        self._store = store
        self._guard = breaker.guarding(RetryableError)

    def find(self, transaction_id: str) -> dict[str, Any] | None:
        """See `ExplanationReader.find`.

        Raises:
            DependencySuspendedError: the breaker refuses.
        """
        with self._guarding():
            return self._store.find(transaction_id)

    def search(self, query: ExplanationQuery, *, cursor: str | None = None, limit: int = 50) -> ExplanationPage:
        """See `ExplanationReader.search`; raises like `find`."""
        with self._guarding():
            return self._store.search(query, cursor=cursor, limit=limit)

    @contextmanager
    def _guarding(self) -> Iterator[None]:
        try:
            with self._guard:
                yield
        except BreakerOpenError as error:
            raise DependencySuspendedError("MongoDB", error.retry_after_seconds) from error
