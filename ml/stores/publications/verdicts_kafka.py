"""What an error of Kafka says: whose fault it is that an event was not taken.

Source: the protocol's error codes, https://kafka.apache.org/protocol#protocol_error_codes, and librdkafka's rdkafka.h.
"""

from collections.abc import Iterable
from typing import Final

from confluent_kafka import KafkaError

_HIGHEST_LOCAL: Final = -100
"""The client's own codes are at most this: time-outs, lost connections, a purged queue."""

_UNAVAILABLE: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
        KafkaError.DUPLICATE_SEQUENCE_NUMBER,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
        KafkaError.UNKNOWN_PRODUCER_ID,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.THROTTLING_QUOTA_EXCEEDED,
    }
)
"""Brokers' codes that would meet any event: no leader, no permission, no room, a producer that must start anew."""

_OF_PARTITION: Final = frozenset(
    {
        KafkaError._MSG_TIMED_OUT,  # noqa: SLF001 - librdkafka's name for it: the partition had no leader all the time
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.KAFKA_STORAGE_ERROR,
    }
)
"""Of these, what one partition may answer while others take their events."""


def is_unavailable(error: KafkaError) -> bool:
    """Whether Kafka takes no event just now, so that none can be blamed.

    Every other code may be the event's own fault or a rule that refuses everybody; which one, only other events show.
    """
    if error.fatal() or error.code() in _UNAVAILABLE:
        return True
    # One record of its batch was refused, and this one with it though it was valid.
    return error.code() <= _HIGHEST_LOCAL and error.code() != KafkaError._INVALID_DIFFERENT_RECORD  # noqa: SLF001 - librdkafka's name for it


def is_of_partition(error: KafkaError) -> bool:
    """Whether the partition alone may be away that the event belongs to, and the rest of Kafka there."""
    return not error.fatal() and error.code() in _OF_PARTITION


def first_unavailable(errors: Iterable[KafkaError]) -> KafkaError | None:
    """Returns the first error that says that Kafka is unavailable."""
    return next((error for error in errors if is_unavailable(error)), None)
