"""Partitions that take nothing while the rest of Kafka does: their events wait, the others are published."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from confluent_kafka import KafkaException, Producer

from ml.domain.errors import StoreUnavailableError

PARTITIONER: Final = "consistent_random"
"""librdkafka's name for CRC-32 of the key modulo the number of partitions; `_partition_of` computes the same."""

_NO_LEADER = -1


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition of a topic."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class _Rest:
    """Until when a partition is left alone, unless it gets another leader before."""

    leader: int
    until: float


class FailingPartitions:
    """Remembers which partitions failed, so that a dead one costs its events' time-out once and not at every call.

    A partition without a leader waits until it has one. One that has a leader and failed all the same, as with too few
    replicas in sync, is tried again with a single event after a rest. While none has failed, the brokers are not asked.

    Args:
        rest_seconds: the rest; also the longest wait for the brokers' answer.
        clock: monotonic seconds.
    """

    def __init__(self, rest_seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rest_seconds = rest_seconds
        self._clock = clock
        self._rests: dict[Partition, _Rest] = {}

    def held(self, producer: Producer, events: Iterable[tuple[int, str, str]]) -> dict[int, Partition]:
        """Returns which events must wait, and for which partition, given the position, topic and key of each.

        Raises:
            StoreUnavailableError: the brokers do not say which partitions have a leader.
        """
        if not self._rests:
            return {}
        leaders = {topic: self._leaders(producer, topic) for topic in {partition.topic for partition in self._rests}}
        resting, trying = self._look(leaders)
        held: dict[int, Partition] = {}
        for position, topic, key in events:
            partition = Partition(topic, _partition_of(key, len(leaders.get(topic, ()))))
            if partition in resting:
                held[position] = partition
            elif partition in trying:
                resting.add(partition)  # this event tries it, those behind it wait for what becomes of it
        return held

    def _look(self, leaders: dict[str, dict[int, int]]) -> tuple[set[Partition], set[Partition]]:
        """Returns the partitions that still rest, and those that one event shall try; forgets the others."""
        resting: set[Partition] = set()
        trying: set[Partition] = set()
        for partition, rest in list(self._rests.items()):
            leader = leaders[partition.topic].get(partition.number, _NO_LEADER)
            if leader not in {_NO_LEADER, rest.leader}:
                del self._rests[partition]
            elif leader != _NO_LEADER and self._clock() >= rest.until:
                trying.add(partition)
            else:
                resting.add(partition)
        return resting, trying

    def note(self, producer: Producer, *, failed: set[Partition], taken: set[Partition]) -> bool:
        """Notes what became of the partitions of a call; returns whether one that failed has a leader all the same.

        Raises:
            StoreUnavailableError: the brokers do not answer, or no partition of a topic takes anything: then it is
                not a part of Kafka that is away.
        """
        for partition in taken - failed:
            self._rests.pop(partition, None)
        if not failed:
            return False
        leaders = {topic: self._leaders(producer, topic) for topic in {partition.topic for partition in failed}}
        for partition in failed:
            leader = leaders[partition.topic].get(partition.number, _NO_LEADER)
            self._rests[partition] = _Rest(leader, self._clock() + self._rest_seconds)
        resting = defaultdict(set)
        for partition in self._rests:
            resting[partition.topic].add(partition.number)
        for topic, known in leaders.items():
            if resting[topic] >= known.keys():
                self._rests.clear()
                raise StoreUnavailableError(f"no partition of {topic} takes events")
        return any(self._rests[partition].leader != _NO_LEADER for partition in failed)

    def _leaders(self, producer: Producer, topic: str) -> dict[int, int]:
        """Returns the leader of each partition of a topic."""
        try:
            found = producer.list_topics(topic, timeout=self._rest_seconds).topics[topic]
        except KafkaException as error:
            self._rests.clear()
            raise StoreUnavailableError(f"Kafka does not list {topic}: {error.args[0].str()}") from error
        return {number: partition.leader for number, partition in found.partitions.items()}


def _partition_of(key: str, partitions: int) -> int:
    """Returns the partition of a key; -1 if the topic has none."""
    return crc32(key.encode()) % partitions if partitions else -1
