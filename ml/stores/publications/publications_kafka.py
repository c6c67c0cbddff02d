"""Publications in Kafka: idempotent producer, acks=all, delivery reports awaited."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from ml.domain.errors import StoreUnavailableError
from ml.stores.publications.publications import Publication
from ml.stores.publications.verdicts_kafka import first_unavailable
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

    A producer that met a fatal error, or failed several calls in a row, is replaced.

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
        self._start()

    def _start(self) -> None:
        self._failed_calls = 0
        self._producer = Producer(self._options)

    def publish(self, publications: Sequence[Publication]) -> dict[int, Refused]:
        """See `PublicationLog.publish`."""
        call = _Call(self._timeout_seconds)
        call.run(self._producer, publications)
        errors = [failure.error for failure in call.failures.values()]
        fatal = call.fatal or next((error for error in errors if error.fatal()), None)
        reason = fatal or first_unavailable(errors)
        if reason is None and len(call.reported) == len(publications):
            self._failed_calls = 0
            return {
                position: Refused(failure.error.str(), is_certain=failure.is_certain)
                for position, failure in call.failures.items()
            }
        text = "no delivery report in time" if reason is None else reason.str()
        self._failed_calls += 1
        if fatal is not None or self._failed_calls >= _MOST_FAILED_CALLS:
            self._replace(Replacement.FAILING if fatal is None else Replacement.FATAL, text)
        raise StoreUnavailableError(f"Kafka did not take {len(publications)} events: {text}")

    def _replace(self, why: Replacement, error: str) -> None:
        self._producer.purge()  # what it still holds is in the stream
        # Closed, not only dropped: after a fatal error the client leaks a reference to it, and its threads would go on.
        self._producer.close()
        self._start()
        self._on_replaced(why, error)


class _Failure:
    """An event that was not taken; `is_certain` if the client itself would not even send it."""

    __slots__ = ("error", "is_certain")

    def __init__(self, error: KafkaError, *, is_certain: bool) -> None:
        self.error = error
        self.is_certain = is_certain


class _Call:
    """One call's way through a producer.

    Attributes:
        reported: the positions whose end is known.
        failures: of these, those that were not taken.
        fatal: the error with which librdkafka gave the producer up during the call.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self.reported: set[int] = set()
        self.failures: dict[int, _Failure] = {}
        self.fatal: KafkaError | None = None

    def run(self, producer: Producer, publications: Sequence[Publication]) -> None:
        """Hands all events over and waits for their delivery reports."""
        try:
            self._hand_over(producer, publications)
            producer.flush(self._timeout_seconds + 1.0)
        except (KafkaException, SystemError) as error:
            self.fatal = _fatal_error(error)
            if self.fatal is None:
                raise

    def _hand_over(self, producer: Producer, publications: Sequence[Publication]) -> None:
        for position, publication in enumerate(publications):
            try:
                self._produce(producer, publication, self._on_delivery(position))
            except BufferError:  # still no room: the broker takes nothing, and the rest would wait as long each
                break
            except KafkaException as error:
                refused: KafkaError = error.args[0]
                self.reported.add(position)
                self.failures[position] = _Failure(refused, is_certain=refused.code() == KafkaError.MSG_SIZE_TOO_LARGE)

    def _on_delivery(self, position: int) -> Callable[[KafkaError | None, Message], None]:
        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            self.reported.add(position)
            if error is not None:
                self.failures[position] = _Failure(error, is_certain=False)

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
