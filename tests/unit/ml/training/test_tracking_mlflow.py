import logging
import os
import socketserver
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ml.registry.registry import Alias
from ml.training.tracking import TrackingError, TrainingRun
from ml.training.tracking_mlflow import VERSION_TAG, MlflowTracker
from settings import Settings

pytestmark = pytest.mark.slow

FIRST, SECOND = "v20261123T154500-0a1b2c", "v20261123T164500-0a1b2c"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="module")
def tracker(folder: Path) -> MlflowTracker:
    """Making the database takes seconds, so the module shares one."""
    return MlflowTracker.from_settings(Settings(_env_file=None, var_dir=folder / "var"))


def _run(tmp_path: Path, version: str, **changes: object) -> TrainingRun:
    directory = tmp_path / version
    directory.mkdir()
    (directory / "manifest.json").write_text("{}")
    values: dict[str, object] = {
        "version": version,
        "role": Alias.CHALLENGER,
        "parameters": {"boosting": {"trees": 150, "rate": 0.05}, "seed": 7},
        "metrics": {"average_precision": 0.7, "auc": 0.9, "undefined": float("nan")},
        "directory": directory,
        "reports": {"training.json": b"{}"},
    }
    return TrainingRun(**(values | changes))  # type: ignore[arg-type]


def _client(folder: Path):  # type: ignore[no-untyped-def] # mlflow publishes no types
    from mlflow import MlflowClient

    uri = f"sqlite:///{folder / 'var' / 'mlflow.db'}"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def test_a_run_is_found_with_its_values_and_files(tracker: MlflowTracker, folder: Path, tmp_path: Path) -> None:
    run_id = tracker.log(_run(tmp_path, FIRST))
    run = _client(folder).get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"boosting.trees": "150", "boosting.rate": "0.05", "seed": "7"}
    assert run.data.metrics == {"average_precision": 0.7, "auc": 0.9}
    assert run.data.tags[VERSION_TAG] == FIRST
    artifacts = Path(run.info.artifact_uri.removeprefix("file://"))
    assert artifacts.is_relative_to(folder)
    assert (artifacts / "version" / "manifest.json").read_text() == "{}"
    assert (artifacts / "reports" / "training.json").read_text() == "{}"


def test_aliases_follow_the_versions(tracker: MlflowTracker, folder: Path, tmp_path: Path) -> None:
    first, second = "v20261124T000000-000001", "v20261124T000000-000002"
    tracker.log(_run(tmp_path, first))
    tracker.log(_run(tmp_path, second))
    client = _client(folder)
    tracker.set_aliases(first, second)
    assert client.get_model_version_by_alias("shrike", "champion").tags[VERSION_TAG] == first
    assert client.get_model_version_by_alias("shrike", "challenger").tags[VERSION_TAG] == second
    tracker.set_aliases(second, None)
    assert client.get_model_version_by_alias("shrike", "champion").tags[VERSION_TAG] == second
    assert client.get_registered_model("shrike").aliases.keys() == {"champion"}
    tracker.set_aliases("v20261124T000000-ffffff", None)
    assert client.get_registered_model("shrike").aliases == {}


def test_a_run_without_a_directory_registers_nothing(tracker: MlflowTracker, folder: Path, tmp_path: Path) -> None:
    version = "v20261124T000000-000003"
    run_id = tracker.log(_run(tmp_path, version, directory=None, reports={}, role=Alias.CHAMPION))
    assert _client(folder).get_run(run_id).data.tags["shrike.role"] == "champion"
    assert version not in {item.tags[VERSION_TAG] for item in _client(folder).search_model_versions("name = 'shrike'")}


def test_hundreds_of_parameters_are_logged(tracker: MlflowTracker, folder: Path, tmp_path: Path) -> None:
    parameters = {f"p{number}": number for number in range(250)}
    run_id = tracker.log(_run(tmp_path, SECOND, parameters=parameters, directory=None))
    assert len(_client(folder).get_run(run_id).data.params) == 250


def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"not a database, and long enough to be taken for one" * 100)
    settings = Settings(_env_file=None, var_dir=tmp_path)
    with pytest.raises(TrackingError) as caught:
        MlflowTracker.from_settings(settings).log(_run(tmp_path, FIRST))
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = Settings(_env_file=None, var_dir=tmp_path / "file")
    with pytest.raises(TrackingError):
        MlflowTracker.from_settings(settings).log(_run(tmp_path, FIRST))


def test_a_new_database_is_made_without_a_word_and_without_a_connection(tmp_path: Path) -> None:
    program = f"""
import logging, socket, sys
from pathlib import Path
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
def refuse(*arguments):
    raise AssertionError("no network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from ml.registry.registry import Alias
from ml.training.tracking import TrainingRun
from ml.training.tracking_mlflow import MlflowTracker
assert "mlflow" not in sys.modules
tracker = MlflowTracker("sqlite:///{tmp_path}/new/mlflow.db", name="shrike", artifact_directory=Path("{tmp_path}"))
tracker.log(TrainingRun("{FIRST}", Alias.CHALLENGER, {{}}, {{"auc": 0.5}}))
tracker.set_aliases("{FIRST}", None)
import threading
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
"""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [sys.executable, "-W", "always::UserWarning", "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "home").exists()
    with sqlite3.connect(tmp_path / "new" / "mlflow.db") as database:
        assert database.execute("select count(*) from runs").fetchone() == (1,)
    database.close()


def test_logging_of_the_process_is_left_as_it_was(tracker: MlflowTracker) -> None:
    handlers = list(logging.getLogger().handlers)
    tracker.set_aliases(None, None)
    assert logging.getLogger().handlers == handlers
    assert logging.getLogger("mlflow").handlers == []


class SilentServer(socketserver.ThreadingTCPServer):
    """Accepts every request; answers none, or a byte at a time without an end."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, *, drips: bool) -> None:
        super().__init__(("127.0.0.1", 0), _SilentAnswer)
        self.drips = drips
        self.requests = 0
        self.ended = threading.Event()


class _SilentAnswer(socketserver.BaseRequestHandler):
    server: SilentServer

    def handle(self) -> None:
        self.server.requests += 1
        self.request.recv(65_536)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
        with suppress(OSError):
            if self.server.drips:
                self.request.sendall(head)
            while not self.server.ended.wait(0.2):
                if self.server.drips:
                    self.request.sendall(b" ")


@contextmanager
def silent_server(*, drips: bool) -> Iterator[SilentServer]:
    with SilentServer(drips=drips) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.ended.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("drips", [False, True])
def test_a_server_that_accepts_and_never_answers_is_given_up(
    drips: bool,  # noqa: FBT001 - a parameter
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ml.training.tracking_mlflow._DEADLINE_TIMEOUTS", 6)
    with silent_server(drips=drips) as server:
        uri = f"http://127.0.0.1:{server.server_address[1]}"
        settings = Settings(_env_file=None, mlflow_tracking_uri=uri, mlflow_timeout_seconds=1, var_dir=tmp_path)
        with pytest.raises(TrackingError, match="MLflow did not take the run"):
            MlflowTracker.from_settings(settings).log(_run(tmp_path, FIRST))
        assert 1 <= server.requests <= 2  # once, and once more; never a call after it


def test_a_missing_library_of_the_artifact_store_is_a_reason(
    tracker: MlflowTracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MlflowTracker, "_log_files", _without_boto3)
    with pytest.raises(TrackingError, match="No module named 'boto3'; install the library"):
        tracker.log(_run(tmp_path, FIRST))


def _without_boto3(*_: object) -> None:
    raise ModuleNotFoundError("No module named 'boto3'", name="boto3")
