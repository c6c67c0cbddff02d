import time
from uuid import uuid4

import pytest
from confluent_kafka import Consumer

from ml.domain.errors import StoreUnavailableError
from ml.stores.publications.publications import Publication
from ml.stores.publications.publications_kafka import KafkaPublicationLog


def make_log(bootstrap: str, *, timeout_seconds: float = 10.0) -> KafkaPublicationLog:
    return KafkaPublicationLog(bootstrap, client_id="test", linger_ms=1, timeout_seconds=timeout_seconds)


def publication(topic: str, number: int, value: bytes = b"{}") -> Publication:
    return Publication(topic, f"customer-{number % 3}", value, f"event-{number}", f"correlation-{number}")


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


def test_publishes_with_key_and_headers_in_order_per_customer(kafka_bootstrap: str) -> None:
    topic = f"scored-{uuid4().hex}"
    log = make_log(kafka_bootstrap)
    assert log.publish([publication(topic, number, b'{"n":%d}' % number) for number in range(30)]) == {}
    messages = consume(kafka_bootstrap, topic, 30)
    assert len(messages) == 30
    headers = {key for message in messages for key, _ in message.headers()}
    assert headers == {"event_id", "correlation_id", "content_type"}
    for customer in range(3):
        own = [message for message in messages if message.key() == f"customer-{customer}".encode()]
        assert [dict(message.headers())["event_id"] for message in own] == [
            f"event-{number}".encode() for number in range(30) if number % 3 == customer
        ]


def test_an_oversized_event_is_refused_and_the_others_are_published(kafka_bootstrap: str) -> None:
    topic = f"scored-{uuid4().hex}"
    log = make_log(kafka_bootstrap)
    refused = log.publish([publication(topic, 1), publication(topic, 2, b"x" * 2_000_000), publication(topic, 3)])
    assert list(refused) == [1]
    assert len(consume(kafka_bootstrap, topic, 2)) == 2


def test_an_unreachable_broker_is_unavailable_within_the_bound() -> None:
    log = make_log("127.0.0.1:1", timeout_seconds=1.0)
    started = time.monotonic()
    with pytest.raises(StoreUnavailableError):
        log.publish([publication("scored", 1)])
    assert (
        time.monotonic() - started < 5.0
    )  # the bound of 1 s plus the client's own second, with room for a slow machine
