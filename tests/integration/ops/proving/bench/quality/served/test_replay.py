"""The replay of a test week through the real platform gives what the offline features and the graph give."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from ml.data.table import NEVER, TransactionTable
from ml.domain.durations import DAY_SECONDS
from ml.features.offline import compute_features
from ml.serving.runtime import ScoringModel
from ml.training.trained_model import TrainedModel
from ops.proving.bench.quality.protocol import fold as protocol
from ops.proving.bench.quality.protocol.fold import Fold
from ops.proving.bench.quality.served.replay import replay

HOUR = 3_600


def with_quick_labels(table: TransactionTable) -> TransactionTable:
    """Every second label comes after a few hours, so that labels of the replayed day reach it, too."""
    quick = table.epoch_seconds + 3 * HOUR + np.arange(len(table)) % (4 * HOUR)
    known_at = np.where(np.arange(len(table)) % 2, quick, table.label_known_at)
    return TransactionTable.build(**{**vars(table), "label_known_at": known_at})


def day_fold(table: TransactionTable) -> Fold:
    """The last whole day of the table."""
    end = int(table.epoch_seconds[-1]) // DAY_SECONDS * DAY_SECONDS
    return Fold("a day", end - 15 * DAY_SECONDS, end - 8 * DAY_SECONDS, end - DAY_SECONDS, end)


def test_the_running_platform_answers_what_the_graph_says_of_the_offline_features(
    history: TransactionTable,
    trained: TrainedModel,
    model: ScoringModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    # A setting of this machine that would break everything if it reached the platform.
    monkeypatch.setitem(os.environ, "MESSAGE_KEY", "short")
    table = with_quick_labels(history)
    fold = day_fold(table)
    rows = protocol.test_rows(table, fold)
    stages: dict[str, float] = {}

    result = replay(table, fold=fold, trained=trained, progress=stages.__setitem__, rows_per_request=100)

    matrix = compute_features(table, rows)
    expected = model.predict(matrix.vectors, matrix.sequences).score
    np.testing.assert_allclose(result.scores, expected, rtol=0, atol=1e-6)
    # Labels from before and of the day came while it was replayed, and a difference they make would be seen.
    assert 250 < len(rows) < 600
    assert result.labels > 300
    known_at = np.where(table.label_known_at > fold.test_start, NEVER, table.label_known_at)
    blind = compute_features(TransactionTable.build(**{**vars(table), "label_known_at": known_at}), rows)
    differences = np.abs(model.predict(blind.vectors, blind.sequences).score - expected)
    assert (differences > 1e-5).sum() > 10
    assert stages == {"start": 1.0, "backfill": 1.0, "replay": 1.0, "delivery": 1.0}
    assert list(tmp_path.iterdir()) == []


def test_a_replay_that_is_stopped_leaves_nothing_behind(
    history: TransactionTable, trained: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    before = children.read_text()

    def end_at_start(_stage: str, _share: float) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit):
        replay(history, fold=day_fold(history), trained=trained, progress=end_at_start)
    assert list(tmp_path.iterdir()) == []
    assert children.read_text() == before
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
