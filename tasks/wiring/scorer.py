"""Builds the scorer of a worker or web process: the model, kept current, and the pipeline over it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ml.policy.safe_mode_rules import SafeModeRules
from ml.registry.registry import ModelRegistry
from ml.serving.pipeline import ModelSlot, ScoringPipeline
from ml.stores.decisions.decision_seal import DecisionSeal
from ml.stores.decisions.decisions_unrecorded_redis import RedisUnrecordedDecisions
from ml.stores.features.features import AppliedLabel
from security.artifacts.artifact_keys import ArtifactVerifier
from security.safe_mode.safe_mode import CachedSafeMode, SafeModeStore
from settings import Settings
from tasks.clock import SHARED_CLOCK
from tasks.model.loading import ModelKeeper, OpenModel, open_champion, slot_version
from tasks.wiring.connections import Connections, answer_wait, histories_wait
from tasks.wiring.stores import accepted_version, decision_store_on, feature_store, load_turn

_NOBODY = AppliedLabel(
    transaction_id="self test", customer_id="self test", terminal_id="self test", is_fraud=False, known_at=0
)
"""A label for names that nobody can have, so that looking it up is a round trip that changes nothing."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores batches once its keeper has loaded a model.

    Attributes:
        pipeline: scores a batch.
        keeper: loads the champion; to be refreshed before the first batch and again and again.
        version: returns the loaded model's version, None while there is none.
        can_decide: whether a batch would be decided now, by the model or by the rules.
        test: opens the champion anew and reaches every store, or raises the failure.
    """

    pipeline: ScoringPipeline
    keeper: ModelKeeper
    version: Callable[[], str | None]
    can_decide: Callable[[], bool]
    test: Callable[[], None]


def build_scorer(
    connections: Connections,
    *,
    name: str,
    safe_mode: CachedSafeMode,
    switch: SafeModeStore,
    open_model: OpenModel = open_champion,
) -> Scorer:
    """Returns the scorer of this process; no model is loaded yet.

    Args:
        connections: of this process.
        name: this process, as the audit shows it.
        safe_mode: the switch as the pipeline obeys it.
        switch: the switch itself, for a model that must not be trusted.
        open_model: makes a servable model of a version.

    Raises:
        security.errors.KeyUnusableError: the key that models are checked with is missing or weak.
    """
    settings = connections.settings
    # A batch is worth no longer wait than its callers': they are gone by then, and a worker that waits takes no other.
    client = connections.pinned_redis(settings.delivery_url, answer_wait(settings))
    slot = ModelSlot()
    keeper = ModelKeeper(
        registry=ModelRegistry(settings.models_path),
        verifier=replace(ArtifactVerifier.from_settings(settings), now=SHARED_CLOCK.utc),
        slot=slot,
        safe_mode=switch,
        mark=accepted_version(connections),
        name=name,
        open_model=open_model,
        turn=load_turn(connections),
    )
    features = feature_store(connections, histories_wait(settings))
    decisions = decision_store_on(client, settings)
    rules = safe_mode_rules(settings)
    pipeline = ScoringPipeline(
        features=features,
        decisions=decisions,
        slot=slot,
        safe_mode=lambda: _reason(safe_mode),
        rules=rules,
        now_ms=SHARED_CLOCK.now_ms,
        unrecorded=RedisUnrecordedDecisions(client, DecisionSeal.from_settings(settings))
        if settings.perf_mode
        else None,
    )

    def test() -> None:
        keeper.test()
        decisions.find(_NOBODY.transaction_id)
        features.apply_labels([_NOBODY])

    return Scorer(
        pipeline,
        keeper,
        version=slot_version(slot),
        can_decide=lambda: slot.current is not None or (rules is not None and safe_mode.state().enabled),
        test=test,
    )


def safe_mode_rules(settings: Settings) -> SafeModeRules | None:
    """Returns the rules that decide while SAFE MODE is on, None where nothing is decided then."""
    if settings.safe_mode_policy != "rules":
        return None
    return SafeModeRules(approve_up_to=settings.safe_mode_approve_up_to, decline_from=settings.safe_mode_decline_from)


def _reason(safe_mode: CachedSafeMode) -> str | None:
    state = safe_mode.state()
    return (state.reason or "SAFE MODE") if state.enabled else None
