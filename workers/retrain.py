"""The retrain worker: `celery -A workers.retrain worker -Q retrain`. Long tasks: retraining, drift, reconciliation."""

from functools import partial

from ml.registry.registry import ModelRegistry
from ml.training.drift_check import check_drift
from ml.training.retraining import Retraining, RetrainingPlan
from ml.training.tracking_mlflow import MlflowTracker
from security.artifacts.artifact_keys import ArtifactSigner, ArtifactVerifier
from settings import Settings
from tasks import reconcile as reconcile_task
from tasks import retraining as retraining_task
from tasks.services import provide
from tasks.upkeep.completeness import CompletenessCheck, sink_checks
from tasks.upkeep.slots_redis import SlotKeeper
from tasks.wiring.stores import connect_redis, explanation_store, reconciled_sinks, training_source
from workers.start.steps import WorkerParts, build_worker


def _wire(settings: Settings, _name: str) -> WorkerParts:
    registry = ModelRegistry(settings.models_path)
    verifier = ArtifactVerifier.from_settings(settings)
    source = training_source(settings)
    provide(SlotKeeper, SlotKeeper(connect_redis(settings)))
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
    provide(
        reconcile_task.Reconciler,
        reconcile_task.Reconciler(reconciled_sinks(settings, stored=explanation_store(settings).existing)),
    )
    provide(CompletenessCheck, CompletenessCheck(sink_checks(settings), minutes=settings.reconcile_window_minutes))
    return WorkerParts()


app = build_worker("retrain", _wire)
