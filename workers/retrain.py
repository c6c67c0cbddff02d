"""The retrain worker: `celery -A workers.retrain worker -Q retrain`. Long tasks: retraining, drift, reconciliation."""

from collections.abc import Callable, Sequence
from functools import partial

from ml.drift_check import check_drift
from ml.reconciliation import ReconciliationReport, reconcile
from ml.registry import ModelRegistry
from ml.retraining import Retraining, RetrainingPlan
from ml.stores.awaiting_redis import RedisAwaitingIndex
from ml.tracking_mlflow import MlflowTracker
from security.artifact_keys import ArtifactSigner, ArtifactVerifier
from settings import Settings
from tasks import reconcile as reconcile_task
from tasks import retraining as retraining_task
from tasks.completeness import CompletenessCheck, sink_checks
from tasks.services import provide
from tasks.wiring import connect_redis, decision_store, explanation_store, training_source
from workers.start import WorkerParts, build_worker


def _wire(settings: Settings, _name: str) -> WorkerParts:
    registry = ModelRegistry(settings.models_path)
    verifier = ArtifactVerifier.from_settings(settings)
    source = training_source(settings)
    provide(retraining_task.SlotKeeper, retraining_task.SlotKeeper(connect_redis(settings)))
    provide(
        Retraining,
        Retraining(
            registry=registry,
            signer=ArtifactSigner.from_settings(settings),
            verifier=verifier,
            source=source,
            tracker=MlflowTracker.from_settings(settings),
            plan=RetrainingPlan(
                history=settings.training_history,
                window_days=settings.training_window_days,
                label_delay_days=settings.label_delay_days,
            ),
        ),
    )
    provide(
        retraining_task.DriftCheck,
        retraining_task.DriftCheck(partial(check_drift, registry, source, verifier=verifier)),
    )
    provide(reconcile_task.Reconciler, reconcile_task.Reconciler(_reconciled_sinks(settings)))
    provide(CompletenessCheck, CompletenessCheck(sink_checks(settings), minutes=settings.reconcile_window_minutes))
    return WorkerParts()


def _reconciled_sinks(settings: Settings) -> list[Callable[[int], ReconciliationReport]]:
    decisions = decision_store(settings)
    present: dict[str, Callable[[Sequence[str]], set[str]]] = {
        "explain": explanation_store(settings).existing,
        # Kafka cannot be asked for a key; what is owed is published once more, under the same event id.
        "publish": lambda _ids: set(),
    }

    def reconcile_sink(sink: str, before_ms: int) -> ReconciliationReport:
        index = RedisAwaitingIndex(connect_redis(settings), sink)
        return reconcile(sink, index, decisions, present=present[sink], before_ms=before_ms)

    return [partial(reconcile_sink, sink) for sink in present]


app = build_worker("retrain", _wire)
