import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ml.data.datasets import write_transactions
from ml.data.table import TransactionTable
from ml.training.train import TrainingSettings
from ops.cli.failures import sentence
from ops.proving.bench.quality import run as run_module
from ops.proving.bench.quality.command import command
from ops.proving.bench.quality.plan import Plan
from ops.proving.bench.quality.protocol.data import BenchmarkData
from ops.proving.bench.quality.protocol.fold import Fold
from ops.proving.bench.quality.report.document import document as document_of
from ops.proving.bench.quality.report.text import to_text
from ops.proving.bench.quality.run import Results
from ops.proving.bench.report import as_json

MEASURED_FAMILIES = ("terminal_risk",)
"""Each family costs two trainings."""


@pytest.fixture(scope="module")
def data(history: TransactionTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "simulated.parquet"
    write_transactions(history, path)
    return path


@pytest.fixture(scope="module")
def measured(data: Path, fold: Fold, quick_settings: TrainingSettings) -> tuple[Results, BenchmarkData]:
    """Everything the benchmark can measure, of a model that was trained in a moment."""
    loaded = BenchmarkData.load(data)
    plan = Plan(
        folds=(fold,),
        days=14.0,
        settings=quick_settings,
        baselines=True,
        ablation=(fold,),
        novelty=(fold,),
        served=False,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "FAMILIES", MEASURED_FAMILIES)
        return run_module.run(loaded.table, plan), loaded


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


def refusal(*arguments: str) -> str:
    """Returns the sentence with which the command refuses."""
    result = bench(*arguments)
    assert result.exit_code != 0
    assert result.exception is not None
    return sentence(result.exception) or result.output


@pytest.mark.slow
def test_the_command_prints_and_writes_what_it_measured(data: Path, tmp_path: Path) -> None:
    written = tmp_path / "quality.json"
    result = CliRunner().invoke(
        command,
        [
            "--data",
            str(data),
            "--days",
            "14",
            "--folds",
            "1",
            "--threads",
            "1",
            "--ablation",
            "none",
            "--novelty",
            "none",
            "--json",
            str(written),
        ],
        catch_exceptions=False,
    )
    assert result.exit_code == 0
    assert "hybrid, 14 days, offline features" in result.stdout
    assert "random forest" in result.stdout
    assert re.search(r"hybrid of 14 days: \d+\.\d s$", result.stderr, re.MULTILINE)
    document = json.loads(written.read_text())
    assert document["ours"]["measured"] == "offline"
    assert len(document["folds"]) == len(document["ours"]["folds"]) == 1


def test_the_document_holds_every_part_as_numbers(measured: tuple[Results, BenchmarkData]) -> None:
    results, loaded = measured
    document: dict[str, Any] = json.loads(as_json(document_of(results, loaded)))
    assert {"ours", "ours_handbook_window", "folds", "published", "ablation", "ceiling", "reproduced", "novelty"} <= (
        document.keys()
    )
    for figure in ("auc", "average_precision", "card_precision_at_100"):
        assert 0.0 < document["ours"][figure] <= 1.0
    assert document["ours"]["card_precision_at_100"] <= document["ceiling"]
    assert document["ours"]["window_days"] == 14
    assert document["ours_handbook_window"]["window_days"] == 7
    (fold,) = document["folds"]
    # Every detector is measured on the same rows.
    rows = {fold[name]["rows"] for name in ("ours", "ours_offline", "ours_handbook_window")}
    assert rows | {row["rows"] for row in fold["baselines"]} == {fold["rows"]}
    kinds = [(row["window_days"], row["kind"], row["part"]) for row in document["ablation"]]
    assert len(kinds) == len(set(kinds)) == 2 * (4 + 4 + len(MEASURED_FAMILIES))
    assert [item["pattern"] for item in document["novelty"]] == [1, 2, 3]
    assert document["data"] == document["data"] | {"name": "simulated.parquet", "rows": len(loaded.table)}
    assert len(document["data"]["sha256"]) == 64
    assert document["machine"]["cpus"] >= 1


def test_published_figures_are_not_put_beside_other_data(measured: tuple[Results, BenchmarkData]) -> None:
    results, loaded = measured
    document = json.loads(as_json(document_of(results, loaded)))
    assert document["published"] == []
    assert document["reproduced"]["models"] == []
    text = to_text(results, loaded)
    assert "Published" not in text
    assert "Targets" not in text


def test_the_text_names_windows_weeks_and_every_part(measured: tuple[Results, BenchmarkData], fold: Fold) -> None:
    text = to_text(*measured)
    assert f"test week {fold.test_week}" in text
    for said in ("14 days of training", "7 days of training", "tabular alone", "without sequence", "pattern hidden"):
        assert said in text
    for family in MEASURED_FAMILIES:
        assert f"without {family} features" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--folds", "9"], "names no fold"),
        (["--validation"], "other data"),
        (["--days", "100"], "no test week"),
        (["--json", "/nowhere/quality.json"], "/nowhere"),
        (["--days", "3"], "--days"),
        (["--ablation", "some"], "--ablation"),
        (["--frobnicate"], "--frobnicate"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_trained(data: Path, arguments: list[str], said: str) -> None:
    assert said in refusal("--data", str(data), *arguments)


def test_files_that_are_missing_or_of_another_format_are_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal("--data", str(tmp_path / "nothing.parquet"))
    broken = tmp_path / "broken.parquet"
    broken.write_text("no parquet")
    assert "not a readable parquet file" in refusal("--data", str(broken))
