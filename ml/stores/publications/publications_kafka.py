"""Publications in Kafka: idempotent producer, acks=all, delivery reports awaited."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from ml.domain.errors import StoreUnavailableError
from ml.stores.publications.partitions_kafka import PARTITIONER, FailingPartitions, Partition
from ml.stores.publications.publications import Publication
from ml.stores.publications.verdicts_kafka import first_unavailable, is_of_partition
from ml.stores.refused import Refused

_MOST_FAILED_CALLS = 3
"""After so many calls in a row the producer is suspected: one that lost its broker's topics, or learnt that it lacks a
permission, may go on failing long after a fresh one would deliver."""


class Replacement(StrEnum):
    """Why a producer was replaced."""

    FATAL = "fatal"
    """librdkafka gave it up; it takes no event any more."""
    FAILING = "failing"
    """Several calls in a row failed; a fresh one may not."""


class KafkaPublicationLog:
    """Publishes in batches and holds no message beyond a call: the stream is the buffer, not the producer.

    A producer that met a fatal error, or failed several calls in a row, is replaced. Events for a partition that takes
    nothing are deferred while other partitions of its topic take theirs.

    Args:
        bootstrap: bootstrap servers, comma separated.
        client_id: how the brokers' logs name this producer.
        linger_ms: how long the client waits to fill a batch.
        timeout_seconds: longest wait for the delivery reports of one call.
        transport: librdkafka's own options for TLS; plaintext without them.
        on_replaced: told why a producer was replaced, and its last error.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        client_id: str,
        linger_ms: int,
        timeout_seconds: float,
        transport: Mapping[str, str] | None = None,
        on_replaced: Callable[[Replacement, str], None] = lambda _why, _error: None,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._options: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "client.id": client_id,
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": PARTITIONER,
            "linger.ms": linger_ms,
            "compression.type": "lz4",
            # A message lives as long as the call that waits for it, so none is sent behind its back later.
            "message.timeout.ms": int(timeout_seconds * 1000),
            "socket.keepalive.enable": True,
            "reconnect.backoff.max.ms": 2000,
            "log_level": 3,
            **(transport or {}),
        }
        self._on_replaced = on_replaced
        self._partitions = FailingPartitions(timeout_seconds)
        self._start()

    def _start(self) -> None:
        self._failed_calls = 0
        self._producer = Producer(self._options)

    def publish(self, publications: Sequence[Publication]) -> dict[int, Refused]:
        """See `PublicationLog.publish`."""
        try:
            held = self._partitions.held(self._producer, [(n, p.topic, p.key) for n, p in enumerate(publications)])
        except StoreUnavailableError as error:
            self._fail(str(error))
            raise
        call = _Call(self._timeout_seconds)
        call.run(self._producer, {n: p for n, p in enumerate(publications) if n not in held})
        self._judge(call, len(publications) - len(held))
        waiting = held | {n: failure.partition for n, failure in call.failures.items() if failure.is_of_partition}
        return {
            position: Refused(failure.error.str(), is_certain=failure.is_certain)
            for position, failure in call.failures.items()
        } | {
            position: Refused(f"partition {partition.number} of {partition.topic} takes nothing", is_deferred=True)
            for position, partition in waiting.items()
        }

    def _judge(self, call: "_Call", handed_over: int) -> None:
        """Finds out whether Kafka took what it was given, but for the events of single partitions.

        Raises:
            StoreUnavailableError: it did not.
        """
        errors = [failure.error for failure in call.failures.values()]
        others = [failure.error for failure in call.failures.values() if not failure.is_of_partition]
        fatal = call.fatal or next((error for error in errors if error.fatal()), None)
        reason = fatal or first_unavailable(others)
        if reason is not None or len(call.reported) < handed_over:
            text = "no delivery report in time" if reason is None else reason.str()
            self._fail(text, is_fatal=fatal is not None)
            raise StoreUnavailableError(f"Kafka did not take {handed_over} events: {text}")
        failed = {failure.partition for failure in call.failures.values() if failure.is_of_partition}
        try:
            has_leader = self._partitions.note(self._producer, failed=failed, taken=call.taken)
        except StoreUnavailableError as error:
            text = f"{errors[0].str()}, {error}"
            self._fail(text)
            raise StoreUnavailableError(f"Kafka did not take {handed_over} events: {text}") from error
        if has_leader:  # a fresh producer may find it
            self._fail("a partition that has a leader takes nothing")
        else:
            self._failed_calls = 0

    def _fail(self, error: str, *, is_fatal: bool = False) -> None:
        self._failed_calls += 1
        if is_fatal or self._failed_calls >= _MOST_FAILED_CALLS:
            self._replace(Replacement.FATAL if is_fatal else Replacement.FAILING, error)

    def _replace(self, why: Replacement, error: str) -> None:
        self._producer.purge()  # what it still holds is in the stream
        # Closed, not only dropped: after a fatal error the client leaks a reference to it, and its threads would go on.
        self._producer.close()
        self._start()
        self._on_replaced(why, error)


