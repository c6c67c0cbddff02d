"""Retraining on a small simulated past, with the real training, runtime, artifacts and registry."""

import hashlib
import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml.data.datasets import write_transactions
from ml.data.simulator import Patterns, simulate
from ml.data.table import FRAUD, TransactionTable
from ml.domain.label import Label
from ml.model.gradient_boosting import BoostingSettings
from ml.registry.administration import ModelAdministration
from ml.registry.artifacts import new_version, package
from ml.registry.registry import Alias, ModelRegistry
from ml.registry.release import open_version, release
from ml.stores.accepted_version.accepted_version_memory import MemoryAcceptedVersion
from ml.stores.training_source.training_source import TrainingSource
from ml.stores.training_source.training_source_memory import MemoryTrainingSource
from ml.training.report import render_report
from ml.training.retraining import Retraining, RetrainingPlan
from ml.training.tracking import TrackingError, TrainingRun
from ml.training.tracking_mlflow import VERSION_TAG, MlflowTracker
from ml.training.train import TrainingSettings, train
from ml.training.window import TrainingWindow
from security.artifacts.artifact_encryption import EncryptionKey
from security.artifacts.artifact_keys import ArtifactSigner
from security.audit.audit import AuditEvent, AuditUnavailableError
from security.audit.audit_memory import MemoryAuditLog
from settings import Settings

pytestmark = pytest.mark.slow

DAY = 86_400
SIGNER = ArtifactSigner("key-1", Ed25519PrivateKey.generate(), EncryptionKey(bytes(32)))
SMALL = TrainingSettings(threads=1, boosting=BoostingSettings(trees=40), autoencoder_epochs=1, sequence_epochs=1)
WORSE = TrainingSettings(
    threads=1, boosting=BoostingSettings(trees=1, depth=1), autoencoder_epochs=1, sequence_epochs=1
)


class RecordingTracker:
    """Keeps the runs and aliases that it receives."""

    def __init__(self) -> None:
        self.runs: list[TrainingRun] = []
        self.aliases: tuple[str | None, str | None] = (None, None)

    def log(self, run: TrainingRun) -> str:
        self.runs.append(run)
        return f"run-{len(self.runs)}"

    def set_aliases(self, champion: str | None, challenger: str | None) -> None:
        self.aliases = (champion, challenger)


class BrokenTracker(RecordingTracker):
    def log(self, run: TrainingRun) -> str:
        raise TrackingError(f"no disk for {run.version}")


@pytest.fixture(scope="module")
def table() -> TransactionTable:
    patterns = Patterns(customers_per_day=3e-3)
    return simulate(customers=120, terminals=80, days=50, seed=5, patterns=patterns)


