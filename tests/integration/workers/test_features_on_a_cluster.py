"""Real workers whose feature store is a Redis Cluster; queues and decisions stay on one server."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from ml.domain.transaction import Transaction
from ml.stores.features.features_redis import entity_key
from tasks.upkeep.queue_status import live_workers
from tasks.wiring.connections import Connections
from tasks.wiring.stores import feature_store
from tests.contracts.feature_store import value
from tests.integration.workers.conftest import Works, wait_until
from tests.valkey_cluster import ValkeyCluster, valkey_cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    with valkey_cluster(tmp_path_factory.mktemp("cluster"), masters=3, replicas=0) as cluster:
        yield cluster


def test_a_scoring_worker_keeps_its_histories_on_the_cluster(
    works: Works, cluster: ValkeyCluster, make_transaction: Callable[..., Transaction]
) -> None:
    settings = works.settings.model_copy(update={"feature_redis_url": cluster.url})
    on_cluster = Works(works.folder, works.env | {"FEATURE_REDIS_URL": cluster.url}, settings)
    customers = [f"{uuid4().hex}-{number}" for number in range(8)]
    with on_cluster.worker("score") as worker:
        for _ in range(3):
            results = on_cluster.score(*[make_transaction(customer_id=customer) for customer in customers])
            assert all(result["decision"]["decision"] in {"approve", "review", "decline"} for result in results)
        assert worker.metric('redis_ops_total{operation="pipeline"}') >= 3

    keys = [entity_key("customer", customer) for customer in customers]
    assert [cluster.owner(key).call("EXISTS", key) for key in keys] == [1] * len(customers)
    assert works.client.exists(*keys) == 0
    after = feature_store(Connections(settings)).observe(
        [make_transaction(customer_id=customer) for customer in customers]
    )
    assert [value(after, "customer_history", row) for row in range(len(customers))] == [3] * len(customers)


def test_a_frozen_master_costs_its_own_customers_only_and_no_worker_its_life(
    works: Works, cluster: ValkeyCluster, make_transaction: Callable[..., Transaction]
) -> None:
    # Requests have so much time that a busy machine decides nothing; a worker is given less.
    env = {"FEATURE_REDIS_URL": cluster.url, "SCORE_TIMEOUT_MS": "20000", "WATCHDOG_PATIENCE_SECONDS": "8"}
    settings = works.settings.model_copy(update={"feature_redis_url": cluster.url})
    on_cluster = Works(works.folder, works.env | env, settings)
    frozen = cluster.nodes[0]
    customers = {"here": [], "there": []}
    terminal = next(name for name in names() if cluster.owner(entity_key("terminal", name)) is not frozen)
    while min(map(len, customers.values())) < 4:
        name = next(names())
        customers["here" if cluster.owner(entity_key("customer", name)) is frozen else "there"].append(name)

    def statuses(*names: str) -> list[str]:
        payments = [make_transaction(customer_id=name, terminal_id=terminal) for name in names]
        return [result["status"] for result in on_cluster.score(*payments, seconds=20)]

    with on_cluster.worker("score") as worker:
        pairs = list(zip(customers["here"], customers["there"], strict=False))
        assert statuses(*pairs[0]) == ["scored", "scored"]
        with frozen.frozen():
            for pair in pairs[:3]:  # the first one waits for ten seconds, which is more than the watchdog's patience
                assert statuses(*pair) == ["unavailable", "scored"]
            wait_until(lambda: any(told(on_cluster)), what="the sign of life to tell")
        wait_until(lambda: statuses(*pairs[3]) == ["scored", "scored"], what="the master's answer")
        assert worker.metric('workers_replaced{queue="score"}') == 0
        assert worker.get("/health/live")[0] == 200


def told(works: Works) -> list[str]:
    """Returns what the workers say of histories that they do not reach, those that reach a part."""
    return [
        each.histories for each in live_workers(works.client, works.sign_seal) if each.histories and not each.is_blind
    ]


def names() -> Iterator[str]:
    """Yields new names."""
    while True:
        yield uuid4().hex
