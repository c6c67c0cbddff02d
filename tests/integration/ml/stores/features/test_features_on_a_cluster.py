"""The feature store on a Redis Cluster of three masters and three replicas, one of which dies."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TypeVar

import numpy as np
import pytest

from ml.data.simulator import simulate
from ml.domain.errors import StoreUnavailableError
from ml.stores.features.features import AppliedLabel
from ml.stores.features.features_memory import MemoryFeatureStore
from ml.stores.features.features_redis import RedisFeatureStore, entity_key
from ml.stores.redis.cluster_redis import ClusterCommands
from settings import Settings
from tasks.wiring.clients_redis import connect_redis_cluster
from tasks.wiring.connections import Connections
from tasks.wiring.stores import feature_store
from tests.contracts.feature_store import FeatureStoreContract, label, payment
from tests.valkey_cluster import ValkeyCluster, valkey_cluster

T = TypeVar("T")
BATCH_ROWS = 32


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    with valkey_cluster(tmp_path_factory.mktemp("cluster"), node_timeout_ms=2_000) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def runner(cluster: ValkeyCluster) -> Iterator[ClusterCommands]:
    settings = Settings(_env_file=None, feature_redis_url=cluster.url)
    urls = settings.feature_cluster_urls
    with closing(ClusterCommands(lambda: connect_redis_cluster(settings, urls), patience_seconds=5)) as runner:
        yield runner


@pytest.fixture
def store(cluster: ValkeyCluster, runner: ClusterCommands) -> RedisFeatureStore:
    cluster.forget()
    return RedisFeatureStore(runner)


class TestRedisFeatureStoreOnACluster(FeatureStoreContract):
    @pytest.fixture
    def store(self, cluster: ValkeyCluster, runner: ClusterCommands) -> RedisFeatureStore:
        cluster.forget()
        return RedisFeatureStore(runner)


def test_every_wait_of_the_client_is_bounded(cluster: ValkeyCluster) -> None:
    settings = Settings(_env_file=None, feature_redis_url=cluster.url, redis_socket_timeout_seconds=3)
    client = connect_redis_cluster(settings, settings.feature_cluster_urls)
    try:
        options = client.get_connection_kwargs()
        assert (options["socket_timeout"], options["socket_connect_timeout"]) == (3, 3)
        assert options["socket_keepalive"]
    finally:
        client.disconnect_connection_pools()


def test_an_unreachable_cluster_is_reported_at_the_first_use() -> None:
    store = feature_store(
        Connections(Settings(_env_file=None, feature_redis_url="redis+cluster://127.0.0.1:1,127.0.0.1:2"))
    )
    with pytest.raises(StoreUnavailableError, match="Redis Cluster"):
        store.observe([payment(1)])


class Caller:
    """Repeats what the store could not do, as every caller of it does, and counts."""

    def __init__(self) -> None:
        self.refusals: list[int] = []

    def insist(self, call: Callable[[], T]) -> T:
        """Returns what the call returns in the end; how often it was refused is in `refusals`."""
        refused, until = 0, time.monotonic() + 40
        while True:
            try:
                result = call()
            except StoreUnavailableError:
                refused += 1
                assert time.monotonic() < until, "the replica did not take over"
                time.sleep(0.1)
            else:
                self.refusals.append(refused)
                return result


def test_scoring_through_a_masters_death_finds_the_same_features(
    cluster: ValkeyCluster, store: RedisFeatureStore
) -> None:
    table = simulate(customers=60, terminals=40, days=14, seed=11)
    transactions = list(table.to_transactions())
    labels = [
        AppliedLabel(
            transaction_id=item.transaction_id,
            customer_id=item.customer_id,
            terminal_id=item.terminal_id,
            is_fraud=bool(table.is_fraud[row]),
            known_at=int(table.label_known_at[row]),
        )
        for row, item in enumerate(transactions)
    ]
    memory, caller, applied = MemoryFeatureStore(), Caller(), 0
    batches = [transactions[first : first + BATCH_ROWS] for first in range(0, len(transactions), BATCH_ROWS)]
    deadly = len(batches) * 2 // 3
    for number, batch in enumerate(batches):
        due = int(np.searchsorted(table.label_known_at, batch[0].epoch_seconds, side="right"))
        if number == deadly:
            # Replication is asynchronous: what the master had not passed on would die with it.
            cluster.wait_for_replication()
            cluster.owner(entity_key("customer", batch[0].customer_id)).kill()
        part = labels[applied:due]
        if part:
            assert caller.insist(lambda part=part: store.apply_labels(part)) == memory.apply_labels(part)
            applied = due
        found = caller.insist(lambda batch=batch: store.observe(batch))
        expected = memory.observe(batch)
        np.testing.assert_array_equal(found.vectors, expected.vectors)
        np.testing.assert_array_equal(found.sequences, expected.sequences)

    assert applied > 300
    assert len(cluster.masters()) == 3
    # One call met the death and was repeated until the replica served; no other was refused.
    assert len([refused for refused in caller.refusals if refused]) == 1
    assert 0 < max(caller.refusals) < 200


def test_a_history_of_another_type_stops_no_batch_of_labels(cluster: ValkeyCluster, store: RedisFeatureStore) -> None:
    payments = [payment(number, customer=f"c{number}", terminal=f"t{number}") for number in range(4)]
    store.observe(payments)
    key = entity_key("customer", "c1")
    owner = cluster.owner(key)
    owner.call("DEL", key)
    owner.call("LPUSH", key, "x")
    labels = [label(item, known_at=60) for item in payments]
    assert store.apply_labels(labels) == 4  # its terminal has it
    owner.call("DEL", key)
    assert store.apply_labels(labels) == 4
