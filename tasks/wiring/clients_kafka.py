"""Makes the Kafka producer, and the reader that looks up which decisions are in Kafka."""

import logging
import socket
from typing import TYPE_CHECKING

from observability import metrics
from settings import Settings
from settings.production_connections import refuse_connections

if TYPE_CHECKING:
    from ml.stores.arrivals.arrivals_kafka import KafkaArrivals
    from ml.stores.publications.publications_kafka import KafkaPublicationLog, Replacement

_log = logging.getLogger(__name__)


def publication_log(settings: Settings) -> "KafkaPublicationLog":
    """Returns the Kafka producer."""
    from ml.stores.publications.publications_kafka import KafkaPublicationLog

    return KafkaPublicationLog(
        settings.kafka_bootstrap,
        client_id=f"shrike-publish-{socket.gethostname()}",
        linger_ms=settings.kafka_linger_ms,
        timeout_seconds=settings.kafka_timeout_seconds,
        transport=transport(settings),
        on_replaced=_note_replacement,
    )


def _note_replacement(why: "Replacement", error: str) -> None:
    metrics.kafka_producers_replaced_total.labels(reason=why.value).inc()
    _log.error("the Kafka producer was replaced", extra={"reason": why.value, "error": error})


def kafka_arrivals(settings: Settings) -> "KafkaArrivals":
    """Returns the reader of the decisions that are in Kafka."""
    from ml.stores.arrivals.arrivals_kafka import KafkaArrivals

    return KafkaArrivals(
        settings.kafka_bootstrap,
        topic=settings.kafka_topic_scored,
        timeout_seconds=settings.kafka_timeout_seconds,
        transport=transport(settings),
    )


def transport(settings: Settings) -> dict[str, str]:
    """Returns librdkafka's options for a connection of these settings.

    Raises:
        SettingsRefusedError: production refuses the connection.
    """
    refuse_connections(settings, {"kafka_bootstrap"})
    options: dict[str, str] = {"security.protocol": settings.kafka_security_protocol}
    if settings.kafka_ca_file is not None:
        options["ssl.ca.location"] = str(settings.kafka_ca_file)
    if settings.kafka_certificate_file is not None:
        options["ssl.certificate.location"] = str(settings.kafka_certificate_file)
    if settings.kafka_key_file is not None:
        options["ssl.key.location"] = str(settings.kafka_key_file)
    return options
