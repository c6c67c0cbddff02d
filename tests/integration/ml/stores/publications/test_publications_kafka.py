import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaError, Message

from ml.domain.errors import StoreUnavailableError
from ml.stores.publications.publications import Publication
from ml.stores.publications.publications_kafka import KafkaPublicationLog, Replacement
from ml.stores.refused import Refused
from tests.contracts.publication_log import PublicationLogContract, publication
from tests.kafka_faults import Api, MockCluster, mock_cluster


def make_log(bootstrap: str, *, timeout_seconds: float = 10.0, **options: Any) -> KafkaPublicationLog:
    return KafkaPublicationLog(bootstrap, client_id="test", linger_ms=1, timeout_seconds=timeout_seconds, **options)


def consume(bootstrap: str, topic: str, count: int) -> list:
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": uuid4().hex, "auto.offset.reset": "earliest", "log_level": 2}
    )
    consumer.subscribe([topic])
    messages = []
    until = time.monotonic() + 20
    while len(messages) < count and time.monotonic() < until:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            messages.append(message)
    consumer.close()
    return messages


class TestKafkaPublicationLog(PublicationLogContract):
    @pytest.fixture(autouse=True)
    def _log(self, kafka_bootstrap: str) -> Iterator[None]:
        self.bootstrap = kafka_bootstrap
        self.log = make_log(kafka_bootstrap)
        yield
        del self.log  # a producer that outlives its broker goes on complaining

    def published(self, topic: str, count: int) -> list[Publication]:
        messages = consume(self.bootstrap, topic, count)
        return [event(message) for message in messages]

    def test_every_message_carries_the_headers(self) -> None:
        self.log.publish([publication(self.topic, number) for number in range(30)])
        messages = consume(self.bootstrap, self.topic, 30)
        headers = {key for message in messages for key, _ in message.headers()}
        assert headers == {"event_id", "correlation_id", "content_type"}


def event(message: Message) -> Publication:
    headers = dict(message.headers())
    return Publication(
        message.topic(),
        message.key().decode(),
        message.value(),
        headers["event_id"].decode(),
        headers["correlation_id"].decode(),
    )


def test_an_unreachable_broker_is_unavailable_within_the_bound() -> None:
    log = make_log("127.0.0.1:1", timeout_seconds=1.0)
    started = time.monotonic()
    with pytest.raises(StoreUnavailableError):
        log.publish([publication("scored", 1)])
    assert time.monotonic() - started < 20  # the bound of 1 s plus the client's own second; a slow machine adds to it


class Replacements(list):
    """Collects why producers were replaced."""

    def note(self, why: Replacement, _error: str) -> None:
        self.append(why)


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with mock_cluster() as cluster:
        cluster.create("scored")
        yield cluster


class TestFaults:
    @pytest.fixture(autouse=True)
    def _log(self, cluster: MockCluster) -> Iterator[None]:
        self.cluster = cluster
        self.replaced = Replacements()
        self.log = make_log(cluster.bootstrap, on_replaced=self.replaced.note)
        yield
        self.log._producer.close()  # one that outlives its broker goes on complaining

    def publish(self) -> dict[int, Refused]:
        return self.log.publish([publication("scored", 1), publication("scored", 2)])

    @pytest.mark.parametrize(
        ("api", "error"),
        [
            (Api.PRODUCE, KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER),
            (Api.INIT_PRODUCER_ID, KafkaError.CLUSTER_AUTHORIZATION_FAILED),
        ],
    )
    def test_a_producer_that_met_a_fatal_error_is_replaced(self, api: Api, error: int) -> None:
        if api is Api.PRODUCE:  # the first request of a producer may be out of order without harm
            assert self.publish() == {}
        self.cluster.answer(api, error)
        with pytest.raises(StoreUnavailableError):
            self.publish()
        assert self.publish() == {}
        assert self.replaced == [Replacement.FATAL]

    def test_a_producer_that_fails_again_and_again_is_replaced(self) -> None:
        """The client remembers a missing permission for minutes after it was given."""
        self.cluster.answer(Api.PRODUCE, KafkaError.TOPIC_AUTHORIZATION_FAILED)
        for _ in range(3):
            assert self.replaced == []
            with pytest.raises(StoreUnavailableError):
                self.publish()
        assert self.replaced == [Replacement.FAILING]
        assert self.publish() == {}

    @pytest.mark.parametrize(
        "error",
        [KafkaError.INVALID_RECORD, KafkaError.POLICY_VIOLATION, KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.UNKNOWN],
    )
    def test_what_a_broker_refuses_is_refused_without_certainty(self, error: int) -> None:
        self.cluster.answer(Api.PRODUCE, error)
        refused = self.publish()
        assert set(refused) == {0, 1}
        assert not any(refusal.is_certain for refusal in refused.values())
        assert self.publish() == {}

    def test_what_the_client_will_not_even_send_is_refused_with_certainty(self) -> None:
        refused = self.log.publish([publication("scored", 1, b"x" * 2_000_000), publication("scored", 2)])
        assert {position: refusal.is_certain for position, refusal in refused.items()} == {0: True}


