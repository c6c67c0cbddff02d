from typing import Any

import numpy as np
import pytest

from ml.model.graph import GraphBuilder
from ml.model.sequence import SequenceModel, fit_sequence_model
from ml.training.evaluation import roc_auc


@pytest.fixture(scope="module")
def sequence_model(rows: Any) -> SequenceModel:
    return fit_sequence_model(rows.sequences, rows.labels, epochs=4, seed=1)


def test_graph_gives_the_log_odds_of_torch(sequence_model: SequenceModel, rows: Any, run: Any) -> None:
    graph = GraphBuilder()
    log_odds, _ = sequence_model.add_to(graph, graph.input("sequences", rows.sequences.shape[1:]))
    (served,) = run(graph, [(log_odds, None)], sequences=rows.sequences)
    np.testing.assert_allclose(served, sequence_model.logits(rows.sequences), atol=1e-5)


def test_the_running_log_odds_end_in_the_log_odds_and_equal_those_of_torch(
    sequence_model: SequenceModel, rows: Any, run: Any
) -> None:
    graph = GraphBuilder()
    log_odds, running = sequence_model.add_to(graph, graph.input("sequences", rows.sequences.shape[1:]))
    steps = rows.sequences.shape[1]
    last, served = run(graph, [(log_odds, None), (running, steps)], sequences=rows.sequences)
    assert np.array_equal(served[:, -1], last)
    np.testing.assert_allclose(served, sequence_model.running_logits(rows.sequences), atol=1e-5)
    rises = np.diff(served.astype(np.float64), axis=1)
    np.testing.assert_allclose(served[:, 0] + rises.sum(axis=1), last, atol=1e-12)


def test_a_step_is_judged_as_if_the_sequence_ended_there(sequence_model: SequenceModel, rows: Any) -> None:
    cut = rows.sequences[:, :3]
    np.testing.assert_allclose(
        sequence_model.running_logits(rows.sequences)[:, 2], sequence_model.logits(cut), atol=1e-6
    )


def test_it_learns_from_past_steps_alone(rows: Any) -> None:
    labels = (rows.sequences[:, :-1, 0].sum(axis=1) > 2).astype(np.int8)
    fitted = fit_sequence_model(rows.sequences[:3000], labels[:3000], epochs=8, seed=1)
    assert roc_auc(labels[3000:], fitted.logits(rows.sequences[3000:])) > 0.9


def test_left_out_legitimate_rows_do_not_raise_the_log_odds(rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml.model.sequence.LEGITIMATE_ROWS", 500)
    thinned = fit_sequence_model(rows.sequences, rows.labels, epochs=4, seed=1)
    expected = 1 / (1 + np.exp(-thinned.logits(rows.sequences)))
    # Within a third of the true rate; uncorrected it would be several times too high.
    assert expected.mean() == pytest.approx(rows.labels.mean(), rel=0.33)
