from typing import Any

import numpy as np
import pytest

from ml.model.autoencoder import WORST_FEATURES, Autoencoder, fit_autoencoder
from ml.model.graph import GraphBuilder


@pytest.fixture(scope="module")
def autoencoder(rows: Any) -> Autoencoder:
    return fit_autoencoder(rows.vectors, epochs=4, seed=1)


def test_graph_gives_the_errors_of_torch(autoencoder: Autoencoder, rows: Any, run: Any) -> None:
    graph = GraphBuilder()
    errors, _ = autoencoder.add_to(graph, graph.input("vectors", [rows.vectors.shape[1]]))
    (served,) = run(graph, [(errors, None)], vectors=rows.vectors)
    np.testing.assert_allclose(served, autoencoder.log_errors(rows.vectors), atol=1e-5)


def test_graph_names_the_features_that_torch_rebuilds_worst(autoencoder: Autoencoder, rows: Any, run: Any) -> None:
    graph = GraphBuilder()
    _, reconstruction = autoencoder.add_to(graph, graph.input("vectors", [rows.vectors.shape[1]]))
    (served,) = run(graph, [(reconstruction, 3 * WORST_FEATURES)], vectors=rows.vectors)
    positions, expected, shares = np.split(served, 3, axis=1)
    errors = autoencoder.squared_errors(rows.vectors)
    order = np.argsort(-errors, axis=1, kind="stable")[:, :WORST_FEATURES]
    places = positions.astype(int)
    worst = np.take_along_axis(errors, order, axis=1)
    # Two errors may be equal but for rounding; then either may come first.
    np.testing.assert_allclose(np.take_along_axis(errors, places, axis=1), worst, rtol=1e-4)
    assert (places == order).mean() > 0.999
    native = np.take_along_axis(autoencoder.expected(rows.vectors), places, axis=1)
    np.testing.assert_allclose(expected, native, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(shares, worst / errors.sum(axis=1, keepdims=True), rtol=1e-4)


def test_an_autoencoder_of_some_columns_is_blind_to_the_others_and_names_positions_in_the_whole_vector(
    rows: Any, run: Any
) -> None:
    columns = [7, 0, 3, 9]
    autoencoder = fit_autoencoder(rows.vectors, columns=columns, epochs=1, seed=1)
    changed = rows.vectors.copy()
    changed[:, [column for column in range(changed.shape[1]) if column not in columns]] = 1e6
    changed[0, 9] = 1e6
    graph = GraphBuilder()
    errors, reconstruction = autoencoder.add_to(graph, graph.input("vectors", [rows.vectors.shape[1]]))
    outputs = [(errors, None), (reconstruction, 3 * WORST_FEATURES)]
    served, worst = run(graph, outputs, vectors=changed)
    np.testing.assert_allclose(served, autoencoder.log_errors(changed), atol=1e-5)
    np.testing.assert_allclose(served[1:], autoencoder.log_errors(rows.vectors)[1:], atol=1e-5)
    assert worst[0, 0] == 9
    assert np.isin(worst[:, :WORST_FEATURES], columns).all()


def test_errors_count_in_units_of_what_is_usual(autoencoder: Autoencoder, rows: Any) -> None:
    # A feature that cannot be predicted weighs no more than one that can; a constant has no error to speak of.
    means = autoencoder.squared_errors(rows.vectors).mean(axis=0)
    np.testing.assert_allclose(np.delete(means, 5), 1.0, atol=0.05)
    assert means[5] < 1.0


def test_a_row_unlike_all_seen_has_a_larger_error(autoencoder: Autoencoder, rows: Any) -> None:
    stranger = np.abs(rows.vectors[:1]) * 10 + 10
    assert autoencoder.log_errors(stranger)[0] > np.quantile(autoencoder.log_errors(rows.vectors), 0.99)


def test_a_wild_value_saturates(autoencoder: Autoencoder, rows: Any) -> None:
    wild = np.repeat(rows.vectors[:1], 2, axis=0)
    wild[:, 3] = [1e6, 1e30]
    first, second = autoencoder.log_errors(wild)
    assert first == second


def test_training_reports_each_epoch_and_leaves_the_global_generator_alone(rows: Any) -> None:
    import torch

    epochs: list[int] = []
    before = torch.random.get_rng_state()
    fit_autoencoder(rows.vectors[:500], epochs=2, seed=1, after_epoch=epochs.append)
    assert epochs == [1, 2]
    assert torch.equal(before, torch.random.get_rng_state())
