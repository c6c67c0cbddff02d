from dataclasses import asdict, replace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ml.data.table import TransactionTable
from ml.domain.decision import Breakdown, Reason
from ml.explanation.findings import Findings, findings
from ml.explanation.full_explanation import full_explanation, stored_explanation
from ml.explanation.reasons import top_reasons
from ml.explanation.scores import ModelScores
from ml.features.kernel import FeatureMatrix
from ml.features.offline import compute_features
from ml.features.schema import FEATURE_COUNT, FEATURE_NAMES, FEATURES
from ml.model.terms import TERMS
from ml.serving.runtime import ScoringModel

MIDDAY = 1_785_499_200  # Friday, 31 July 2026, 12:00 UTC
BREAKDOWN = Breakdown(tabular=0.1, anomaly=0.7, autoencoder=0.9, sequence=0.2)
ROWS = 1_500
ROUNDING = 2e-4
"""In log-odds. A served probability is good to about 1e-7, which is 1e-4 of 0.001."""


def found(**parts: float) -> Findings:
    """Findings about a vector of ones, in which everything but `parts` speaks slightly for the customer."""
    values = np.full(FEATURE_COUNT + len(TERMS), -0.01, np.float32)
    for name, value in parts.items():
        values[(*FEATURE_NAMES, *TERMS).index(name)] = value
    return Findings(
        vector=np.ones(FEATURE_COUNT),
        contributions=values[:FEATURE_COUNT],
        terms=values[FEATURE_COUNT:],
        bias=-3.0,
        steps=np.array([-6.0, -5.5, -2.0, -1.0], np.float32),
        log_amounts=np.log1p(np.array([20.0, 512.3, 8.0], np.float32)),
        log_gap_hours=np.log1p(np.array([30.0, 0.05, 2.0], np.float32)),
        reconstruction=np.array([0, 2, 1, 12.5, 3.0, 2.0, 0.5, 0.25, 0.125], np.float32),
        rarity={"anomaly": 0.995, "autoencoder": 0.0},
    )


def reasons(of: Findings) -> tuple[Reason, ...]:
    return top_reasons(of, BREAKDOWN, epoch_seconds=MIDDAY)


def explained(of: Findings, *, breakdown: Breakdown = BREAKDOWN, epoch_seconds: int = MIDDAY) -> dict[str, Any]:
    """The full explanation after the way through the outbox and a store."""
    sent = orjson.loads(orjson.dumps(of.wire(), option=orjson.OPT_SERIALIZE_NUMPY))
    return full_explanation(stored_explanation(sent, epoch_seconds=epoch_seconds), asdict(breakdown))


@pytest.fixture(scope="module")
def matrix(history: TransactionTable) -> FeatureMatrix:
    return compute_features(history, np.arange(len(history) - ROWS, len(history)))


@pytest.fixture
def scores(model: ScoringModel, matrix: FeatureMatrix) -> ModelScores:
    return model.predict(matrix.vectors, matrix.sequences)


def test_reasons_are_the_strongest_pushes_towards_fraud_in_order() -> None:
    chosen = reasons(found(amount=0.5, is_night=2.0, is_new_terminal=1.0, is_weekend=0.1))
    assert [reason.code for reason in chosen] == ["TIME_OF_DAY", "NEW_TERMINAL", "AMOUNT"]
    assert [reason.contribution for reason in chosen] == [2.0, 1.0, 0.5]


def test_a_reason_code_appears_once_with_its_strongest_part() -> None:
    chosen = reasons(found(amount=0.5, amount_log=0.75, anomaly=0.25, novelty=1.5, autoencoder=1.0))
    assert [(reason.code, reason.feature) for reason in chosen] == [
        ("UNUSUAL_PAYMENT", "novelty"),
        ("AMOUNT", "amount_log"),
    ]


def test_nothing_that_speaks_for_the_customer_is_a_reason() -> None:
    assert reasons(found()) == ()


@pytest.mark.parametrize(
    ("term", "value", "text"),
    [
        (
            "sequence",
            0.2,
            (
                "the order and timing of this customer's last 3 payments; the one of 512.30 on 31 Jul 10:00 UTC, "
                "3 min after the one before, raised the risk most"
            ),
        ),
        ("anomaly", 0.7, "the payment as a whole is more unusual than 99.5% of legitimate ones"),
        (
            "autoencoder",
            0.9,
            (
                "the combination of this payment's features is no more unusual than half of the legitimate ones; "
                "least expected: the amount is 1.00"
            ),
        ),
        (
            "novelty",
            0.9,
            (
                "apart from every known kind of fraud, this payment is more unusual than 99.5% of legitimate ones; "
                "least expected: the amount is 1.00"
            ),
        ),
    ],
)
def test_a_component_that_raised_the_score_is_a_reason_with_numbers(term: str, value: float, text: str) -> None:
    (reason,) = reasons(found(**{term: 0.75}))
    assert (reason.feature, reason.value, reason.contribution, reason.text) == (term, value, 0.75, text)


