"""The hybrid model in the benchmark: trained as the platform trains it, scored through its ONNX graph.

A training sees the table up to the start of the test week and nothing after it.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.data.table import TransactionTable
from ml.model.fusion import COMPONENTS, fit_fusion
from ml.serving.runtime import PROBABILITIES, ScoringModel
from ml.training.rows import TrainingRows, load_rows
from ml.training.train import TrainingSettings, train
from ml.training.trained_model import TrainedModel
from ops.proving.bench.quality.protocol.fold import Fold

_CHUNK_ROWS = 4096
_FINDS_NOTHING = -60.0  # log-odds, constant for the stack and too low to add a novelty term
_LEAST_PROBABILITY = 1e-30
_EPSILON = 2.0**-25  # half the distance of 1 from the largest float32 below it
_VERSION = "v20260101T000000-000000"

Progress = Callable[[str, float], None]
"""Called with a stage's name and the finished share of that stage, in [0, 1]."""

Outputs = dict[str, NDArray[np.float64]]
"""The graph's probabilities [N] by name: `score` and the components."""


@dataclass(frozen=True)
class Hybrid:
    """A trained hybrid model.

    Attributes:
        trained: as `ml.training.train.train` returned it.
        rows: what it was trained on.
        training_seconds: from the table to the model.
    """

    trained: TrainedModel
    rows: TrainingRows
    training_seconds: float

    @property
    def training_rows(self) -> int:
        """Number of rows that components, fusion and calibration were fitted on."""
        return len(self.rows.fit) + len(self.rows.calibration)

    def outputs(self, vectors: NDArray[np.float32], sequences: NDArray[np.float32]) -> Outputs:
        """Returns the outputs of the served graph for vectors [N, F] and sequences [N, S, K]."""
        model = ScoringModel.from_files(self.trained.files(), version=_VERSION, manifest_hash="")
        chunks = [
            model.predict(vectors[start : start + _CHUNK_ROWS], sequences[start : start + _CHUNK_ROWS])
            for start in range(0, len(vectors), _CHUNK_ROWS)
        ]
        return {
            name: np.concatenate([getattr(chunk, name) for chunk in chunks]).astype(np.float64)
            for name in PROBABILITIES
        }

    def without_components(self, silent: Collection[str], outputs: Outputs) -> NDArray[np.float64]:
        """Returns the scores [N] of a fusion fitted anew, in which the silent components are constant."""
        calibration = self.trained.evidence.calibration
        fusion = fit_fusion(_log_odds(calibration.outputs, silent), calibration.labels)
        return fusion.scores(_log_odds(outputs, silent))


def _log_odds(outputs: Mapping[str, NDArray[np.floating[Any]]], silent: Collection[str]) -> NDArray[np.float64]:
    """Returns the components' log-odds [N, 4]; those of the silent ones are constant."""
    columns = []
    for name in COMPONENTS:
        probability = np.clip(outputs[name].astype(np.float64), _LEAST_PROBABILITY, 1.0 - _EPSILON)
        columns.append(
            np.full(len(probability), _FINDS_NOTHING) if name in silent else np.log(probability / (1.0 - probability))
        )
    return np.column_stack(columns)


def fit_hybrid(
    table: TransactionTable,
    fold: Fold,
    *,
    days: float,
    settings: TrainingSettings,
    change: Callable[[TrainingRows], TrainingRows] = lambda rows: rows,
    progress: Progress,
) -> Hybrid:
    """Trains on the `days` that end with the fold's training week.

    Args:
        table: all transactions; those from the test week on are cut off first.
        fold: which training week.
        days: length of the training window.
        settings: how to train.
        change: what to do to the rows before the training; nothing by default.
        progress: called with the training's stages.

    Raises:
        DataError: the window does not hold enough to learn from.
    """
    started = time.perf_counter()
    past, window = table.between(int(table.epoch_seconds[0]), fold.test_start), fold.window(days)
    progress("features", 0.0)
    rows = change(load_rows(past, window))
    progress("features", 1.0)
    trained = train(past, window=window, settings=settings, rows=rows, progress=progress)
    return Hybrid(trained, rows, time.perf_counter() - started)
