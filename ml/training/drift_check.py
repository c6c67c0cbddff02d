"""The drift check: recent decisions of the champion against the distributions it was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ml.domain.errors import ArtifactError
from ml.features.schema import FEATURE_NAMES, schema_hash
from ml.registry.artifacts.loader import load
from ml.registry.registry import ModelRegistry
from ml.stores.training_source.training_source import TrainingSource
from ml.training.drift import Reference
from security.artifacts.artifact_keys import ArtifactVerifier

ALERT_INDEX = 0.2
"""Population stability index from which a feature or the score counts as drifted. Source: Siddiqi, "Credit Risk
Scorecards", 2006, takes 0.1 to 0.25 for a small shift; 0.2 leaves time to look before it is a large one."""

RECENT_ROWS = 20_000
MINIMUM_ROWS = 500
"""Fewer rows than this give ten-bin shares too noisy to call drift."""


@dataclass(frozen=True)
class DriftReport:
    """The result of one drift check.

    Attributes:
        model_version: the champion; None if there is none.
        rows: decisions compared.
        features: population stability index of every feature.
        score: index of the score; None if nothing was compared.
        drifted: features at or above `ALERT_INDEX`, the strongest first.
        is_score_drifted: whether the score's index is at or above it.
        skipped: why nothing was compared; None if it was.
    """

    model_version: str | None
    rows: int = 0
    features: Mapping[str, float] = field(default_factory=dict)
    score: float | None = None
    drifted: tuple[str, ...] = ()
    is_score_drifted: bool = False
    skipped: str | None = None


def check_drift(registry: ModelRegistry, source: TrainingSource, *, verifier: ArtifactVerifier) -> DriftReport:
    """Compares the champion's newest decisions with its reference distributions.

    Too few decisions, or no champion, give a report that says so.

    Raises:
        ArtifactError: the champion fails a check.
        RegistryError, StoreUnavailableError: the registry or the store cannot be read.
    """
    state = registry.state()
    version = state.champion
    if version is None:
        return DriftReport(None, skipped="there is no champion yet")
    artifact = load(
        registry.directory(version),
        verifier=verifier,
        feature_schema_hash=schema_hash(),
        minimum_version=state.high_water_mark,
    )
    reference = _reference(artifact.files["reference.json"], version)
    recent = source.recent_vectors(version, FEATURE_NAMES, limit=RECENT_ROWS)
    rows = len(recent.scores)
    if rows < MINIMUM_ROWS:
        return DriftReport(version, rows=rows, skipped=f"{rows} decisions are too few; {MINIMUM_ROWS} are needed")
    drift = reference.drift(recent.names, recent.vectors, recent.scores)
    drifted = sorted(
        (name for name, index in drift.features.items() if index >= ALERT_INDEX), key=lambda name: -drift.features[name]
    )
    return DriftReport(
        model_version=version,
        rows=rows,
        features=drift.features,
        score=drift.score,
        drifted=tuple(drifted),
        is_score_drifted=drift.score >= ALERT_INDEX,
    )


def _reference(content: bytes, version: str) -> Reference:
    try:
        return Reference.from_json(content)
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError("format", f"version {version}: reference.json is malformed") from error
