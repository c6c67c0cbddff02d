import json
from pathlib import Path

import pytest

from ml.data.datasets import write_transactions
from ml.data.table import TransactionTable
from tests.e2e.installation import make_home


@pytest.mark.timeout(600)  # it trains a model and runs the whole platform, beside other tests
def test_the_demo_scores_stores_and_publishes_and_leaves_nothing_running(
    tmp_path: Path, history: TransactionTable
) -> None:
    write_transactions(history, tmp_path / "history.parquet")
    home = make_home(tmp_path, trained=None).with_environment(TRAINING_WINDOW_DAYS="20")
    demo = home.ops("demo", "--data", "history.parquet", "--transactions", "200", "--rate", "50")
    assert demo.returncode == 0, demo.stdout[-3000:] + demo.stderr[-1000:]
    assert "All 200 transactions were answered, explained and published." in demo.stdout
    report = json.loads((tmp_path / "var/demo-report.json").read_text())
    assert report["answered"] == report["stored"] == report["published"] == 200
    assert report["errors"] == 0
    assert report["refused"] == {"invalid-body": 12, "malformed-json": 8, "replayed": 1, "signature-rejected": 20}
    assert report["seconds"].keys() == {"setup", "train", "run"}
    assert home.with_environment(VAR_DIR="var/demo/history").ops("status").returncode == 4
    # The user's own registry is untouched: the model of somebody's file is the demo's alone.
    assert not (tmp_path / "var/models/registry.json").exists()
    assert report["model_version"] in {path.name for path in (tmp_path / "var/demo/history/models").iterdir()}


def test_a_file_without_enough_days_is_one_sentence(tmp_path: Path, history: TransactionTable) -> None:
    short = history.between(0, int(history.epoch_seconds[0]) + 3 * 86_400)
    write_transactions(short, tmp_path / "short.parquet")
    home = make_home(tmp_path, trained=None)
    for file, message in (("short.parquet", "needs more than 7 days"), ("absent.parquet", "does not exist")):
        refused = home.ops("demo", "--data", file)
        assert refused.returncode == 1
        assert message in refused.stderr
        assert "Traceback" not in refused.stderr
