"""Scoring on shards: a dispatcher, a transport and a circuit breaker for each, so that a dead one stops no other.

A request goes to the shard that its transaction was placed on; without a placement, as in
PERF_MODE, to its customer's. Source: ops/adr/0009.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml.domain.scoring_batch import ScoringRequest
from ml.stores.placements.rendezvous import choose
from web.dispatch.dispatcher import Dispatcher
from web.http.errors import (
    BreakerOpenError,
    DeadlineError,
    OverloadedError,
    QueueUnavailableError,
    ShuttingDownError,
    WebError,
)
from web.protection.circuit_breaker import CircuitBreaker
from web.scoring.results import ScoringResult
from web.scoring.scoring_call import ScoringCall


@dataclass(frozen=True, slots=True)
class _Part:
    """One shard's share of a submission: which requests, and their call or refusal."""

    shard: str
    positions: tuple[int, ...]
    call: ScoringCall | WebError


@dataclass(frozen=True, slots=True)
class ShardedScoringCall:
    """One call of `submit`: its parts, and how many requests they hold together."""

    parts: tuple[_Part, ...]
    requests: int


class AllBreakers:
    """The breakers of all shards as one: it refuses when every one of them does."""

    def __init__(self, breakers: Sequence[CircuitBreaker]) -> None:
        self._breakers = tuple(breakers)

    def check(self) -> None:
        """See `Breaker.check`; the shard that answers again first says when to try again."""
        refusals = []
        for breaker in self._breakers:
            try:
                breaker.check()
            except BreakerOpenError as refusal:
                refusals.append(refusal)
            else:
                return
        raise min(refusals, key=lambda refusal: refusal.retry_after_seconds)


class ShardedDispatcher:
    """Splits requests by shard and puts the results back in order.

    A shard that cannot be reached or does not answer fails its own requests and no others: its dispatcher's refusal is
    the result of each of them.

    Args:
        dispatchers: of every shard, by name.
        open_shards: those that take new transactions.
    """

    def __init__(self, dispatchers: Mapping[str, Dispatcher], *, open_shards: Sequence[str]) -> None:
        self._dispatchers = dict(dispatchers)
        self._open_shards = tuple(open_shards)
        self.breaker = AllBreakers([dispatcher.breaker for dispatcher in self._dispatchers.values()])

    def submit(self, requests: Sequence[ScoringRequest], timeout_seconds: float) -> ShardedScoringCall:
        """See `ScoringQueue.submit`; raises nothing: a shard's refusal is the result of its requests."""
        positions: defaultdict[str, list[int]] = defaultdict(list)
        for position, request in enumerate(requests):
            positions[self._shard_of(request)].append(position)
        parts = [
            _Part(shard, tuple(places), self._submit(shard, [requests[place] for place in places], timeout_seconds))
            for shard, places in positions.items()
        ]
        return ShardedScoringCall(tuple(parts), len(requests))

    def collect(self, call: ShardedScoringCall) -> list[ScoringResult]:
        """See `ScoringQueue.collect`; the parts share one deadline, so that waiting for each in turn ends with it."""
        results: list[ScoringResult] = [DeadlineError()] * call.requests
        for part in call.parts:
            if isinstance(part.call, WebError):
                found: Sequence[ScoringResult] = [part.call] * len(part.positions)
            else:
                found = self._dispatchers[part.shard].collect(part.call)
            for position, result in zip(part.positions, found, strict=True):
                results[position] = result
        return results

    def warm_up(self) -> None:
        """See `ScoringQueue.warm_up`."""
        for dispatcher in self._dispatchers.values():
            dispatcher.warm_up()

    def close(self, timeout_seconds: float) -> None:
        """See `ScoringQueue.close`."""
        until = time.monotonic() + timeout_seconds
        for dispatcher in self._dispatchers.values():
            dispatcher.close(max(0.0, until - time.monotonic()))

    def _shard_of(self, request: ScoringRequest) -> str:
        return request.shard or choose(self._open_shards, request.transaction.customer_id)

    def _submit(self, shard: str, requests: Sequence[ScoringRequest], timeout_seconds: float) -> ScoringCall | WebError:
        dispatcher = self._dispatchers.get(shard)
        if dispatcher is None:  # placed by a process that knows more shards than this one
            return QueueUnavailableError()
        try:
            return dispatcher.submit(requests, timeout_seconds)
        except (BreakerOpenError, OverloadedError, ShuttingDownError) as refusal:
            return refusal
