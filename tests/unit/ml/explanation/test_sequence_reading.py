import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.data.table import TransactionTable
from ml.domain.amounts import UNITS_PER_CURRENCY_UNIT
from ml.explanation.findings import findings
from ml.explanation.sequence_reading import SequenceReading
from ml.features.kernel import FeatureMatrix
from ml.features.offline import compute_features
from ml.serving.runtime import ScoringModel

NOW = 1_785_499_200  # Friday, 31 July 2026, 12:00 UTC
ROWS = 300


def reading(*gaps: int, rises: list[float], amount: float = 20.0, start: float | None = -5.0) -> SequenceReading:
    """Payments that lie `gaps` seconds apart, the last one now."""
    at = [NOW - sum(gaps[place:]) for place in range(len(gaps) + 1)]
    log_odds = np.cumsum([start, *rises] if start is not None else rises).tolist()
    return SequenceReading(at, [amount] * len(at), log_odds)


def test_steps_are_the_customers_own_payments(history: TransactionTable, model: ScoringModel) -> None:
    rows = np.arange(len(history) - ROWS, len(history))
    matrix: FeatureMatrix = compute_features(history, rows)
    for row, found in zip(
        rows.tolist(), findings(matrix, model.predict(matrix.vectors, matrix.sequences)), strict=True
    ):
        read = SequenceReading.decode(
            found.steps.tolist(),
            log_amounts=found.log_amounts.tolist(),
            log_gap_hours=found.log_gap_hours.tolist(),
            epoch_seconds=int(history.epoch_seconds[row]),
        )
        own = np.flatnonzero(history.customer_id.codes[: row + 1] == history.customer_id.codes[row])[-len(read.at) :]
        assert read.at == history.epoch_seconds[own].tolist()
        assert read.amount == pytest.approx((history.amount_units[own] / UNITS_PER_CURRENCY_UNIT).tolist(), abs=0.005)


@given(
    st.lists(st.integers(0, 24 * 86_400), max_size=15),
    st.floats(0.01, 1e9),
)
def test_times_survive_float32_exactly_and_amounts_to_four_digits(gaps: list[int], amount: float) -> None:
    hours = np.array([0, *gaps]) / 3600
    read = SequenceReading.decode(
        [0.0] * (len(gaps) + 2),
        log_amounts=np.full(len(hours), np.log1p(amount), np.float32).tolist(),
        log_gap_hours=np.log1p(hours).astype(np.float32).tolist(),
        epoch_seconds=NOW,
    )
    assert [after - before for before, after in pairwise(read.at)] == gaps
    assert read.amount[0] == pytest.approx(amount, rel=5.1e-4, abs=0.006)


def test_beyond_a_gap_too_long_to_decode_times_are_unknown() -> None:
    read = SequenceReading.decode(
        [0.0] * 4,
        log_amounts=[3.0] * 3,
        log_gap_hours=np.log1p([1.0, 60 * 24.0, 2.0]).astype(np.float32).tolist(),
        epoch_seconds=NOW,
    )
    assert read.at == [None, NOW - 7200, NOW]


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=17))
def test_the_lowest_log_odds_and_all_rises_add_up_to_the_answer(log_odds: list[float]) -> None:
    read = SequenceReading([NOW] * (len(log_odds) - 1), [1.0] * (len(log_odds) - 1), log_odds)
    assert min(log_odds) + math.fsum(read.rises()) == pytest.approx(log_odds[-1], abs=1e-12)
    assert min(read.rises()) >= 0


def test_a_rise_that_the_next_payment_undoes_does_not_count() -> None:
    read = reading(60, 60, 60, rises=[0.5, 6.0, -5.5, 1.5])
    assert read.rises() == [0.5, 0.5, 0.0, 1.5]
    assert read.decisive() == 3


def test_the_rise_of_the_first_payment_of_a_full_sequence_is_unknown() -> None:
    read = reading(60, 60, rises=[9.0, 0.5, 1.0], start=None)
    assert read.rises() == [None, 0.5, 1.0]
    assert read.decisive() == 2


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (
            reading(rises=[2.0]),
            "this is the customer's first known payment; its amount, hour and terminal alone were judged",
        ),
        (
            reading(180, 5400, rises=[0.1, 4.0, 1.0]),
            (
                "the order and timing of this customer's last 3 payments; the one of 20.00 on 31 Jul 10:30 UTC, "
                "3 min after the one before, raised the risk most"
            ),
        ),
        (
            reading(400_000, rises=[0.1, 4.0], amount=123_400.0),
            (
                "the order and timing of this customer's last 2 payments; this one, 5 days after the one before, "
                "raised the risk most"
            ),
        ),
        (
            reading(3600, rises=[4.0, -1.0], amount=123_400.0),
            (
                "the order and timing of this customer's last 2 payments; the one of about 123400 on 31 Jul 11:00 UTC "
                "raised the risk most"
            ),
        ),
        (
            reading(3600, rises=[-4.0, -1.0]),
            "the order and timing of this customer's last 2 payments; no single one stands out",
        ),
        (
            SequenceReading([None, NOW], [20.0, 5.0], [0.0, 2.0, 1.0]),
            "the order and timing of this customer's last 2 payments; the one of 20.00 raised the risk most",
        ),
    ],
)
def test_the_sentence_names_the_payment_that_mattered_most(read: SequenceReading, text: str) -> None:
    assert read.describe() == text


def test_the_stored_form_is_read_back() -> None:
    read = reading(60, rises=[0.5, -1.0])
    assert SequenceReading(**read.wire()) == read
