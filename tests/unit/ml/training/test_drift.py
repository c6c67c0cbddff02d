import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.training.drift import Distribution, Reference, stability_index

values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)
counts = st.lists(st.integers(0, 1000), min_size=3, max_size=3)


@given(counts, counts)
def test_the_index_is_never_negative_and_symmetric(reference: list[int], current: list[int]) -> None:
    index = stability_index(reference, current)
    assert index >= 0
    assert index == pytest.approx(stability_index(current, reference))


@given(values)
def test_a_distribution_does_not_drift_from_itself(sample: list[float]) -> None:
    assert Distribution.of(np.array(sample)).stability_index(np.array(sample)) == pytest.approx(0, abs=1e-12)


def test_a_feature_that_was_constant_drifts_when_it_is_so_no_more() -> None:
    constant = Distribution.of(np.zeros(1000))
    assert constant.stability_index(np.zeros(1000)) == pytest.approx(0)
    assert constant.stability_index(np.full(1000, -1.0)) > 0.25


def test_small_samples_of_the_same_kind_stay_below_the_alarm() -> None:
    random = np.random.default_rng(3)
    reference = Distribution.of(random.normal(size=50_000))
    assert reference.stability_index(random.normal(size=1000)) < 0.1


def test_a_reference_survives_its_file() -> None:
    random = np.random.default_rng(4)
    reference = Reference.of(("a", "b"), random.normal(size=(500, 2)), random.random(500))
    assert Reference.from_json(reference.to_json()) == reference


def test_drift_names_the_feature_that_moved() -> None:
    random = np.random.default_rng(5)
    vectors = random.normal(size=(2000, 2))
    reference = Reference.of(("still", "moved"), vectors, random.random(2000))
    drift = reference.drift(("still", "moved"), vectors + np.array([0, 2]), random.random(2000))
    assert drift.features["moved"] > 0.25
    assert drift.features["still"] < 0.1
    assert drift.score < 0.1
    assert drift.rows == 2000


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"features": {"a": {}}, "score": {}}'])
def test_a_malformed_file_is_an_error(content: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Reference.from_json(content)
