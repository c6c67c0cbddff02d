import math

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ml.explanation import top_reasons
from ml.features.offline import compute_features
from ml.features.schema import FEATURE_COUNT, FEATURE_NAMES
from ml.full_explanation import full_explanation, stored_explanation
from ml.runtime import ScoringModel
from ml.table import TransactionTable

VECTOR = np.ones(FEATURE_COUNT)


def contributions(**named: float) -> np.ndarray:
    values = np.full(FEATURE_COUNT, -0.01)
    for name, value in named.items():
        values[FEATURE_NAMES.index(name)] = value
    return values


def test_reasons_are_the_strongest_pushes_towards_fraud_in_order() -> None:
    reasons = top_reasons(VECTOR, contributions(amount=0.5, is_night=2.0, is_new_terminal=1.0, is_weekend=0.1))
    assert [reason.code for reason in reasons] == ["TIME_OF_DAY", "NEW_TERMINAL", "AMOUNT"]
    assert [reason.contribution for reason in reasons] == [2.0, 1.0, 0.5]


def test_a_reason_code_appears_once_with_its_strongest_feature() -> None:
    reasons = top_reasons(VECTOR, contributions(amount=0.5, amount_log=0.7))
    assert [(reason.code, reason.feature) for reason in reasons] == [("AMOUNT", "amount_log")]


def test_nothing_that_speaks_for_the_customer_is_a_reason() -> None:
    assert top_reasons(VECTOR, contributions()) == ()


def test_reasons_and_explanation_agree_on_the_top_three(model: ScoringModel, history: TransactionTable) -> None:
    matrix = compute_features(history, np.arange(len(history) - 300, len(history)))
    scores = model.predict(matrix.vectors, matrix.sequences)
    for row in np.argsort(-scores.score)[:50]:
        vector, parts = matrix.vectors[row], scores.contributions[row]
        full = full_explanation(stored_explanation(vector.tolist(), parts.astype(float).tolist(), bias=scores.bias))
        strongest: dict[str, str] = {}
        for item in full["contributions"]:
            if item["contribution"] > 0:
                strongest.setdefault(item["code"], item["feature"])
        reasons = top_reasons(vector, parts)
        assert [(reason.code, reason.feature) for reason in reasons] == list(strongest.items())[:3]
        texts = {item["feature"]: item["text"] for item in full["contributions"]}
        assert all(reason.text == texts[reason.feature] for reason in reasons)
        probability = 1 / (1 + math.exp(-full["tabular_log_odds"]))
        assert probability == pytest.approx(float(scores.tabular[row]), abs=1e-6)


@given(
    arrays(np.float64, FEATURE_COUNT, elements=st.floats(0, 1e4)),
    arrays(np.float32, FEATURE_COUNT, elements=st.floats(-5, 5, width=32)),
)
def test_every_value_has_a_text_and_everything_is_json(vector: np.ndarray, parts: np.ndarray) -> None:
    full = full_explanation(stored_explanation(vector.tolist(), parts.astype(float).tolist(), bias=-3.0))
    assert len(full["contributions"]) == FEATURE_COUNT
    assert all(item["text"] for item in full["contributions"])
    orjson.dumps(full)
    assert math.isclose(full["tabular_log_odds"], math.fsum([-3.0, *parts.astype(float).tolist()]), abs_tol=1e-9)


def test_a_feature_of_an_older_schema_is_told_by_name_and_value() -> None:
    stored = {"bias": -1.0, "vector": {"gone": 2.5}, "contributions": {"gone": 0.5}}
    (item,) = full_explanation(stored)["contributions"]
    assert (item["text"], item["code"], item["contribution"]) == ("gone is 2.5", None, 0.5)
