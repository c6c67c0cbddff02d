import re

import numpy as np
import pytest

from ml.features import definition
from ml.features.offline import compute_features
from ml.features.schema import (
    DEFINITION_VERSION,
    FEATURE_COUNT,
    FEATURE_NAMES,
    FEATURES,
    SEQUENCE_CHANNELS,
    SEQUENCE_LENGTH,
    schema_hash,
)
from ml.table import Column, TransactionTable

FAMILIES = ["amount_time", "customer_velocity", "customer_norm", "terminal_velocity", "terminal_risk", "novelty"]


def test_names_are_unique_and_families_stand_side_by_side() -> None:
    assert len(set(FEATURE_NAMES)) == FEATURE_COUNT == len(FEATURES)
    families = [feature.family for feature in FEATURES]
    assert sorted(families, key=FAMILIES.index) == families
    assert set(families) == set(FAMILIES)


def test_reason_codes_are_upper_snake_case() -> None:
    assert all(re.fullmatch(r"[A-Z]+(_[A-Z]+)*", feature.reason_code) for feature in FEATURES)


@pytest.mark.parametrize("scale", [0.0, 1.0, 2.5, 60.0])
def test_every_value_has_a_sentence_with_its_number(scale: float) -> None:
    vector = dict.fromkeys(FEATURE_NAMES, scale)
    for feature in FEATURES:
        text = feature.describe(scale, vector)
        assert len(text) > 10
        assert not text.endswith(".")
        assert "nan" not in text


def test_a_sentence_compares_with_the_customers_norm() -> None:
    vector = {**dict.fromkeys(FEATURE_NAMES, 0.0), "customer_rate_per_day": 2.0}
    count = FEATURES[FEATURE_NAMES.index("customer_count_1d")]
    assert count.describe(7, vector) == "7 payments in 24 h, this customer's norm is 2"


def test_the_hash_moves_with_every_number_of_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    before = schema_hash()
    assert re.fullmatch(r"[0-9a-f]{64}", before)
    monkeypatch.setattr(definition, "CUSTOMER_RING_CAPACITY", 12)
    assert schema_hash() != before


def fixed_history() -> TransactionTable:
    """A history that nothing but this file shapes."""
    step = np.arange(600)
    return TransactionTable.build(
        transaction_id=step,
        epoch_seconds=1_767_225_600 + step * 6_011,
        amount_units=10_000 + (step * step * 7_919) % 3_000_000,
        customer_id=Column((step * step % 7).astype(np.int32), tuple("abcdefg")),
        terminal_id=Column((step * 5 % 11).astype(np.int32), tuple("ABCDEFGHIJK")),
        device_id=Column((step % 5 - 1).astype(np.int32), tuple("wxyz")),
        country=Column((step % 23 // 20).astype(np.int32), ("DE", "FR")),
        is_fraud=(step % 9 == 0).astype(np.int8),
        label_known_at=1_767_225_600 + step * 6_011 + 300_000,
    )


def test_the_numbers_of_this_version_have_not_moved() -> None:
    """If this fails and the change is meant, raise DEFINITION_VERSION and pin the new numbers."""
    matrix = compute_features(fixed_history())
    assert matrix.sequences.shape[1:] == (SEQUENCE_LENGTH, len(SEQUENCE_CHANNELS))
    weights = np.arange(1, FEATURE_COUNT + 1)
    vectors = float(np.arcsinh(matrix.vectors).mean(axis=0) @ weights)
    sequences = float(np.abs(matrix.sequences, dtype=np.float64).mean())
    assert (DEFINITION_VERSION, round(vectors, 5), round(sequences, 5)) == (1, 3622.50298, 0.78316)
