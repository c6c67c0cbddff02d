from collections.abc import Iterator

import numpy as np
import pytest
import redis
from hypothesis import HealthCheck, given, settings

from ml.data.simulator import simulate
from ml.domain.durations import DAY_SECONDS, HOUR_SECONDS
from ml.domain.errors import StoreUnavailableError
from ml.features.entries import encode
from ml.features.history import SHAPES, History
from ml.features.offline import compute_features
from ml.serving.backfill import entity_states
from ml.stores.features.features import ENTITY_TTL_SECONDS, AppliedLabel, EntityState, PartlyObservedError
from ml.stores.features.features_memory import MemoryFeatureStore
from ml.stores.features.features_redis import RedisFeatureStore, entity_key
from ml.stores.redis.server_redis import ServerCommands
from tests.contracts.feature_operations import RATIO, SMALL, Life, Operation, operations
from tests.contracts.feature_store import FeatureStoreContract, label, payment, value


@pytest.fixture
def client(valkey_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(valkey_url) as client:
        _forget(client)
        yield client
        _forget(client)


def _forget(client: "redis.Redis") -> None:
    for pattern in ("shrike:customer:*", "shrike:terminal:*"):
        for key in client.scan_iter(pattern, count=1000):
            client.delete(key)


@pytest.fixture
def store(client: "redis.Redis") -> RedisFeatureStore:
    return RedisFeatureStore(ServerCommands(client))


class TestRedisFeatureStore(FeatureStoreContract):
    @pytest.fixture
    def store(self, client: "redis.Redis") -> RedisFeatureStore:
        return RedisFeatureStore(ServerCommands(client))


def test_a_full_entity_takes_at_most_4_kb(store: RedisFeatureStore, client: "redis.Redis") -> None:
    name, hours = "x" * 64, 40 * 24
    hourly = [payment(hour, at=hour * HOUR_SECONDS, customer=name, terminal=name) for hour in range(hours)]
    newest = [payment(hours + number, at=hours * HOUR_SECONDS, customer=name, terminal=name) for number in range(100)]
    store.observe(hourly + newest)
    store.apply_labels([label(item, known_at=hour * HOUR_SECONDS + DAY_SECONDS) for hour, item in enumerate(hourly)])
    for kind in ("customer", "terminal"):
        history = History.unpack(client.get(entity_key(kind, name)))  # type: ignore[arg-type]
        numbers = (history.hours, history.days, history.label_hours, history.label_days, history.label_keys)
        assert list(map(len, numbers)) == [28 * 13, 34 * 13, 28 * 10, 34 * 10, 16 * 4]
        assert len(history.entries) == SHAPES.of(kind).capacity * SHAPES.of(kind).entry_bytes
        assert client.memory_usage(entity_key(kind, name)) <= 4096  # type: ignore[operator]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=operations(60))
def test_redis_and_memory_hold_the_same_bytes_whatever_happens(client: "redis.Redis", history: list[Operation]) -> None:
    _forget(client)
    lives = (
        Life(RedisFeatureStore(ServerCommands(client), SMALL), SMALL),
        Life(memory := MemoryFeatureStore(SMALL), SMALL),
    )
    for operation in history:
        for life in lives:
            life.happens(operation)
        for kind, name in lives[0].entities():
            assert client.get(entity_key(kind, name)) == memory.state(kind, name)
    for (_, left), (_, right) in zip(lives[0].payments, lives[1].payments, strict=True):
        np.testing.assert_array_equal(left.vectors, right.vectors)


def test_an_idle_entity_is_forgotten(store: RedisFeatureStore, client: "redis.Redis") -> None:
    store.observe([payment(1)])
    store.apply_labels([label(payment(1), known_at=5)])
    for key in (entity_key("customer", "c1"), entity_key("terminal", "t1")):
        assert ENTITY_TTL_SECONDS - 60 <= client.ttl(key) <= ENTITY_TTL_SECONDS  # type: ignore[operator]


def test_a_script_flush_costs_nothing_and_counts_nothing_twice(store: RedisFeatureStore, client: "redis.Redis") -> None:
    store.observe([payment(1)])
    client.script_flush()
    matrix = store.observe([payment(2, at=1), payment(3, at=2)])
    assert [value(matrix, "customer_history", row) for row in range(2)] == [1, 2]
    client.script_flush()
    assert store.apply_labels([label(payment(1), known_at=5)]) == 1


def test_a_batch_is_one_round_trip(store: RedisFeatureStore, client: "redis.Redis") -> None:
    store.observe([payment(1)])
    before = client.info("stats")["total_reads_processed"]  # type: ignore[index]
    store.observe([payment(number, at=number, customer=f"c{number}") for number in range(2, 34)])
    after = client.info("stats")["total_reads_processed"]  # type: ignore[index]
    # One read for the batch, one for INFO itself; a batch larger than a socket buffer may arrive in two.
    assert after - before <= 3


def test_two_stores_share_the_state(store: RedisFeatureStore, valkey_url: str) -> None:
    store.observe([payment(1)])
    with redis.Redis.from_url(valkey_url) as second:
        matrix = RedisFeatureStore(ServerCommands(second)).observe([payment(2, at=1)])
    assert np.count_nonzero(matrix.sequences[0, :, 0]) == 2


@pytest.mark.parametrize("operation", ["observe", "apply_labels", "load"])
def test_an_unreachable_server_is_reported_as_unavailable(operation: str) -> None:
    with redis.Redis(port=1, socket_connect_timeout=0.2, retry=None) as client:
        store = RedisFeatureStore(ServerCommands(client))
        calls = {
            "observe": lambda: store.observe([payment(1)]),
            "apply_labels": lambda: store.apply_labels([label(payment(1), known_at=1)]),
            "load": lambda: store.load([EntityState("customer", "c1", b"")]),
        }
        with pytest.raises(StoreUnavailableError):
            calls[operation]()


def test_twenty_thousand_replayed_transactions_give_the_offline_numbers(
    store: RedisFeatureStore, client: "redis.Redis"
) -> None:
    table = simulate(customers=250, terminals=60, days=60, seed=5)
    table = table.select(slice(0, 20_000))
    transactions = list(table.to_transactions())
    offline = compute_features(table)
    labels = [
        AppliedLabel(
            item.transaction_id,
            item.customer_id,
            item.terminal_id,
            bool(table.is_fraud[row]),
            int(table.label_known_at[row]),
            float(offline.vectors[row, RATIO]),
        )
        for row, item in enumerate(transactions)
    ]
    applied = 0
    for first in range(0, len(transactions), 32):
        batch = transactions[first : first + 32]
        due = int(np.searchsorted(table.label_known_at, batch[-1].epoch_seconds, side="right"))
        if due > applied:
            assert store.apply_labels(labels[applied:due]) <= due - applied
            applied = due
        online = store.observe(batch)
        rows = slice(first, first + len(batch))
        np.testing.assert_array_equal(online.vectors, offline.vectors[rows])
        np.testing.assert_array_equal(online.sequences, offline.sequences[rows])
    assert applied > 10_000

    # What was lived through is, byte for byte, what a backfill would have loaded.
    moment = int(table.epoch_seconds[-1]) + 1
    store.apply_labels([label for label in labels[applied:] if label.known_at <= moment])
    for state in entity_states(table, moment):
        assert client.get(entity_key(state.kind, state.entity_id)) == state.history


def test_a_history_of_the_first_layout_keeps_its_payments_when_it_is_touched(
    store: RedisFeatureStore, client: "redis.Redis"
) -> None:
    payments = [payment(number, at=number) for number in range(30)]
    rings = {
        entity_key("customer", "c1"): b"".join(encode(item)[0] for item in payments),
        entity_key("terminal", "t1"): b"".join(encode(item)[1] for item in payments),
    }
    client.mset(rings)
    matrix = store.observe([payment(99, at=60)])
    assert (value(matrix, "customer_history"), value(matrix, "terminal_count_1d")) == (30, 30)
    assert store.apply_labels([label(payments[3], known_at=61)]) == 1
    memory = MemoryFeatureStore()
    for item in payments:
        memory.observe([item])
    np.testing.assert_array_equal(matrix.vectors, memory.observe([payment(99, at=60)]).vectors)
    memory.apply_labels([label(payments[3], known_at=61)])
    assert client.get(entity_key("terminal", "t1")) == memory.state("terminal", "t1")


def test_a_history_that_a_later_version_wrote_is_left_as_it_is_and_refuses_its_own_customer_only(
    store: RedisFeatureStore, client: "redis.Redis"
) -> None:
    later = b"F3" + bytes(100)
    client.set(entity_key("customer", "c1"), later)
    with pytest.raises(PartlyObservedError, match="ops backfill --replace") as caught:
        store.observe([payment(1), payment(2, customer="c2")])
    assert list(caught.value.rows) == [1]
    with pytest.raises(StoreUnavailableError, match="another version"):
        store.observe([payment(3)])
    store.apply_labels([label(payment(1), known_at=5)])
    assert client.get(entity_key("customer", "c1")) == later
    # The way out that the message names.
    store.load([EntityState("customer", "c1", b"")])
    assert store.observe([payment(4)]).vectors.shape[0] == 1


@pytest.mark.parametrize("kind", ["customer", "terminal"])
@pytest.mark.parametrize("garbage", [b"F2", b"F2" + bytes(6 + 33), b"F2\xff" + bytes(5), None])
def test_what_is_no_history_refuses_its_own_entity_only(
    store: RedisFeatureStore, client: "redis.Redis", kind: str, garbage: bytes | None
) -> None:
    key = entity_key(kind, "x")
    if garbage is None:
        client.lpush(key, "x")
    else:
        client.set(key, garbage)
    before = client.dump(key)
    hit = payment(1, **{kind: "x"})
    with pytest.raises(PartlyObservedError, match="ops backfill --replace") as caught:
        store.observe([hit, payment(2, customer="c2", terminal="t2")])
    assert list(caught.value.rows) == [1]
    other = payment(2, customer="c2", terminal="t2")
    assert store.apply_labels([label(hit, known_at=5), label(other, known_at=5)]) == 2
    assert client.dump(key) == before
    # The way out that the message names.
    store.load([EntityState(kind, "x", b"")])
    assert store.observe([payment(3, **{kind: "x"})]).vectors.shape[0] == 1


def test_what_is_loaded_beside_live_histories_leaves_them(store: RedisFeatureStore, client: "redis.Redis") -> None:
    store.observe([payment(1)])
    live = client.get(entity_key("customer", "c1"))
    states = [EntityState("customer", name, b"F2" + bytes(6)) for name in ("c1", "c2")]
    assert store.load(states, keep_existing=True) == 1
    assert client.get(entity_key("customer", "c1")) == live
    assert store.load(states) == 2
    assert client.get(entity_key("customer", "c1")) != live
