"""The explain worker: `celery -A workers.explain worker -Q explain`. Stores explanations in MongoDB."""

import logging

from ml.delivery.sinks import ExplanationSink
from ml.domain.errors import StoreUnavailableError
from ml.stores.outbox.event_seal import EventSeal
from security.audit.audit import AuditUnavailableError
from tasks import delivery  # noqa: F401 - registers the tasks
from tasks.services import provide
from tasks.upkeep.audit import AuditCourier
from tasks.wiring.connections import Connections
from tasks.wiring.stores import audit_log, explanation_store, safe_mode_store
from workers.drains import provide_stream
from workers.start.worker import WorkerParts, build_worker

_log = logging.getLogger(__name__)


def _wire(connections: Connections, name: str) -> WorkerParts:
    store, audit = explanation_store(connections), audit_log(connections)
    try:
        store.create_indexes()
        audit.create_indexes()
    except (StoreUnavailableError, AuditUnavailableError) as error:
        # Storing works without them; a later start creates them.
        _log.warning("the indexes of explanations and audit were not created: %s", error)
    provide(ExplanationSink, ExplanationSink(store, EventSeal.from_settings(connections.settings)))
    provide(AuditCourier, AuditCourier(safe_mode_store(connections), audit))
    return provide_stream(connections, "explain", name)


app = build_worker("explain", _wire)