class _Failure:
    """An event that was not taken; `is_certain` if the client itself would not even send it.

    `is_of_partition` if only the partition that the event belongs to may be away.
    """

    __slots__ = ("error", "is_certain", "is_of_partition", "partition")

    def __init__(self, error: KafkaError, partition: Partition, *, is_certain: bool = False) -> None:
        self.error = error
        self.partition = partition
        self.is_certain = is_certain
        self.is_of_partition = partition.number >= 0 and is_of_partition(error)


class _Call:
    """One call's way through a producer.

    Attributes:
        reported: the positions whose end is known.
        failures: of these, those that were not taken.
        taken: the partitions that took an event.
        fatal: the error with which librdkafka gave the producer up during the call.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self.reported: set[int] = set()
        self.failures: dict[int, _Failure] = {}
        self.taken: set[Partition] = set()
        self.fatal: KafkaError | None = None

    def run(self, producer: Producer, publications: Mapping[int, Publication]) -> None:
        """Hands events, by position, over and waits for their delivery reports."""
        try:
            self._hand_over(producer, publications)
            producer.flush(self._timeout_seconds + 1.0)
        except (KafkaException, SystemError) as error:
            self.fatal = _fatal_error(error)
            if self.fatal is None:
                raise

    def _hand_over(self, producer: Producer, publications: Mapping[int, Publication]) -> None:
        for position, publication in publications.items():
            try:
                self._produce(producer, publication, self._on_delivery(position))
            except BufferError:  # still no room: the broker takes nothing, and the rest would wait as long each
                break
            except KafkaException as error:
                refused: KafkaError = error.args[0]
                self.reported.add(position)
                is_certain = refused.code() == KafkaError.MSG_SIZE_TOO_LARGE
                self.failures[position] = _Failure(refused, Partition(publication.topic, -1), is_certain=is_certain)

    def _on_delivery(self, position: int) -> Callable[[KafkaError | None, Message], None]:
        def on_delivery(error: KafkaError | None, message: Message) -> None:
            self.reported.add(position)
            number = message.partition()
            partition = Partition(message.topic() or "", -1 if number is None else number)
            if error is None:
                self.taken.add(partition)
            else:
                self.failures[position] = _Failure(error, partition)

        return on_delivery

    def _produce(
        self, producer: Producer, publication: Publication, on_delivery: Callable[[KafkaError | None, Message], None]
    ) -> None:
        arguments: dict[str, Any] = {
            "topic": publication.topic,
            "key": publication.key.encode(),
            "value": publication.value,
            "headers": [
                ("event_id", publication.event_id.encode()),
                ("correlation_id", publication.correlation_id.encode()),
                ("content_type", b"application/json"),
            ],
            "on_delivery": on_delivery,
        }
        try:
            producer.produce(**arguments)
        except BufferError:  # the local queue is full: let it drain, then this one fits or the broker is gone
            producer.poll(self._timeout_seconds)
            producer.produce(**arguments)


def _fatal_error(error: BaseException) -> KafkaError | None:
    """Returns the fatal error behind an exception of the client; None if it is another one.

    The client raises a fatal error out of whichever call meets it; if a delivery report is on its way, Python wraps it
    in a SystemError.
    """
    raised = error if isinstance(error, KafkaException) else error.__cause__
    return raised.args[0] if isinstance(raised, KafkaException) else None
