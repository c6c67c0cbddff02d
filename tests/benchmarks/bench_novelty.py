"""Measures what the unsupervised components are for: fraud of a kind that no label has told of yet.

For each fraud pattern of a simulated history its labels are hidden, a model is trained, and the hidden frauds of the
evaluation week are searched, with and without the fusion's unsupervised voice.

Run: `python tests/benchmarks/bench_novelty.py --data PATH`. The file needs the column `scenario`.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml.datasets import load_transactions
from ml.evaluation import average_precision
from ml.features.offline import compute_features
from ml.model import fusion
from ml.runtime import ScoringModel
from ml.table import NEVER, UNKNOWN, TransactionTable
from ml.training import train
from ml.training_window import DAY_SECONDS, TrainingWindow

ALERTS_PER_DAY = 100
CHUNK_ROWS = 4096


def scores_of(model: ScoringModel, table: TransactionTable, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Returns the fused scores of rows."""
    parts = []
    for start in range(0, len(rows), CHUNK_ROWS):
        matrix = compute_features(table, rows[start : start + CHUNK_ROWS])
        parts.append(model.predict(matrix.vectors, matrix.sequences).score)
    return np.concatenate(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--end", help="nothing from this date on is looked at")
    arguments = parser.parse_args()
    table = load_transactions(arguments.data).table
    if arguments.end:
        table = table.between(0, int(np.datetime64(arguments.end, "s").astype(np.int64)))
    window = TrainingWindow.before(int(table.epoch_seconds[-1]) + 1)
    share = fusion.NOVELTY_SHARE
    for scenario in np.unique(table.scenario[table.scenario > 0]).tolist():
        hidden = table.scenario == scenario
        unlabelled = replace(
            table,
            is_fraud=np.where(hidden, UNKNOWN, table.is_fraud).astype(np.int8),
            label_known_at=np.where(hidden, NEVER, table.label_known_at),
        )
        rows = np.flatnonzero((table.epoch_seconds >= window.as_of) & (hidden | (table.is_fraud == 0)))
        labels = hidden[rows].astype(np.int64)
        days = (window.evaluation_end - window.as_of) / DAY_SECONDS
        for voice in (0.0, share):
            fusion.NOVELTY_SHARE = voice
            model = ScoringModel.from_files(
                train(unlabelled, window=window).files(), version="v20260101T000000-000000", manifest_hash=""
            )
            scores = scores_of(model, unlabelled, rows)
            alarms = np.argsort(-scores, kind="stable")[: round(ALERTS_PER_DAY * days)]
            print(
                f"pattern {scenario} hidden, unsupervised voice {voice:.1f}: {labels.sum()} frauds, average precision "
                f"{average_precision(labels, scores):.3f}, recall in {ALERTS_PER_DAY} alerts a day "
                f"{labels[alarms].sum() / labels.sum():.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
