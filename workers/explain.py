"""The explain worker: `celery -A workers.explain worker -Q explain`. Stores explanations in MongoDB."""

import logging

from ml.delivery.sinks import ExplanationSink
from ml.domain.errors import StoreUnavailableError
from settings import Settings
from tasks import delivery  # noqa: F401 - registers the tasks
from tasks.services import provide
from tasks.upkeep.audit import AuditCourier
from tasks.wiring.stores import audit_log, connect_mongo, explanation_store, safe_mode_store
from workers.drains import provide_stream
from workers.start.steps import WorkerParts, build_worker

_log = logging.getLogger(__name__)


def _wire(settings: Settings, name: str) -> WorkerParts:
    store = explanation_store(settings)
    try:
        store.create_indexes()
    except StoreUnavailableError as error:
        # Storing works without them; a later start creates them.
        _log.warning("the indexes of the explanations were not created: %s", error)
    provide(ExplanationSink, ExplanationSink(store))
    provide(AuditCourier, AuditCourier(safe_mode_store(settings), audit_log(connect_mongo(settings))))
    return provide_stream(settings, "explain", name)


app = build_worker("explain", _wire)
