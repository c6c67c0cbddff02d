"""Counts the records that reached the sinks: read from MongoDB, and consumed from Kafka from the first offset."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from ml.domain.errors import StoreUnavailableError
from ml.stores.explanations.explanations import ExplanationStore
from ops.errors import StackError

_CHUNK_ROWS = 500
_POLL_SECONDS = 0.25
_KAFKA_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How many of the answered transactions a sink holds, and how many of them more than once."""

    distinct: int
    duplicates: int = 0


def wait_for_stored(
    store: ExplanationStore,
    transaction_ids: Collection[str],
    *,
    timeout_seconds: float,
    on_count: Callable[[int], None],
) -> Arrivals:
    """Returns how many explanations are stored, once all are or the time is over."""
    deadline = time.monotonic() + timeout_seconds
    missing = list(transaction_ids)
    while True:
        try:
            found = set().union(*(store.existing(chunk) for chunk in _chunks(missing)))
        except StoreUnavailableError:
            found = set()
        missing = [transaction_id for transaction_id in missing if transaction_id not in found]
        on_count(len(transaction_ids) - len(missing))
        if not missing or time.monotonic() > deadline:
            return Arrivals(len(transaction_ids) - len(missing))
        time.sleep(_POLL_SECONDS)


def wait_for_published(
    bootstrap: str,
    topic: str,
    transaction_ids: Collection[str],
    *,
    timeout_seconds: float,
    on_count: Callable[[int], None],
) -> Arrivals:
    """Returns how many events the topic holds, once all are there or the time is over.

    Raises:
        ops.errors.StackError: Kafka does not answer.
    """
    wanted = frozenset(transaction_ids)
    seen: Counter[str] = Counter()
    deadline = time.monotonic() + timeout_seconds
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": f"demo-{time.time_ns()}", "enable.auto.commit": False}
    )
    try:
        consumer.assign(_partitions(consumer, topic))
        while len(seen) < len(wanted) and time.monotonic() < deadline:
            for message in consumer.consume(_CHUNK_ROWS, timeout=_POLL_SECONDS):
                value = message.value()
                if message.error() is None and value is not None:
                    transaction_id = orjson.loads(value)["transaction_id"]
                    seen.update([transaction_id] if transaction_id in wanted else [])
            on_count(len(seen))
    except KafkaException as error:
        raise StackError(f"Kafka at {bootstrap} does not answer: {error.args[0].str()}.") from error
    finally:
        consumer.close()
    return Arrivals(len(seen), seen.total() - len(seen))


def _partitions(consumer: Consumer, topic: str) -> list[TopicPartition]:
    """Returns every partition of the topic from its first offset; no group has to be joined for that."""
    metadata = consumer.list_topics(topic, timeout=_KAFKA_TIMEOUT_SECONDS)
    return [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in metadata.topics[topic].partitions]


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), _CHUNK_ROWS):
        yield items[start : start + _CHUNK_ROWS]
