import pytest
from confluent_kafka.admin import TopicMetadata

from ml.domain.errors import StoreUnavailableError
from ml.stores.arrivals.arrivals_kafka import KafkaArrivals


def test_a_topic_that_is_listed_without_partitions_is_unavailable_and_not_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A broker that has just started lists topics before it knows their partitions; the mock cluster cannot."""

    class Listing:
        def list_topics(self, topic: str, *, timeout: float) -> "Listing":  # noqa: ARG002 - the client's signature
            self.topics = {topic: TopicMetadata()}
            return self

        def close(self) -> None:
            pass

    monkeypatch.setattr("ml.stores.arrivals.arrivals_kafka.Consumer", lambda _options: Listing())
    with pytest.raises(StoreUnavailableError, match="without partitions"):
        KafkaArrivals("127.0.0.1:1", topic="scored", timeout_seconds=1).look(["a"], since_ms=0)
