"""The publish worker: `celery -A workers.publish worker -Q publish`. Publishes decisions to Kafka."""

from ml.delivery.sinks import PublicationSink
from settings import Settings
from tasks import delivery  # noqa: F401 - registers the tasks
from tasks.services import provide
from tasks.wiring.stores import publication_log
from workers.drains import provide_stream
from workers.start.steps import WorkerParts, build_worker


def _wire(settings: Settings, name: str) -> WorkerParts:
    provide(
        PublicationSink,
        PublicationSink(
            publication_log(settings), topic_scored=settings.kafka_topic_scored, topic_raw=settings.kafka_topic_raw
        ),
    )
    return provide_stream(settings, "publish", name)


app = build_worker("publish", _wire)
