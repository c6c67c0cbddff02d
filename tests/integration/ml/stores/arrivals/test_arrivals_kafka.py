import secrets
import time
from base64 import b85encode
from uuid import uuid4

import orjson
import pytest
from confluent_kafka import KafkaError

from ml.domain.errors import StoreUnavailableError
from ml.stores.arrivals.arrivals import Found
from ml.stores.arrivals.arrivals_kafka import KafkaArrivals
from ml.stores.publications.publications import Publication
from ml.stores.publications.publications_kafka import KafkaPublicationLog
from tests.contracts.arrivals import SINCE_MS, ArrivalsContract
from tests.kafka_faults import mock_cluster


def publish(bootstrap: str, topic: str, *names: str, key: str | None = None, size: int = 10) -> None:
    log = KafkaPublicationLog(bootstrap, client_id="test", linger_ms=5, timeout_seconds=10)
    value = orjson.dumps({"filler": b85encode(secrets.token_bytes(size)).decode()})  # nothing to compress
    log.publish([Publication(topic, key or name, value, f"{name}:scored", "corr") for name in names])


def arrivals(bootstrap: str, topic: str, *, timeout_seconds: float = 5) -> KafkaArrivals:
    return KafkaArrivals(bootstrap, topic=topic, timeout_seconds=timeout_seconds)


class TestKafkaArrivals(ArrivalsContract):
    """The deliveries of each test spread over all partitions of a topic of its own."""

    @pytest.fixture(autouse=True)
    def _arrivals(self, kafka_bootstrap: str) -> None:
        self.bootstrap, self.topic = kafka_bootstrap, f"scored-{uuid4().hex[:8]}"
        self.arrivals = arrivals(kafka_bootstrap, self.topic)

    def deliver(self, *transaction_ids: str) -> None:
        publish(self.bootstrap, self.topic, *transaction_ids)


def test_a_topic_that_does_not_exist_holds_nothing(kafka_bootstrap: str) -> None:
    assert arrivals(kafka_bootstrap, f"none-{uuid4().hex}").look(["a"], since_ms=SINCE_MS) == Found(set())


def test_says_since_when_a_topic_that_drops_old_messages_is_complete(kafka_bootstrap: str) -> None:
    topic = f"scored-{uuid4().hex[:8]}"
    publish(kafka_bootstrap, topic, "first", key="one partition")
    for number in range(6):  # the embedded broker keeps some megabytes of a partition, and drops the oldest
        names = (f"filler-{number}-{place}" for place in range(40))
        publish(kafka_bootstrap, topic, *names, key="one partition", size=50_000)
    publish(kafka_bootstrap, topic, "last", key="one partition")
    found = arrivals(kafka_bootstrap, topic).look(["first", "last"], since_ms=SINCE_MS)
    assert found.present == {"last"}
    assert SINCE_MS < found.complete_since_ms <= time.time() * 1000


def test_an_unreachable_kafka_is_unavailable() -> None:
    with pytest.raises(StoreUnavailableError, match="Kafka"):
        arrivals("127.0.0.1:1", "scored", timeout_seconds=0.5).look(["a"], since_ms=SINCE_MS)


@pytest.mark.parametrize("error", [KafkaError.LEADER_NOT_AVAILABLE, KafkaError.TOPIC_AUTHORIZATION_FAILED])
def test_a_topic_that_is_not_shown_is_unavailable_and_not_empty(error: int) -> None:
    with mock_cluster() as cluster:
        cluster.create("scored")
        publish(cluster.bootstrap, "scored", "a")
        reader = arrivals(cluster.bootstrap, "scored")
        assert reader.look(["a"], since_ms=SINCE_MS).present == {"a"}
        cluster.break_topic("scored", error)
        with pytest.raises(StoreUnavailableError, match="scored"):
            reader.look(["a"], since_ms=SINCE_MS)
