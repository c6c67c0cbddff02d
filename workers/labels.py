"""The labels worker: `celery -A workers.labels worker -Q labels`. Stores labels and applies them to the features."""

from ml.delivery.sinks import LabelSink
from security.messages.message_signer import MessageSigner
from tasks import delivery  # noqa: F401 - registers the tasks
from tasks.services import provide
from tasks.wiring.connections import Connections
from tasks.wiring.stores import decision_reader, explanation_store, feature_store, label_store
from workers.drains import provide_stream
from workers.start.worker import WorkerParts, build_worker


def _wire(connections: Connections, name: str) -> WorkerParts:
    provide(
        LabelSink,
        LabelSink(
            signer=MessageSigner.from_settings(connections.settings),
            labels=label_store(connections),
            features=feature_store(connections),
            decisions=decision_reader(connections),
            explanations=explanation_store(connections),
        ),
    )
    return provide_stream(connections, "labels", name)


app = build_worker("labels", _wire)
