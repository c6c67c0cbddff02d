"""The value of each part: every component alone, every component removed, every feature family removed."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.data.table import TransactionTable
from ml.features.schema import FEATURES, SEQUENCE_CHANNELS
from ml.model.fusion import COMPONENTS
from ml.training.evaluation import Quality
from ml.training.rows import LabelledRows, TrainingRows
from ml.training.train import TrainingSettings
from ops.proving.bench.quality.detectors.hybrid import Hybrid, Outputs, Progress, fit_hybrid
from ops.proving.bench.quality.protocol.counted_week import TestWeek

ALONE = "component alone"
WITHOUT_COMPONENT = "without component"
WITHOUT_FAMILY = "without features"

FAMILIES = tuple(dict.fromkeys(feature.family for feature in FEATURES))

FAMILY_CHANNELS: Mapping[str, tuple[str, ...]] = {
    "amount_time": ("log_amount", "hour_sin", "hour_cos"),
    "customer_velocity": ("log_gap_hours",),
    "customer_norm": ("log_ratio_median", "is_labelled", "is_fraud"),
    "terminal_risk": ("terminal_fraud_share_30d", "terminal_fraud_share_last_5"),
    "novelty": ("is_new_terminal", "is_same_terminal"),
}
"""The sequence's channels with the information of a family; with them a removed family would stay in the model."""


@dataclass(frozen=True)
class Ablated:
    """The quality with only one part (ALONE) or with all but one part."""

    kind: str
    part: str
    quality: Quality


def ablate_components(hybrid: Hybrid, week: TestWeek, outputs: Outputs) -> Iterator[Ablated]:
    """Yields each component's quality alone, and that of a fusion fitted without it."""
    for name in COMPONENTS:
        yield Ablated(ALONE, name, week.measure(outputs[name]))
    for name in COMPONENTS:
        yield Ablated(WITHOUT_COMPONENT, name, week.measure(hybrid.without_components({name}, outputs)))


def ablate_family(
    family: str,
    table: TransactionTable,
    week: TestWeek,
    *,
    days: float,
    settings: TrainingSettings,
    progress: Progress,
) -> Ablated:
    """Returns the quality of a hybrid trained without a feature family.

    The family's columns hold 0 in every row, in training and in test: no split, weight or distance can use a
    constant.
    """
    features, channels = _columns(family)

    def blind(rows: LabelledRows) -> LabelledRows:
        return replace(rows, vectors=_zeroed(rows.vectors, features), sequences=_zeroed(rows.sequences, channels))

    def change(rows: TrainingRows) -> TrainingRows:
        return TrainingRows(blind(rows.fit), blind(rows.calibration), blind(rows.evaluation))

    hybrid = fit_hybrid(table, week.fold, days=days, settings=settings, change=change, progress=progress)
    outputs = hybrid.outputs(_zeroed(week.vectors, features), _zeroed(week.sequences, channels))
    return Ablated(WITHOUT_FAMILY, family, week.measure(outputs["score"]))


def _columns(family: str) -> tuple[list[int], list[int]]:
    features = [index for index, feature in enumerate(FEATURES) if feature.family == family]
    return features, [SEQUENCE_CHANNELS.index(channel) for channel in FAMILY_CHANNELS.get(family, ())]


def _zeroed(values: NDArray[np.float32], columns: Collection[int]) -> NDArray[np.float32]:
    """Returns a copy with columns of the last axis set to 0."""
    blinded: NDArray[Any] = values.copy()
    blinded[..., list(columns)] = 0.0
    return blinded
