"""Measures what tiles cost: `python tests/benchmarks/bench_tiles.py --data FILE [--last-week-ends 2018-08-01]`.

Average precision of the gradient boosting alone on the weeks before a date (28 days of training, 7 days until labels
are known), with every window exact, with every window made of tiles of an hour or of a day, the latter also with labels
that no feature sees before their day is over, and as the platform keeps its histories. Only weeks before the date are
looked at: choose it before any test data.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))

from ml.data.datasets import load_transactions
from ml.data.table import FRAUD, TransactionTable
from ml.domain.durations import DAY_SECONDS, HOUR_SECONDS
from ml.features import kernel
from ml.features.entries import CUSTOMER_ENTRY, TERMINAL_ENTRY
from ml.features.history import SHAPES, Shape, Shapes
from ml.features.offline import compute_features
from ml.features.schema import FEATURE_NAMES
from ml.model.gradient_boosting import fit_gradient_boosting
from ml.training.evaluation import average_precision, known_compromised
from ml.training.window import TrainingWindow, slice_rows

WEEK_SECONDS = 7 * DAY_SECONDS
# As wide as the kernel allows: a month of nearly everybody.
EXACT = Shapes(Shape(CUSTOMER_ENTRY, newest=254, slack=0), Shape(TERMINAL_ENTRY, newest=254, slack=0))
IS_LABEL = np.array(["fraud" in name for name in FEATURE_NAMES])
IS_WINDOW = np.array([name.rsplit("_", 1)[-1] in {"1h", "1d", "3d", "7d", "14d", "30d"} for name in FEATURE_NAMES])

Vectors = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a transaction file, see docs/data-files.md")
    parser.add_argument("--last-week-ends", default="2018-08-01", help="no later transaction is looked at")
    parser.add_argument("--weeks", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", help="measure one row alone, by its name")
    arguments = parser.parse_args()
    end = int(datetime.fromisoformat(arguments.last_week_ends).replace(tzinfo=UTC).timestamp())
    table = load_transactions(arguments.data).table.between(0, end)
    windows = [TrainingWindow.before(end - week * WEEK_SECONDS, calibration_days=1) for week in range(arguments.weeks)]
    rows = np.flatnonzero(table.epoch_seconds >= min(window.start for window in windows))

    exact = compute_features(table, rows, EXACT).vectors.astype(np.float32)
    variants: dict[str, Callable[[], Vectors]] = {
        "exact windows": lambda: exact,
        "all windows in hours": lambda: in_tiles(table, rows, exact, IS_WINDOW, width=HOUR_SECONDS),
        "all windows in days": lambda: in_tiles(table, rows, exact, IS_WINDOW, width=DAY_SECONDS),
        "and labels by the day": lambda: in_tiles(table, rows, exact, IS_WINDOW | IS_LABEL, width=DAY_SECONDS),
        "as built": lambda: compute_features(table, rows, SHAPES).vectors.astype(np.float32),
    }
    ends = [datetime.fromtimestamp(window.evaluation_end, UTC).strftime("%m-%d") for window in windows]
    print(f"{'':24}{'mean':>8}" + "".join(f"{f'to {day}':>10}" for day in ends))
    for name, compute in variants.items():
        if arguments.only not in {None, name}:
            continue
        started = time.perf_counter()
        vectors = np.full((len(table), len(FEATURE_NAMES)), np.nan, np.float32)
        vectors[rows] = compute()
        scores = [
            np.mean([measured(table, vectors, window, seed) for seed in range(arguments.seeds)]) for window in windows
        ]
        seconds = time.perf_counter() - started
        print(
            f"{name:24}{np.mean(scores):8.4f}" + "".join(f"{score:10.4f}" for score in scores) + f"   ({seconds:.0f} s)"
        )


def in_tiles(
    table: TransactionTable, rows: NDArray[np.intp], exact: Vectors, chosen: NDArray[np.bool_], *, width: int
) -> Vectors:
    """Returns the vectors with the chosen features as if histories were tiles; the others stay exact."""
    with rounded_windows(width):
        rounded = compute_features(table, rows, EXACT).vectors.astype(np.float32)
    return np.where(chosen, rounded, exact)


@contextmanager
def rounded_windows(width: int) -> Iterator[None]:
    """Makes the kernel take a payment for made in the middle of its tile, and a label for known at its end."""

    class Rounded(kernel._Past):
        def __init__(self, entries: Any, counts: Any, now: Any) -> None:
            super().__init__(entries, counts, now)
            middle = self.entries["epoch"].astype(float) // width * width + width / 2
            self.age = np.where(self.present, np.maximum(now[:, None] - middle, 0.0), kernel._FAR)
            known_age = now[:, None] - (self.entries["known_at"].astype(float) // width + 1) * width
            self.is_labelled &= known_age >= 0
            self.is_fraud &= self.is_labelled
            self.known_age = np.where(self.is_labelled, known_age, kernel._FAR)

    original, kernel._Past = kernel._Past, Rounded  # type: ignore[misc]
    try:
        yield
    finally:
        kernel._Past = original  # type: ignore[misc]


def measured(table: TransactionTable, vectors: Vectors, window: TrainingWindow, seed: int) -> float:
    """Returns the average precision on the window's last week, cards known as compromised left out."""
    slices = slice_rows(table.between(0, window.evaluation_end), window)
    training = np.concatenate([slices.fit, slices.calibration])
    model = fit_gradient_boosting(vectors[training], table.is_fraud[training], seed=seed, threads=2)
    rows, frauds = slices.evaluation, np.flatnonzero(table.is_fraud == FRAUD)
    blocked = known_compromised(
        customers=table.customer_id.codes[rows],
        moments=table.epoch_seconds[rows] // DAY_SECONDS * DAY_SECONDS,
        frauds=(table.customer_id.codes[frauds], table.label_known_at[frauds]),
        since=window.as_of - WEEK_SECONDS,
    )
    scores = model.margins(vectors[rows]).astype(float)
    return average_precision(table.is_fraud[rows[~blocked]], scores[~blocked])


if __name__ == "__main__":
    main()
