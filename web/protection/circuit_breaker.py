"""The circuit breaker: after repeated failures of a service, its callers are refused at once. One per dependency."""

import threading
import time
from collections import deque
from collections.abc import Callable
from enum import IntEnum

from web.http.errors import BreakerOpenError


class BreakerState(IntEnum):
    """The breaker's state; the gauge shows its number."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class CircuitBreaker:
    """Opens after `max_failures` failures within `window_seconds` and refuses for `open_seconds`.

    Then it is half open: one probe may pass, and its success closes the breaker, its failure opens it again. A probe
    that ends in another way is given back, and the next caller is the probe. One that never reports back is given up
    after `open_seconds`, so that the breaker cannot stay half open for ever.
    Failures are those of the service as a whole: for scoring, a lost message or an unreachable broker. One lost message
    counts once, however many requests waited for it. Safe to use from many threads.
    """

    def __init__(
        self,
        *,
        max_failures: int,
        window_seconds: float,
        open_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[BreakerState], None] = lambda _state: None,
    ) -> None:
        self._max_failures = max_failures
        self._window_seconds = window_seconds
        self._open_seconds = open_seconds
        self._clock = clock
        self._on_change = on_change
        self._lock = threading.Lock()
        self._failures: deque[float] = deque()
        self._state = BreakerState.CLOSED
        self._refuse_until = 0.0
        on_change(self._state)

    @property
    def state(self) -> BreakerState:
        """The state as of the last call; an open breaker becomes half open when the next caller asks."""
        return self._state

    def is_closed(self) -> bool:
        """Whether `admit` lets every caller pass."""
        return self._state is BreakerState.CLOSED

    def admit(self) -> None:
        """Lets the caller pass, as the probe if the breaker's time is over.

        Raises:
            BreakerOpenError: the breaker refuses; the error says when to try again.
        """
        if self.is_closed():  # nearly always, and then without the lock
            return
        with self._lock:
            if self.is_closed():
                return
            now = self._clock()
            if now < self._refuse_until:
                raise BreakerOpenError(self._refuse_until - now)
            self._refuse_until = now + self._open_seconds  # while the probe is out, others are refused
            self._change(BreakerState.HALF_OPEN)

    def check(self) -> None:
        """Does nothing unless `admit` would refuse; takes no probe.

        Raises:
            BreakerOpenError: the breaker refuses.
        """
        if self.is_closed():
            return
        with self._lock:
            if self._state is not BreakerState.CLOSED and (wait := self._refuse_until - self._clock()) > 0:
                raise BreakerOpenError(wait)

    def guarding(self, *failures: type[Exception]) -> "Guard":
        """Returns the context of a call to the service: admitted first, its end recorded. May be kept and shared.

        Args:
            failures: exceptions that count as failures of the service; any other says nothing about it.
        """
        return Guard(self, failures)

    def record_success(self) -> None:
        """Notes an answer; a half-open breaker closes."""
        if self.is_closed():
            return
        with self._lock:
            # An answer that comes while the breaker is open belongs to a message sent before, and proves nothing.
            if self._state is BreakerState.HALF_OPEN:
                self._failures.clear()
                self._change(BreakerState.CLOSED)

    def record_neither(self) -> None:
        """Notes an end that says nothing about the service; if it was the probe's, the next caller is the probe."""
        if self.is_closed():
            return
        with self._lock:
            if self._state is BreakerState.HALF_OPEN:
                self._refuse_until = self._clock()
                self._change(BreakerState.OPEN)

    def record_failure(self) -> None:
        """Notes a failure; the breaker opens at the limit, or if the probe failed."""
        with self._lock:
            now = self._clock()
            if self._state is BreakerState.OPEN:
                return
            self._failures.append(now)
            while self._failures[0] <= now - self._window_seconds:
                self._failures.popleft()
            if self._state is BreakerState.HALF_OPEN or len(self._failures) >= self._max_failures:
                self._failures.clear()
                self._refuse_until = now + self._open_seconds
                self._change(BreakerState.OPEN)

    def _change(self, state: BreakerState) -> None:
        self._state = state
        self._on_change(state)


class Guard:
    """A call to a service between `CircuitBreaker.admit` and the record of its end; holds no state of its own."""

    __slots__ = ("_breaker", "_failures")

    def __init__(self, breaker: CircuitBreaker, failures: tuple[type[Exception], ...]) -> None:
        self._breaker = breaker
        self._failures = failures

    def __enter__(self) -> None:
        self._breaker.admit()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if kind is None:
            self._breaker.record_success()
        elif issubclass(kind, self._failures):
            self._breaker.record_failure()
        else:
            self._breaker.record_neither()
