from collections.abc import Iterator

import pytest

from ml.data.table import TransactionTable
from ml.features.schema import FEATURE_NAMES, SEQUENCE_CHANNELS
from ml.model.fusion import COMPONENTS
from ml.training.rows import TrainingRows
from ml.training.train import TrainingSettings
from ops.proving.bench.quality.detectors import ablation
from ops.proving.bench.quality.detectors.ablation import ALONE, FAMILIES, FAMILY_CHANNELS, WITHOUT_COMPONENT
from ops.proving.bench.quality.detectors.hybrid import Hybrid, Outputs, fit_hybrid
from ops.proving.bench.quality.protocol.counted_week import TestWeek


def test_the_channels_of_families_exist_and_belong_to_one_family_each() -> None:
    channels = [channel for names in FAMILY_CHANNELS.values() for channel in names]
    assert FAMILY_CHANNELS.keys() <= set(FAMILIES)
    assert len(set(channels)) == len(channels)
    # A new channel belongs to a family too; a step's place in the sequence belongs to none.
    assert set(channels) == set(SEQUENCE_CHANNELS) - {"present"}


def test_every_component_is_measured_alone_and_removed(hybrid: Hybrid, week: TestWeek, outputs: Outputs) -> None:
    ablated = list(ablation.ablate_components(hybrid, week, outputs))
    assert [(item.kind, item.part) for item in ablated] == [
        *((ALONE, name) for name in COMPONENTS),
        *((WITHOUT_COMPONENT, name) for name in COMPONENTS),
    ]
    assert {item.quality.rows for item in ablated} == {len(week)}


@pytest.mark.slow
def test_a_removed_family_is_constant_in_training_and_in_test(
    history: TransactionTable, week: TestWeek, quick_settings: TrainingSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Hybrid, TrainingRows]] = []

    def watched(*arguments: object, **keywords: object) -> Hybrid:
        hybrid = fit_hybrid(*arguments, **keywords)  # type: ignore[arg-type]
        seen.append((hybrid, hybrid.rows))
        return hybrid

    monkeypatch.setattr(ablation, "fit_hybrid", watched)
    ablated = ablation.ablate_family(
        "terminal_risk",
        history,
        week,
        days=14,
        settings=quick_settings,
        progress=lambda _stage, _share: None,
    )
    ((_, rows),) = seen
    assert ablated.quality.rows == len(week)
    for part in (rows.fit, rows.calibration):
        assert set(_varying(part.vectors, FEATURE_NAMES)).isdisjoint(
            {"terminal_frauds_1d", "terminal_fraud_share_last_5", "terminal_fraud_run"}
        )
        assert {"terminal_fraud_share_30d", "terminal_fraud_share_last_5"}.isdisjoint(
            _varying(part.sequences, SEQUENCE_CHANNELS)
        )
        assert "amount" in set(_varying(part.vectors, FEATURE_NAMES))


def _varying(values: object, names: tuple[str, ...]) -> Iterator[str]:
    import numpy as np

    columns = np.asarray(values).reshape(-1, len(names))
    return (name for name, column in zip(names, columns.T, strict=True) if np.ptp(column) > 0)
