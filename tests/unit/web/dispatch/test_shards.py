import threading
from collections.abc import Callable, Iterator

import orjson
import pytest

from ml.domain.errors import StoreUnavailableError
from ml.domain.scoring_batch import ScoringRequest
from ml.domain.transaction import Transaction
from ml.stores.placements.rendezvous import choose
from tests.unit.web.dispatch.dispatching import dispatch
from web.dispatch.dispatcher import Dispatcher
from web.dispatch.shards import ShardedDispatcher
from web.dispatch.transport import Transport
from web.dispatch.transport_memory import MemoryTransport
from web.http.errors import BreakerOpenError, QueueUnavailableError, ShuttingDownError
from web.protection.circuit_breaker import CircuitBreaker
from web.scoring.batch import Batch
from web.scoring.results import Scored, ScoringResult

SHARDS = ("s1", "s2", "s3")
TIMEOUT = 5.0


def request_of(number: int, *, customer: str | None = None, shard: str | None = None) -> ScoringRequest:
    transaction = Transaction(
        transaction_id=f"t-{number}",
        timestamp=1_700_000_000,
        customer_id=customer or f"c-{number}",
        terminal_id="t",
        amount="1.00",
        currency="EUR",
        channel="pos",
    )
    return ScoringRequest(transaction, transaction.fingerprint(), "correlation", shard)


class DeadTransport:
    """A shard that cannot be reached."""

    def connect(self) -> None:
        raise StoreUnavailableError("dead")

    def publish(self, _batch: Batch) -> None:
        raise StoreUnavailableError("dead")

    def wait(self, _timeout_seconds: float) -> bytes | None:
        raise StoreUnavailableError("dead")


class World:
    """A dispatcher per shard; each answers with its own name as the reason of the decision."""

    def __init__(self, *, dead: str | None = None, open_shards: tuple[str, ...] = SHARDS) -> None:
        self.seen: dict[str, list[str]] = {name: [] for name in SHARDS}
        self.dispatchers = {
            name: Dispatcher(
                self._opener(DeadTransport() if name == dead else MemoryTransport(self._scorer(name))),
                breaker=CircuitBreaker(max_failures=2, window_seconds=30, open_seconds=15),
                batch_rows=4,
                patience_seconds=1,
            )
            for name in SHARDS
        }
        self.sharded = ShardedDispatcher(self.dispatchers, open_shards=open_shards)

    def _opener(self, transport: Transport) -> Callable[[], Transport]:
        return lambda: transport

    def _scorer(self, name: str) -> Callable[[Batch], bytes]:
        def score(batch: Batch) -> bytes:
            ids = [request.transaction.transaction_id for request in batch.requests]
            self.seen[name] += ids
            results = [{"status": "scored", "decision": {"transaction_id": item, "by": name}} for item in ids]
            return orjson.dumps({"batch_id": batch.batch_id, "results": results})

        return score

    def score(self, *requests: ScoringRequest) -> list[ScoringResult]:
        return dispatch(self.sharded, requests, TIMEOUT)


@pytest.fixture
def make() -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def make(**options: object) -> World:
        worlds.append(World(**options))
        return worlds[-1]

    yield make
    for world in worlds:
        world.sharded.close(5)


def by(result: ScoringResult) -> object:
    return result.decision["by"] if isinstance(result, Scored) else type(result)


def test_each_request_goes_to_the_shard_it_was_placed_on_and_results_keep_their_order(
    make: Callable[..., World],
) -> None:
    world = make()
    requests = [request_of(number, shard=SHARDS[number % 3]) for number in range(20)]
    results = world.score(*requests)
    assert [by(result) for result in results] == [request.shard for request in requests]
    ids = [result.decision["transaction_id"] for result in results if isinstance(result, Scored)]
    assert ids == [request.transaction.transaction_id for request in requests]


def test_without_a_placement_the_customer_decides(make: Callable[..., World]) -> None:
    world = make(open_shards=("s1", "s3"))
    requests = [request_of(number) for number in range(30)]
    expected = [choose(("s1", "s3"), request.transaction.customer_id) for request in requests]
    assert [by(result) for result in world.score(*requests)] == expected
    assert world.seen["s2"] == []


def test_a_dead_shard_fails_its_own_requests_alone_and_its_own_breaker_opens(make: Callable[..., World]) -> None:
    world = make(dead="s2")
    requests = [request_of(number, shard=SHARDS[number % 3]) for number in range(9)]
    expected = ["s1", QueueUnavailableError, "s3"] * 3
    assert [by(result) for result in world.score(*requests)] == expected
    world.score(request_of(20, shard="s2"))
    refused, answered = world.score(request_of(21, shard="s2"), request_of(22, shard="s1"))
    assert isinstance(refused, BreakerOpenError)
    assert by(answered) == "s1"
    world.sharded.breaker.check()


def test_all_breakers_open_is_one_open_breaker(make: Callable[..., World]) -> None:
    world = make()
    for dispatcher in world.dispatchers.values():
        dispatcher.breaker.record_failure()
        dispatcher.breaker.record_failure()
    with pytest.raises(BreakerOpenError):
        world.sharded.breaker.check()


def test_a_shard_that_this_process_does_not_know_is_unavailable(make: Callable[..., World]) -> None:
    unknown, known = make().score(request_of(1, shard="s9"), request_of(2, shard="s1"))
    assert isinstance(unknown, QueueUnavailableError)
    assert by(known) == "s1"


def test_the_shards_score_at_the_same_time(make: Callable[..., World]) -> None:
    world, together = make(), threading.Barrier(3, timeout=TIMEOUT)
    for name in SHARDS:
        scorer = world._scorer(name)

        def score(batch: Batch, scorer: Callable[[Batch], bytes] = scorer) -> bytes:
            together.wait()
            return scorer(batch)

        world.dispatchers[name]._open_transport = world._opener(MemoryTransport(score))
    results = world.score(*(request_of(number, shard=name) for number, name in enumerate(SHARDS)))
    assert [by(result) for result in results] == list(SHARDS)


def test_after_closing_every_request_is_refused(make: Callable[..., World]) -> None:
    world = make()
    world.sharded.warm_up()
    world.sharded.close(TIMEOUT)
    assert [type(result) for result in world.score(request_of(1), request_of(2))] == [ShuttingDownError] * 2
