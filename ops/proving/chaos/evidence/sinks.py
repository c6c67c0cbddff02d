"""The records that reached the sinks: read from MongoDB and consumed from Kafka, without asking the platform."""

import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from pymongo import MongoClient

from ops.errors import StackError
from settings import Settings
from settings.queues import CONSUMER_GROUPS
from tasks.upkeep.queue_status import outbox_lags
from tasks.wiring.connections import Connections
from tasks.wiring.stores import outbox

_CHUNK_ROWS = 500
_POLL_SECONDS = 0.1
_KAFKA_SECONDS = 20.0


class PublishedEvents:
    """Consumes both topics from their first offset for as long as it runs, and counts every event by its id.

    It consumes while the faults happen: the embedded broker keeps little, and nothing once it ends.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._counts: Counter[str] = Counter()
        self._keys: dict[str, bytes] = {}
        self._ends = threading.Event()
        self.strange_keys = 0
        self._thread = threading.Thread(target=self._consume, daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends."""
        self._ends.set()
        self._thread.join()

    def count(self, event_id: str) -> int:
        """Returns how often an event was published."""
        return self._counts[event_id]

    def _consume(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self._settings.kafka_bootstrap,
                "group.id": f"chaos-{time.time_ns()}",
                "enable.auto.commit": False,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )
        try:
            consumer.assign(self._partitions(consumer))
            while not self._ends.is_set():
                for message in consumer.consume(_CHUNK_ROWS, timeout=_POLL_SECONDS):
                    if message.error() is None:
                        self._note(message)
        finally:
            consumer.close()

    def _partitions(self, consumer: Consumer) -> list[TopicPartition]:
        topics = (self._settings.kafka_topic_scored, self._settings.kafka_topic_raw)
        try:
            found = [consumer.list_topics(topic, timeout=_KAFKA_SECONDS).topics[topic] for topic in topics]
        except KafkaException as error:
            raise StackError(f"Kafka does not answer: {error.args[0].str()}.") from error
        return [
            TopicPartition(topic, partition, OFFSET_BEGINNING)
            for topic, metadata in zip(topics, found, strict=True)
            for partition in metadata.partitions
        ]

    def _note(self, message: Any) -> None:
        event_id, key = dict(message.headers())["event_id"].decode(), message.key()
        self._counts[event_id] += 1
        if self._keys.setdefault(event_id, key) != key:
            self.strange_keys += 1


class Evidence:
    """Both sinks and the outbox between them and the answers."""

    def __init__(self, settings: Settings, published: PublishedEvents) -> None:
        self._settings = settings
        self.published = published
        self._mongo: MongoClient[dict[str, Any]] = MongoClient(settings.mongo_url, tz_aware=True)
        self._explanations = self._mongo[settings.mongo_database]["explanations"]
        self._connections = Connections(settings)
        self._outboxes = {group: outbox(self._connections, group, consumer="chaos") for group in CONSUMER_GROUPS}

    def close(self) -> None:
        """Closes the connections."""
        self._mongo.close()
        self._connections.close()

    def undelivered(self) -> int:
        """Returns how many entries wait for any of the drains."""
        return sum(lag.entries for lag in outbox_lags(self._outboxes).values())

    def dead_letters(self) -> dict[str, int]:
        """Returns how many entries each drain gave up."""
        return {group: lag.dead_letters for group, lag in outbox_lags(self._outboxes).items()}

    def stored(self, transaction_ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """Returns decision and score of each stored transaction."""
        fields = {"decision": 1, "score": 1}
        return {
            document["_id"]: document
            for chunk in _chunks(list(transaction_ids))
            for document in self._explanations.find({"_id": {"$in": chunk}}, fields)
        }

    def mongo_duplicates(self, transaction_ids: Collection[str]) -> int:
        """Returns how many documents there are beyond one per transaction."""
        counts: Counter[str] = Counter()
        for chunk in _chunks(list(transaction_ids)):
            found = self._explanations.find({"transaction_id": {"$in": chunk}}, {"transaction_id": 1})
            counts.update(document["transaction_id"] for document in found)
        return counts.total() - len(counts)

    def labelled(self, transaction_ids: Collection[str]) -> set[str]:
        """Returns which of the transactions have a stored label."""
        labels = self._mongo[self._settings.mongo_database]["labels"]
        return {
            document["_id"]
            for chunk in _chunks(list(transaction_ids))
            for document in labels.find({"_id": {"$in": chunk}}, {"_id": 1})
        }

    def published_times(self, transaction_id: str) -> int:
        """Returns how often a decision was published."""
        return self.published.count(f"{transaction_id}:scored")

    def is_published(self, transaction_id: str) -> bool:
        """Whether decision and transaction were both published."""
        return self.published_times(transaction_id) > 0 and self.published.count(f"{transaction_id}:raw") > 0


@contextmanager
def gathering(settings: Settings) -> Iterator[Evidence]:
    """Reads along for the length of a block."""
    published = PublishedEvents(settings)
    evidence = Evidence(settings, published)
    published.start()
    try:
        yield evidence
    finally:
        published.stop()
        evidence.close()


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), _CHUNK_ROWS):
        yield items[start : start + _CHUNK_ROWS]
