"""The labels worker: `celery -A workers.labels worker -Q labels`. Stores labels and applies them to the features."""

from ml.delivery.sinks import LabelSink
from settings import Settings
from tasks import delivery  # noqa: F401 - registers the tasks
from tasks.services import provide
from tasks.wiring.stores import decision_reader, explanation_store, feature_store, label_store, message_signer
from workers.drains import provide_stream
from workers.start.steps import WorkerParts, build_worker


def _wire(settings: Settings, name: str) -> WorkerParts:
    provide(
        LabelSink,
        LabelSink(
            signer=message_signer(settings),
            labels=label_store(settings),
            features=feature_store(settings),
            decisions=decision_reader(settings),
            explanations=explanation_store(settings),
        ),
    )
    return provide_stream(settings, "labels", name)


app = build_worker("labels", _wire)
