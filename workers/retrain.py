"""The retrain worker: `celery -A workers.retrain worker -Q retrain`. Long tasks: retraining, drift, reconciliation."""

from functools import partial

from ml.registry.registry import ModelRegistry
from ml.training.drift_check import check_drift
from ml.training.retraining import Retraining, RetrainingPlan
from ml.training.tracking_mlflow import MlflowTracker
from security.artifacts.artifact_keys import ArtifactSigner, ArtifactVerifier
from tasks import reconcile as reconcile_task
from tasks import retraining as retraining_task
from tasks.services import provide
from tasks.upkeep.completeness import CompletenessCheck
from tasks.upkeep.slots_redis import SlotKeeper
from tasks.wiring.connections import Connections
from tasks.wiring.reconciliation import reconciled_sinks, sink_checks
from tasks.wiring.stores import explanation_store, model_administration, training_source
from workers.start.worker import WorkerParts, build_worker


def _wire(connections: Connections, _name: str) -> WorkerParts:
    settings = connections.settings
    registry = ModelRegistry(settings.models_path)
    verifier = ArtifactVerifier.from_settings(settings)
    source = training_source(connections)
    provide(SlotKeeper, SlotKeeper(connections.redis()))
    provide(
        Retraining,
        Retraining(
            registry=registry,
            administration=model_administration(connections),
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
        reconcile_task.Reconciler(reconciled_sinks(connections, stored=explanation_store(connections).existing)),
    )
    provide(CompletenessCheck, CompletenessCheck(sink_checks(connections), minutes=settings.reconcile_window_minutes))
    return WorkerParts()


app = build_worker("retrain", _wire)