def test_reasons_are_the_top_three_of_the_full_explanation(
    matrix: FeatureMatrix, scores: ModelScores, history: TransactionTable
) -> None:
    times = history.epoch_seconds[-ROWS:].tolist()
    seen = set()
    for row, each in enumerate(findings(matrix, scores)):
        components = [getattr(scores, name)[row] for name in ("tabular", "anomaly", "autoencoder", "sequence")]
        breakdown = Breakdown(*map(float, components))
        strongest: dict[str, dict[str, Any]] = {}
        for part in explained(each, breakdown=breakdown, epoch_seconds=times[row])["contributions"]:
            if part["contribution"] > 0:
                strongest.setdefault(part["code"], part)
        expected = [(part["code"], part["feature"], part["text"]) for part in list(strongest.values())[:3]]
        chosen = top_reasons(each, breakdown, epoch_seconds=times[row])
        assert [(reason.code, reason.feature, reason.text) for reason in chosen] == expected
        seen |= {reason.feature for reason in chosen}
    assert seen & set(TERMS)  # otherwise no term's sentence was compared


def test_all_parts_add_up_to_the_score(matrix: FeatureMatrix, scores: ModelScores) -> None:
    totals = np.array([explained(each)["log_odds"] for each in findings(matrix, scores)])
    score = scores.score.astype(np.float64)
    # At both ends a float32 probability no longer holds its log-odds.
    middle = (score > 1e-3) & (score < 0.999)
    assert middle.sum() > 500
    np.testing.assert_allclose(totals[middle], np.log(score / (1 - score))[middle], atol=ROUNDING)
    np.testing.assert_allclose(1 / (1 + np.exp(-totals)), score, atol=1e-6)


@given(
    arrays(np.float64, FEATURE_COUNT, elements=st.floats(0, 1e4)),
    arrays(np.float32, FEATURE_COUNT, elements=st.floats(-5, 5, width=32)),
)
def test_every_value_has_a_text_and_everything_is_json(vector: np.ndarray, parts: np.ndarray) -> None:
    full = explained(replace(found(), vector=vector, contributions=parts))
    assert len(full["contributions"]) == FEATURE_COUNT + len(TERMS)
    assert all(part["text"] for part in full["contributions"])
    orjson.dumps(full)


def test_the_explanation_holds_the_steps_and_the_least_expected_features() -> None:
    full = explained(found())
    sequence, autoencoder = full["sequence"], full["unusual"]["autoencoder"]
    assert (sequence["lowest"], sequence["log_odds"], sequence["decisive"]) == (-6.0, -1.0, 1)
    assert sequence["steps"][1] == {"at": "2026-07-31T10:00:00Z", "amount": 512.3, "log_odds": -2.0, "rise": 3.5}
    assert full["unusual"]["anomaly"] == {"rarer_than": 0.995}
    assert [item["feature"] for item in autoencoder["least_expected"]] == [FEATURE_NAMES[place] for place in (0, 2, 1)]
    assert autoencoder["least_expected"][0] == {
        "feature": FEATURE_NAMES[0],
        "value": 1.0,
        "expected": 12.5,
        "share": 0.5,
        "text": FEATURES[0].describe(1.0, dict.fromkeys(FEATURE_NAMES, 1.0)),
    }


def test_a_feature_of_an_older_schema_gets_name_and_value_as_text() -> None:
    stored = {"bias": -1.0, "vector": {"gone": 2.5}, "contributions": {"gone": 0.5}}
    (item,) = full_explanation(stored, asdict(BREAKDOWN))["contributions"]
    assert (item["text"], item["code"], item["contribution"]) == ("gone is 2.5", None, 0.5)


def test_a_feature_whose_comparison_is_missing_gets_name_and_value_as_text() -> None:
    stored = {"bias": -1.0, "vector": {"customer_ratio_max": 2.5}, "contributions": {"customer_ratio_max": 0.5}}
    (item,) = full_explanation(stored, asdict(BREAKDOWN))["contributions"]
    assert item["text"] == "customer_ratio_max is 2.5"