@pytest.fixture(scope="module")
def history(table: TransactionTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("history") / "history.parquet"
    write_transactions(table, path)
    return path


@pytest.fixture(scope="module")
def files(table: TransactionTable) -> dict[str, bytes]:
    """A poor model, fitted before the comparison of a retraining begins."""
    window = TrainingWindow.before(int(table.epoch_seconds[-1]) - 14 * DAY, days=20, evaluation_days=0)
    return train(table, window=window, settings=WORSE).files()


@pytest.fixture(scope="module", autouse=True)
def _each_training_once() -> Iterator[None]:
    """The same data, window and settings give the same bytes, as test_train.py proves: they are trained on once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ml.training.train.train", _once(train))
        patch.setattr("ml.training.report.render_report", _once(render_report))
        yield


def _once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the function with a memory of what it gave for arguments of the same content."""
    results: dict[bytes, Any] = {}

    def remembered(*values: Any, **options: Any) -> Any:
        named = {name: value for name, value in options.items() if name != "progress"}
        content = hashlib.sha256(pickle.dumps((values, sorted(named.items())))).digest()
        if content not in results:
            results[content] = function(*values, **options)
        return results[content]

    return remembered


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


@pytest.fixture
def champion(registry: ModelRegistry, files: dict[str, bytes]) -> str:
    version = release(files, registry=registry, signer=SIGNER, metrics={}).model.version
    registry.promote(version)
    return version


@pytest.fixture
def tracker() -> RecordingTracker:
    return RecordingTracker()


def _retraining(
    registry: ModelRegistry,
    tracker: Any,
    history: Path | None,
    source: TrainingSource | None = None,
    *,
    audit: MemoryAuditLog | None = None,
    **plan: Any,
) -> Retraining:
    return Retraining(
        registry=registry,
        administration=ModelAdministration(
            registry=registry, verifier=SIGNER.verifier(), mark=MemoryAcceptedVersion(), audit=audit or MemoryAuditLog()
        ),
        signer=SIGNER,
        verifier=SIGNER.verifier(),
        source=source or MemoryTrainingSource(),
        tracker=tracker,
        plan=RetrainingPlan(history, **({"window_days": 20, "training": SMALL} | plan)),
    )


def test_the_first_model_is_promoted_and_serves(
    registry: ModelRegistry, tracker: RecordingTracker, history: Path
) -> None:
    report = _retraining(registry, tracker, history).run()
    assert (report.outcome, report.champion, report.tracking_error) == ("promoted", None, None)
    assert registry.champion() == registry.state().high_water_mark == report.version
    assert report.version is not None
    served = open_version(report.version, registry=registry, verifier=SIGNER.verifier())
    assert served.model.version == report.version
    assert report.challenger_figures["evaluation_frauds"] >= 10
    assert registry.versions()[0].metrics == report.challenger_figures
    assert [(run.version, run.role) for run in tracker.runs] == [(report.version, Alias.CHALLENGER)]
    assert tracker.runs[0].parameters["code_version"]
    assert tracker.runs[0].reports["report.html"] == served.files["report.html"]
    assert b"<!doctype html>" in served.files["report.html"]
    assert tracker.aliases == (report.version, None)


def test_a_better_challenger_is_promoted_and_both_are_logged(
    registry: ModelRegistry, tracker: RecordingTracker, history: Path, champion: str
) -> None:
    report = _retraining(registry, tracker, history).run()
    assert report.outcome == "promoted"
    assert report.challenger_figures["average_precision"] > report.champion_figures["average_precision"]
    assert report.challenger_figures["evaluation_rows"] == report.champion_figures["evaluation_rows"]
    assert registry.champion() == report.version
    assert registry.state().previous == (champion,)
    assert [(run.version, run.role) for run in tracker.runs] == [
        (report.version, Alias.CHALLENGER),
        (champion, Alias.CHAMPION),
    ]


def test_a_promotion_by_retraining_is_audited(
    registry: ModelRegistry, tracker: RecordingTracker, history: Path, champion: str
) -> None:
    audit = MemoryAuditLog()
    report = _retraining(registry, tracker, history, audit=audit).run()
    (event,) = audit.latest(5)
    assert (event.action, event.by) == ("models.promoted", "retraining")
    assert event.details == {"champion": report.version, "before": champion}
    assert "average precision" in event.reason


def test_what_an_operator_did_during_the_training_stands(
    registry: ModelRegistry, tracker: RecordingTracker, history: Path, champion: str, files: dict[str, bytes]
) -> None:
    operators = release(files, registry=registry, signer=SIGNER, metrics={}).model.version
    audit = MemoryAuditLog()

    class BusyOperator(MemoryTrainingSource):
        def latest_event(self) -> int | None:
            registry.promote(operators)
            return super().latest_event()

    report = _retraining(registry, tracker, history, BusyOperator(), audit=audit).run()
    assert report.outcome == "kept"
    assert f"{operators} became champion meanwhile" in report.reason
    assert (registry.champion(), registry.state().challenger) == (operators, report.version)
    assert registry.state().previous == (champion,)
    assert audit.latest(5) == []


def test_without_the_audit_a_better_challenger_waits_for_an_operator(
    registry: ModelRegistry, tracker: RecordingTracker, history: Path, champion: str
) -> None:
    report = _retraining(registry, tracker, history, audit=DeafAudit()).run()
    assert report.outcome == "kept"
    assert "MongoDB does not answer" in report.reason
    assert (registry.champion(), registry.state().challenger) == (champion, report.version)


class DeafAudit(MemoryAuditLog):
    def record(self, events: Sequence[AuditEvent]) -> None:  # noqa: ARG002 - the protocol's signature
        raise AuditUnavailableError("MongoDB does not answer for the audit")


def test_a_challenger_that_is_no_better_stays_challenger(
    registry: ModelRegistry, tracker: RecordingTracker, history: Path
) -> None:
    retraining = _retraining(registry, tracker, history)
    first = retraining.run()
    second = retraining.run()
    assert second.outcome == "kept"
    assert second.challenger_figures == second.champion_figures  # the same data, settings and seed
    assert (registry.champion(), registry.state().challenger) == (first.version, second.version)
    assert tracker.aliases == (first.version, second.version)


def test_mlflow_holds_both_runs_and_the_aliases(
    registry: ModelRegistry, history: Path, champion: str, tmp_path: Path
) -> None:
    settings = Settings(_env_file=None, var_dir=tmp_path)
    report = _retraining(registry, MlflowTracker.from_settings(settings), history).run()
    assert report.tracking_error is None
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=settings.mlflow_uri, registry_uri=settings.mlflow_uri)
    challenger_run, champion_run = (client.get_run(run_id) for run_id in report.run_ids)
    assert challenger_run.data.metrics == pytest.approx(report.challenger_figures)
    assert challenger_run.data.params["settings.boosting.trees"] == "40"
    assert champion_run.data.tags[VERSION_TAG] == champion
    assert champion_run.data.metrics == pytest.approx(report.champion_figures)
    assert client.get_model_version_by_alias("shrike", "champion").tags[VERSION_TAG] == report.version


