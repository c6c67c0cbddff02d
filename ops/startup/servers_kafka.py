"""Asks Kafka whether a process could work with it."""

from collections.abc import Sequence

from settings import Settings
from tasks.wiring.clients_kafka import transport

_LOOK_SECONDS = 5.0
_NAMES = "KAFKA_BOOTSTRAP, KAFKA_SECURITY_PROTOCOL and the KAFKA_…_FILE settings"


def ask_kafka(settings: Settings) -> Sequence[str]:
    """Returns a sentence if no broker answers. Topics are not asked for: a broker may make them at their first use."""
    # Only roles that open it have the client's package.
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    try:
        client = AdminClient({"bootstrap.servers": settings.kafka_bootstrap, "log_level": 0, **transport(settings)})
        client.list_topics(timeout=_LOOK_SECONDS)
    except KafkaException as error:
        why = error.args[0].str()
        place = f"KAFKA_BOOTSTRAP: Kafka at {settings.kafka_bootstrap}"
        return [f"{place} does not answer ({why}); start it, or correct {_NAMES}."]
    return []
