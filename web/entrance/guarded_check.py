"""The admission check behind a circuit breaker: a Redis that failed is not asked again until a probe succeeds."""

from collections.abc import Sequence

from security.errors import AdmissionUnavailableError
from web.entrance.batcher import AdmissionCall, AdmissionCheck, AdmissionResult
from web.http.errors import BreakerOpenError
from web.protection.circuit_breaker import CircuitBreaker


class GuardedAdmissionCheck:
    """Decides admission calls unless Redis failed too often lately: then they are refused without a wait."""

    def __init__(self, check: AdmissionCheck, breaker: CircuitBreaker) -> None:
        self._check = check
        self._guard = breaker.guarding(AdmissionUnavailableError)

    def decide(self, calls: Sequence[AdmissionCall]) -> list[AdmissionResult]:
        """See `AdmissionCheck.decide`."""
        try:
            with self._guard:
                return self._check.decide(calls)
        except BreakerOpenError as error:
            raise AdmissionUnavailableError("Redis did not answer lately and is not asked yet") from error