def test_a_model_is_promoted_though_nothing_can_be_logged(registry: ModelRegistry, history: Path) -> None:
    report = _retraining(registry, BrokenTracker(), history).run()
    assert report.outcome == "promoted"
    assert registry.champion() == report.version
    assert report.tracking_error is not None
    assert "no disk" in report.tracking_error


def test_stored_transactions_and_labels_are_learnt_from(
    registry: ModelRegistry, tracker: RecordingTracker, table: TransactionTable, tmp_path: Path
) -> None:
    border = int(table.epoch_seconds[0]) + 34 * DAY
    write_transactions(table.between(0, border), tmp_path / "first.parquet")
    later = table.between(border, 2**32)
    records, labels = _stored(later)
    source = MemoryTrainingSource(records, labels)
    report = _retraining(registry, tracker, tmp_path / "first.parquet", source).run()
    assert report.outcome == "promoted"
    start = int(table.epoch_seconds[-1]) + 1 - 14 * DAY
    compared = table.between(start, start + 7 * DAY)
    assert report.challenger_figures["evaluation_rows"] == len(compared)
    assert report.challenger_figures["evaluation_frauds"] == int((compared.is_fraud == FRAUD).sum())


def _stored(table: TransactionTable) -> tuple[list[dict[str, Any]], list[Label]]:
    """Returns the records and labels that the workers would have stored: only frauds are reported."""
    records, labels = [], []
    for row, transaction in enumerate(table.to_transactions()):
        scored_at = transaction.event_time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        records.append(
            {"transaction_id": transaction.transaction_id, "scored_at": scored_at, "transaction": transaction.wire()}
        )
        if table.is_fraud[row] == FRAUD:
            labels.append(
                Label(
                    transaction_id=transaction.transaction_id,
                    label="fraud",
                    source="test",
                    labelled_at=float(table.label_known_at[row]),
                )
            )
    return records, labels


def test_without_transactions_it_is_skipped(registry: ModelRegistry, tracker: RecordingTracker) -> None:
    report = _retraining(registry, tracker, None).run()
    assert (report.outcome, report.version) == ("skipped", None)
    assert "no transactions" in report.reason


@pytest.mark.parametrize(("part", "word"), [("few days", "days"), ("no frauds", "frauds"), ("one day", "frauds")])
def test_too_little_to_learn_from_is_skipped(
    registry: ModelRegistry, tracker: RecordingTracker, table: TransactionTable, tmp_path: Path, part: str, word: str
) -> None:
    start = int(table.epoch_seconds[0])
    chosen = {
        "few days": table.between(start + 20 * DAY, 2**32),
        "no frauds": table.select(table.is_fraud != FRAUD),
        "one day": table.between(start, start + DAY),
    }[part]
    write_transactions(chosen, tmp_path / "little.parquet")
    report = _retraining(registry, tracker, tmp_path / "little.parquet").run()
    assert report.outcome == "skipped"
    assert word in report.reason
    assert registry.versions() == []
    assert tracker.runs == []


def test_a_missing_history_file_is_a_reason(registry: ModelRegistry, tracker: RecordingTracker, tmp_path: Path) -> None:
    report = _retraining(registry, tracker, tmp_path / "absent.parquet").run()
    assert report.outcome == "skipped"
    assert "absent.parquet" in report.reason


def test_a_champion_that_knows_the_comparison_already_is_not_compared(
    registry: ModelRegistry, tracker: RecordingTracker, history: Path, files: dict[str, bytes]
) -> None:
    record = orjson.loads(files["training.json"])
    record["window"]["end"] = "2099-01-01T00:00:00+00:00"
    newer = files | {"training.json": orjson.dumps(record)}
    registry.promote(release(newer, registry=registry, signer=SIGNER, metrics={}).model.version)
    report = _retraining(registry, tracker, history).run()
    assert report.outcome == "skipped"
    assert "0 known frauds" in report.reason


def test_a_tampered_champion_is_not_replaced_without_an_operator(
    registry: ModelRegistry, tracker: RecordingTracker, history: Path, champion: str
) -> None:
    path = registry.directory(champion) / "model.onnx.sealed"
    sealed = path.read_bytes()
    path.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    report = _retraining(registry, tracker, history).run()
    assert report.outcome == "kept"
    assert "hash check" in report.reason
    assert (registry.champion(), registry.state().challenger) == (champion, report.version)


def test_a_champion_of_another_feature_schema_is_replaced(
    registry: ModelRegistry, tracker: RecordingTracker, history: Path, files: dict[str, bytes]
) -> None:
    old = new_version()
    package(
        files,
        version=old,
        directory=registry.path,
        keys=SIGNER,
        feature_schema_hash="0" * 64,
        metrics={},
        code_version="old",
    )
    registry.promote(old)
    report = _retraining(registry, tracker, history).run()
    assert report.outcome == "promoted"
    assert "schema check" in report.reason
    assert registry.state().previous == (old,)
