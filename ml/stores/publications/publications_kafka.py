"""Publications in Kafka: idempotent producer, acks=all, delivery reports awaited."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from ml.domain.errors import StoreUnavailableError
from ml.stores.publications.publications import Publication

_PERMANENT = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_MSG_SIZE,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.POLICY_VIOLATION,
    KafkaError.INVALID_RECORD,
}


class KafkaPublicationLog:
    """Publishes in batches and holds no message beyond a call: the stream is the buffer, not the producer.

    Args:
        bootstrap: bootstrap servers, comma separated.
        client_id: how the brokers' logs name this producer.
        linger_ms: how long the client waits to fill a batch.
        timeout_seconds: longest wait for the delivery reports of one call.
        transport: librdkafka's own options for TLS; plaintext without them.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        client_id: str,
        linger_ms: int,
        timeout_seconds: float,
        transport: Mapping[str, str] | None = None,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._producer = Producer(
            {
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
        )

    def publish(self, publications: Sequence[Publication]) -> dict[int, str]:
        """See `PublicationLog.publish`."""
        failures: dict[int, KafkaError] = {}
        reported: set[int] = set()

        def report(position: int) -> Callable[[KafkaError | None, Message], None]:
            def on_delivery(error: KafkaError | None, _message: Message) -> None:
                reported.add(position)
                if error is not None:
                    failures[position] = error

            return on_delivery

        for position, publication in enumerate(publications):
            try:
                self._produce(publication, report(position))
            except KafkaException as error:
                reported.add(position)
                failures[position] = error.args[0]
        self._producer.flush(self._timeout_seconds + 1.0)
        transient = [error for error in failures.values() if error.code() not in _PERMANENT]
        if transient or len(reported) < len(publications):
            reason = transient[0].str() if transient else "no delivery report in time"
            raise StoreUnavailableError(f"Kafka did not take {len(publications)} events: {reason}")
        return {position: error.str() for position, error in failures.items()}

    def _produce(self, publication: Publication, on_delivery: Callable[[KafkaError | None, Message], None]) -> None:
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
            self._producer.produce(**arguments)
        except BufferError:  # the local queue is full: let it drain, then this one fits or the broker is gone
            self._producer.poll(self._timeout_seconds)
            self._producer.produce(**arguments)
