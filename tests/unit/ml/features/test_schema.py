import re

import numpy as np
import pytest

from ml.data.table import Column, TransactionTable
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


@pytest.mark.parametrize(
    ("name", "value", "others", "text"),
    [
        (
            "customer_count_1d",
            7,
            {"customer_history": 20, "customer_rate_per_day": 2.0},
            "7 payments in 24 h, this customer's norm is 2",
        ),
        (
            "customer_count_30d",
            1,
            {"customer_history": 20, "customer_rate_per_day": 4.25},
            "1 payment in 30 days, this customer's norm is 128",
        ),
        ("customer_count_1h", 0, {}, "no earlier payment of this customer is known"),
        (
            "customer_ratio_mean_7d",
            4.04,
            {"amount": 80.8, "customer_count_7d": 3},
            "the amount 80.80 is 4.0 times this customer's mean over 7 days",
        ),
        (
            "customer_ratio_mean_7d",
            1.0,
            {"amount": 80.8},
            "this customer made no payment in the 7 days before this one",
        ),
        (
            "customer_zscore_30d",
            -1.25,
            {"amount": 5.0, "customer_count_30d": 9},
            "the amount 5.00 lies 1.2 deviations below this customer's mean over 30 days",
        ),
        ("hour", 12.083333, {}, "the payment was made at 12:05 UTC"),
        ("is_night", 1, {"hour": 23.999722}, "the payment was made at 23:59 UTC"),
        ("terminal_frauds_7d", 1, {}, "1 confirmed fraud at this terminal became known in the last 7 days"),
        ("terminal_fraud_share_7d", 0.0, {}, "no fraud at this terminal became known in the last 7 days"),
        ("terminal_fraud_share_last_5", 0.5, {}, "this terminal's last labelled payments (5 at most): 50% fraud"),
        ("is_new_device", 1, {}, "this customer was never seen with this device before"),
    ],
)
def test_a_sentence_says_what_its_number_means(name: str, value: float, others: dict[str, float], text: str) -> None:
    vector = dict.fromkeys(FEATURE_NAMES, 0.0) | others | {name: value}
    assert FEATURES[FEATURE_NAMES.index(name)].describe(value, vector) == text


def test_the_hash_moves_with_every_number_of_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    before = schema_hash()
    assert re.fullmatch(r"[0-9a-f]{64}", before)
    monkeypatch.setattr(definition, "CUSTOMER_NEWEST", 12)
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
    assert (DEFINITION_VERSION, round(vectors, 5), round(sequences, 5)) == (3, 4353.31443, 0.78316)
