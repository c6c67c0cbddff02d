"""The publish worker: `celery -A workers.publish worker -Q publish`. Publishes decisions to Kafka."""

from ml.delivery.sinks import PublicationSink
from ml.stores.outbox.event_seal import EventSeal
from tasks import delivery  # noqa: F401 - registers the tasks
from tasks.services import provide
from tasks.wiring.clients_kafka import publication_log
from tasks.wiring.connections import Connections
from workers.drains import provide_stream
from workers.start.worker import WorkerParts, build_worker


def _wire(connections: Connections, name: str) -> WorkerParts:
    settings = connections.settings
    provide(
        PublicationSink,
        PublicationSink(
            publication_log(settings),
            EventSeal.from_settings(settings),
            topic_scored=settings.kafka_topic_scored,
            topic_raw=settings.kafka_topic_raw,
        ),
    )
    return provide_stream(connections, "publish", name)


app = build_worker("publish", _wire)
