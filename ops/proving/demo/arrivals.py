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
_LONGEST_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How many of the answered transactions a sink holds, and how many of them more than once."""

    distinct: int
    duplicates: int = 0


class Patience:
    """Lasts for some seconds after each sign of progress, and for a quarter of an hour in all.

    Args:
        seconds: without progress.
        clock: returns the time in seconds.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._reached: int | None = None
        self._moved_at = self._started_at = clock()

    def is_over(self, reached: int) -> bool:
        """Takes how far it is now, a number that grows."""
        now = self._clock()
        if self._reached is None or reached > self._reached:
            self._reached, self._moved_at = reached, now
        return now - self._moved_at > self._seconds or now - self._started_at > _LONGEST_SECONDS


def wait_for_stored(
    store: ExplanationStore,
    transaction_ids: Collection[str],
    *,
    patience: Patience,
    on_count: Callable[[int], None],
) -> Arrivals:
    """Returns how many explanations are stored, once all are or none has come for as long as the patience lasts."""
    missing = list(transaction_ids)
    while True:
        try:
            found = set().union(*(store.existing(chunk) for chunk in _chunks(missing)))
        except StoreUnavailableError:
            found = set()
        missing = [transaction_id for transaction_id in missing if transaction_id not in found]
        on_count(len(transaction_ids) - len(missing))
        if not missing or patience.is_over(-len(missing)):
            return Arrivals(len(transaction_ids) - len(missing))
        time.sleep(_POLL_SECONDS)


def wait_for_published(
    bootstrap: str,
    topic: str,
    transaction_ids: Collection[str],
    *,
    patience: Patience,
    on_count: Callable[[int], None],
) -> Arrivals:
    """Returns how many events the topic holds, once all are there or none has come for as long as the patience lasts.

    Raises:
        ops.errors.StackError: Kafka does not answer.
    """
    wanted = frozenset(transaction_ids)
    seen: Counter[str] = Counter()
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": f"demo-{time.time_ns()}", "enable.auto.commit": False}
    )
    try:
        consumer.assign(_partitions(consumer, topic, patience))
        while len(seen) < len(wanted) and not patience.is_over(len(seen)):
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


def _partitions(consumer: Consumer, topic: str, patience: Patience) -> list[TopicPartition]:
    """Returns every partition of the topic from its first offset; no group has to be joined for that."""
    while True:
        try:
            metadata = consumer.list_topics(topic, timeout=_KAFKA_TIMEOUT_SECONDS)
            break
        except KafkaException:  # a busy machine's broker answers late
            if patience.is_over(0):
                raise
    return [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in metadata.topics[topic].partitions]


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), _CHUNK_ROWS):
        yield items[start : start + _CHUNK_ROWS]
