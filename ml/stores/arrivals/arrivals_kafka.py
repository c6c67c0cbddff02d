"""Arrivals in a Kafka topic: it has no look-up by key, so all messages since the window began are read."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin._metadata import TopicMetadata

from ml.domain.errors import StoreUnavailableError
from ml.stores.arrivals.arrivals import Found

_CLOCK_SLACK_MS = 60_000
_MESSAGES_PER_READ = 10_000
_SUFFIX = b":scored"
_NO_SUCH_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})  # noqa: SLF001 - librdkafka's name for it


class KafkaArrivals:
    """Reads the event ids of the topic of decisions, from all partitions; commits nothing.

    Args:
        bootstrap: bootstrap servers, comma separated.
        topic: of the decisions.
        timeout_seconds: longest wait for one answer of the brokers; reading may take ten times as long.
        transport: librdkafka's own options for TLS; plaintext without them.
    """

    def __init__(
        self, bootstrap: str, *, topic: str, timeout_seconds: float, transport: Mapping[str, str] | None = None
    ) -> None:
        self._topic = topic
        self._timeout_seconds = timeout_seconds
        self._options = {
            "bootstrap.servers": bootstrap,
            "group.id": "shrike-reconciliation",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": 3,
            **(transport or {}),
        }

    def look(self, transaction_ids: Sequence[str], *, since_ms: int) -> Found:
        """See `Arrivals.look`."""
        consumer = Consumer(self._options)
        try:
            return self._look(consumer, set(transaction_ids), since_ms - _CLOCK_SLACK_MS)
        except KafkaException as error:
            raise StoreUnavailableError(f"Kafka is unavailable: {error.args[0].str()}") from error
        finally:
            consumer.close()

    def _look(self, consumer: Consumer, wanted: set[str], since_ms: int) -> Found:
        ranges = self._ranges(consumer, since_ms)
        consumer.assign([TopicPartition(self._topic, number, place.start) for number, place in ranges.items()])
        reading = _Reading(ranges, wanted)
        deadline = time.monotonic() + 10 * self._timeout_seconds
        while reading.unread:
            if time.monotonic() > deadline:
                raise StoreUnavailableError("Kafka did not hand out its messages in time")
            for message in consumer.consume(_MESSAGES_PER_READ, timeout=0.5):
                reading.take(message)
        return Found(reading.present, reading.complete_since_ms)

    def _ranges(self, consumer: Consumer, since_ms: int) -> dict[int, "_Range"]:
        """Returns the offsets to read of each partition; of none if the topic does not exist."""
        # Asked for by name: a list of all topics leaves out those that this client may not see.
        numbers = _partitions(consumer.list_topics(self._topic, timeout=self._timeout_seconds).topics[self._topic])
        if not numbers:
            return {}
        asked = [TopicPartition(self._topic, number, max(0, since_ms)) for number in numbers]
        starts = {item.partition: item.offset for item in consumer.offsets_for_times(asked, self._timeout_seconds)}
        ranges = {}
        for number in numbers:
            low, high = consumer.get_watermark_offsets(
                TopicPartition(self._topic, number), timeout=self._timeout_seconds
            )
            # No offset for this time: either no message is as new, or the server has no look-up by time. Read all.
            start = max(low, starts[number]) if starts[number] >= 0 else low
            ranges[number] = _Range(start, high, may_be_cut=0 < low == start)
        return ranges


@dataclass(frozen=True, slots=True)
class _Range:
    """The offsets to read of a partition: from `start` to before `end`; `may_be_cut` if older ones were dropped."""

    start: int
    end: int
    may_be_cut: bool


class _Reading:
    """The state of one reading.

    Attributes:
        unread: the partitions whose end has not been seen.
        present: the wanted transactions that were seen.
        complete_since_ms: see `Found`.
    """

    def __init__(self, ranges: Mapping[int, _Range], wanted: set[str]) -> None:
        self._ranges = ranges
        self._wanted = wanted
        self._begun: set[int] = set()
        self.unread = {number for number, place in ranges.items() if place.start < place.end}
        self.present: set[str] = set()
        self.complete_since_ms = 0

    def take(self, message: Message) -> None:
        number, offset, error = message.partition() or 0, message.offset() or 0, message.error()
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's name for it
                raise KafkaException(error)
            self.unread.discard(number)  # the last offsets may be gone: compacted, or a transaction's marks
            return
        if number not in self._begun and self._ranges[number].may_be_cut:
            self.complete_since_ms = max(self.complete_since_ms, message.timestamp()[1])
        self._begun.add(number)
        name = _transaction_id(message)
        if name in self._wanted:
            self.present.add(name)
        if offset >= self._ranges[number].end - 1:
            self.unread.discard(number)


def _partitions(topic: TopicMetadata) -> list[int]:
    """Returns the numbers of a topic's partitions; none if the brokers say that there is no such topic.

    Raises:
        StoreUnavailableError: they do not say what it holds; taken for empty, all of it would be published again.
    """
    if topic.error is not None:
        if topic.error.code() in _NO_SUCH_TOPIC:
            return []
        raise StoreUnavailableError(f"Kafka does not show the topic {topic}: {topic.error.str()}")
    if not topic.partitions:
        raise StoreUnavailableError(f"Kafka lists the topic {topic} without partitions")
    return sorted(topic.partitions)


def _transaction_id(message: Message) -> str:
    """Returns the id of the transaction whose decision a message is; empty if the message is not one of ours."""
    event_id = dict(message.headers() or ()).get("event_id")
    return event_id.removesuffix(_SUFFIX).decode() if isinstance(event_id, bytes) else ""
