"""Measures the model on the request path: the graph by batch size, reasons, golden check.

Run: `python -m tests.benchmarks.bench_model [--data PATH]`. One thread; the best of several rounds, because on a
shared machine only the best is about the code.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import orjson

from ml.data.datasets import load_transactions
from ml.data.simulator import simulate
from ml.domain.decision import Breakdown, Reason
from ml.explanation.findings import findings
from ml.explanation.full_explanation import full_explanation, stored_explanation
from ml.explanation.reasons import top_reasons
from ml.features.kernel import FeatureMatrix
from ml.features.offline import compute_features
from ml.serving.runtime import ScoringModel
from ml.training.train import train
from ml.training.window import TrainingWindow

ROUNDS = 9
CALLS = 300
BATCHES = (1, 8, 16, 32, 64)
COMPONENTS = ("tabular", "anomaly", "autoencoder", "sequence")


def best_microseconds(action: Callable[[], object], calls: int) -> float:
    """Returns the time of one of `calls` calls made by `action`, in the fastest round."""
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return min(seconds) / calls * 1e6


def time_graph(model: ScoringModel, matrix: FeatureMatrix) -> None:
    """Prints the time of one run by batch size."""
    for size in BATCHES:
        starts = range(0, min(len(matrix.vectors), CALLS * size) - size + 1, size)

        def score(starts: range = starts, size: int = size) -> None:
            for start in starts:
                model.predict(matrix.vectors[start : start + size], matrix.sequences[start : start + size])

        each = best_microseconds(score, len(starts))
        print(f"predict {size:>3} rows: {each:7.1f} µs, {each / size:6.1f} µs a row")


def time_explanations(model: ScoringModel, matrix: FeatureMatrix, times: Sequence[int]) -> None:
    """Prints what reasons cost on the request path and explanations off it, and how long they are in an event."""
    scores = model.predict(matrix.vectors, matrix.sequences)
    columns = (getattr(scores, name).tolist() for name in COMPONENTS)
    breakdowns = [Breakdown(*row) for row in zip(*columns, strict=True)]
    every = list(findings(matrix, scores))
    print(f"findings: {best_microseconds(lambda: list(findings(matrix, scores)), len(every)):.1f} µs a row")

    def reasons(chosen: Sequence[int]) -> list[tuple[Reason, ...]]:
        return [top_reasons(every[row], breakdowns[row], epoch_seconds=times[row]) for row in chosen]

    rows = range(len(every))
    print(f"top_reasons: {best_microseconds(lambda: reasons(rows), len(rows)):.1f} µs a row")
    ordered = [row for row, of in enumerate(reasons(rows)) if any(reason.feature == "sequence" for reason in of)]
    if ordered:
        each = best_microseconds(lambda: reasons(ordered), len(ordered))
        print(f"top_reasons with the order of payments among them: {each:.1f} µs a row")
    sent = [orjson.dumps(found.wire(), option=orjson.OPT_SERIALIZE_NUMPY) for found in every]
    print(f"findings in an outbox event: {np.mean([len(body) for body in sent]):.0f} bytes")

    def explanations() -> None:
        for row in range(CALLS):
            stored = stored_explanation(orjson.loads(sent[row]), epoch_seconds=times[row])
            full_explanation(stored, asdict(breakdowns[row]))

    print(f"stored and full explanation: {best_microseconds(explanations, CALLS):.1f} µs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="history file; default: simulated")
    arguments = parser.parse_args()
    if arguments.data:
        table = load_transactions(arguments.data).table
    else:
        table = simulate(customers=1500, terminals=3000, days=60, seed=1)
    window = TrainingWindow.before(int(table.epoch_seconds[-1]) + 1)
    started = time.perf_counter()
    trained = train(table, window=window)
    print(f"trained on {trained.record['rows']['fit']:,} rows in {time.perf_counter() - started:.1f} s")
    for name, quality in trained.measurement.quality.items():
        cards = quality.card_precision
        print(
            f"  {name:<12} AUC {quality.auc:.3f}  average precision {quality.average_precision:.3f}  "
            f"card precision@100 {cards.value:.3f} of {cards.ceiling:.3f}"
        )
    model = ScoringModel.from_files(trained.files(), version="v20260101T000000-000000", manifest_hash="")
    model.warm_up()
    rows = np.arange(len(table) - CALLS * 8, len(table))
    matrix = compute_features(table, rows)
    time_graph(model, matrix)
    time_explanations(model, matrix, table.epoch_seconds[rows].tolist())


if __name__ == "__main__":
    main()
