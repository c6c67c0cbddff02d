import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Message

from ml.domain.errors import StoreUnavailableError
from ml.stores.publications.publications import Publication
from ml.stores.publications.publications_kafka import KafkaPublicationLog
from tests.contracts.publication_log import PublicationLogContract, publication


def make_log(bootstrap: str, *, timeout_seconds: float = 10.0) -> KafkaPublicationLog:
    return KafkaPublicationLog(bootstrap, client_id="test", linger_ms=1, timeout_seconds=timeout_seconds)


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
