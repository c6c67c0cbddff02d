"""Real workers whose feature store is a Redis Cluster; queues and decisions stay on one server."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from ml.domain.transaction import Transaction
from ml.stores.features.features_redis import entity_key
from tasks.wiring.connections import Connections
from tasks.wiring.stores import feature_store
from tests.contracts.feature_store import value
from tests.integration.workers.conftest import Works
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