def test_a_producer_whose_messages_only_time_out_is_replaced() -> None:
    """So it is with a broker that lost its topics: librdkafka reports no fatal error, and a fresh producer delivers."""
    replaced = Replacements()
    log = make_log("127.0.0.1:1", timeout_seconds=0.2, on_replaced=replaced.note)
    for calls in range(1, 7):
        with pytest.raises(StoreUnavailableError):
            log.publish([publication("scored", 1)])
        assert replaced == [Replacement.FAILING] * (calls // 3)


class Spy:
    """A producer that notes the keys of what it is handed."""

    def __init__(self, producer: Any, keys: list[str]) -> None:
        self._producer = producer
        self._keys = keys

    def produce(self, **arguments: Any) -> None:
        self._keys.append(arguments["key"].decode())
        self._producer.produce(**arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)


class TestOnePartitionAway:
    """Customers' keys are spread over two partitions, of which one has no leader."""

    @pytest.fixture(autouse=True)
    def _log(self) -> Iterator[None]:
        self.replaced = Replacements()
        with mock_cluster() as self.cluster:
            self.cluster.create("scored", partitions=2)
            self.log = make_log(self.cluster.bootstrap, timeout_seconds=2.0, on_replaced=self.replaced.note)
            assert self.publish(range(12)) == {}
            where = {message.key().decode(): message.partition() for message in self.consume(12)}
            self.away = {number for number in range(12) if where[f"customer-{number}"] == 0}
            assert 0 < len(self.away) < 12
            self.cluster.lead("scored", 0, has_leader=False)
            yield
            self.log._producer.close()

    def publish(self, numbers: Iterable[int]) -> dict[int, Refused]:
        events = [Publication("scored", f"customer-{number}", b"{}", f"event-{number}", "c") for number in numbers]
        return self.log.publish(events)

    def consume(self, count: int) -> list:
        return consume(self.cluster.bootstrap, "scored", count)

    def test_its_events_are_deferred_and_the_others_are_published(self) -> None:
        refused = self.publish(range(12))
        assert refused.keys() == self.away
        assert all(found.is_deferred and not found.is_certain for found in refused.values())
        self.cluster.lead("scored", 0, has_leader=True)
        assert self.publish(sorted(self.away)) == {}
        published = Counter(message.key().decode() for message in self.consume(24))
        assert published == {f"customer-{number}": 2 for number in range(12)}
        assert self.replaced == []

    def test_a_second_call_does_not_even_try_its_events(self) -> None:
        self.publish(range(12))
        handed_over: list[str] = []
        self.log._producer = Spy(self.log._producer, handed_over)
        assert self.publish(range(12)).keys() == self.away
        assert handed_over == [f"customer-{number}" for number in range(12) if number not in self.away]

    def test_a_call_that_has_only_its_events_blames_no_other_partition(self) -> None:
        only = sorted(self.away)
        assert self.publish(only).keys() == set(range(len(only)))
        assert self.publish(number for number in range(12) if number not in self.away) == {}

    def test_all_partitions_away_are_kafka_away(self) -> None:
        self.cluster.lead("scored", 1, has_leader=False)
        with pytest.raises(StoreUnavailableError, match="no partition of scored takes events"):
            self.publish(range(12))
        for partition in (0, 1):
            self.cluster.lead("scored", partition, has_leader=True)
        assert self.publish(range(12)) == {}
