"""The scoring worker: `celery -A workers.score worker -Q score`. Its model is loaded and warm before it consumes."""

from ml.registry import ModelRegistry
from ml.scoring import ModelSlot, ScoringPipeline
from observability import metrics
from security.artifact_keys import ArtifactVerifier
from security.messages import MessageSigner
from security.safe_mode import CachedSafeMode
from settings import Settings
from tasks import scoring  # noqa: F401 - registers the task; no other task runs in this worker
from tasks.model_loading import ModelKeeper, slot_version
from tasks.services import provide
from tasks.wiring import connect_redis, decision_store, feature_store, message_signer, safe_mode_store
from workers.start import WorkerParts, build_worker


def _wire(settings: Settings, name: str) -> WorkerParts:
    slot = ModelSlot()
    switch = safe_mode_store(settings)
    keeper = ModelKeeper(
        registry=ModelRegistry(settings.models_path),
        verifier=ArtifactVerifier.from_settings(settings),
        slot=slot,
        safe_mode=switch,
        name=name,
    )
    keeper.refresh()
    safe_mode = CachedSafeMode(switch)
    provide(MessageSigner, message_signer(settings))
    provide(
        ScoringPipeline,
        ScoringPipeline(
            features=feature_store(settings),
            decisions=decision_store(settings, connect_redis(settings)),
            slot=slot,
            safe_mode=lambda: _blocked(safe_mode),
        ),
    )
    return WorkerParts(
        jobs=[keeper.refresh, lambda: metrics.safe_mode_state.labels(service="score").set(safe_mode.state().enabled)],
        model_version=slot_version(slot),
        is_ready=lambda: slot.current is not None,
    )


def _blocked(safe_mode: CachedSafeMode) -> str | None:
    state = safe_mode.state()
    return (state.reason or "SAFE MODE") if state.enabled else None


app = build_worker("score", _wire)
