"""Training runs and model versions in MLflow, through its client: SQLite on this machine, or a server by URL.

The client is quiet: no telemetry, no console handlers, no notes about table creation. Making a new SQLite
database takes a few seconds, once.

A server is bounded too, because other tasks wait behind a training: one answer is waited for `MLFLOW_TIMEOUT_SECONDS`,
once more if it does not come, and a run as a whole is given up after twelve times as long. The client's own bounds are
120 seconds, seven repetitions and no end.
"""

import logging
import math
import os
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from ml.registry.registry import Alias
from ml.training.tracking import TrackingError, TrainingRun
from settings import Settings
from settings.production_connections import refuse_connections

if TYPE_CHECKING:
    from mlflow import MlflowClient

VERSION_TAG = "shrike.version"
"""Tag of runs and registered versions that holds our version id."""

ROLE_TAG = "shrike.role"
DIRECTORY_ARTIFACT = "version"
"""Artifact folder of a run that holds the signed and sealed version."""

_Result = TypeVar("_Result")

_TIMEOUT_SECONDS = 10
_DEADLINE_TIMEOUTS = 12
"""A run is a dozen calls and the upload of some megabytes."""

_PARAMETER_LIMIT = 6000  # characters MLflow takes
_PARAMETERS_PER_CALL = 100


class MlflowTracker:
    """Logs to one experiment, and registers versions under the same name.

    Args:
        uri: tracking and registry store.
        name: experiment and registered model.
        artifact_directory: where artifacts of a local database go; None leaves the choice to the server.
        timeout_seconds: how long one answer of a server is waited for.
    """

    def __init__(
        self, uri: str, *, name: str, artifact_directory: Path | None, timeout_seconds: int = _TIMEOUT_SECONDS
    ) -> None:
        self._uri = uri
        self._name = name
        self._artifact_directory = artifact_directory
        self._timeout_seconds = timeout_seconds

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Returns the tracker of the settings; connects at the first call.

        Raises:
            SettingsRefusedError: production refuses the connection.
        """
        refuse_connections(settings, {"mlflow_tracking_uri"})
        is_local = settings.mlflow_uri.startswith("sqlite:")
        directory = (settings.var_dir / "mlflow-artifacts").absolute() if is_local else None
        return cls(
            settings.mlflow_uri,
            name=settings.mlflow_experiment,
            artifact_directory=directory,
            timeout_seconds=settings.mlflow_timeout_seconds,
        )

    def log(self, run: TrainingRun) -> str:
        """See `ExperimentTracker.log`."""
        return self._bounded(lambda: self._log(run))

    def set_aliases(self, champion: str | None, challenger: str | None) -> None:
        """See `ExperimentTracker.set_aliases`."""
        self._bounded(lambda: self._set_aliases(champion, challenger))

    def _bounded(self, call: Callable[[], _Result]) -> _Result:
        """Returns what the call returns, or gives a server up: the call's thread may go on, but nobody waits for it.

        Raises:
            TrackingError: MLflow failed, or took too long.
        """
        _configure(self._timeout_seconds)
        if self._uri.startswith("sqlite:"):
            return call()
        with suppress(ImportError):  # for which the call has better words
            import mlflow  # noqa: F401 - takes seconds, on a busy machine more, and no server is to blame for that
        seconds = self._timeout_seconds * _DEADLINE_TIMEOUTS
        outcome: Future[_Result] = Future()

        def run() -> None:
            try:
                outcome.set_result(call())
            except BaseException as error:  # noqa: BLE001 - handed over to the caller's thread
                outcome.set_exception(error)

        threading.Thread(target=run, name="mlflow", daemon=True).start()
        try:
            return outcome.result(seconds)
        except TimeoutError:
            raise TrackingError(f"MLflow did not take the run within {seconds} s") from None

    def _log(self, run: TrainingRun) -> str:
        with _quiet(), self._client() as client:
            run_id = self._start(client, run)
            try:
                _log_values(client, run_id, run)
                self._log_files(client, run_id, run)
            except BaseException:
                with suppress(Exception):  # the first failure says more than a second one of the same server
                    client.set_terminated(run_id, status="FAILED")
                raise
            client.set_terminated(run_id)
            return run_id

    def _set_aliases(self, champion: str | None, challenger: str | None) -> None:
        with _quiet(), self._client() as client:
            numbers = self._registered(client)
            if not numbers:
                return
            for alias, version in ((Alias.CHAMPION, champion), (Alias.CHALLENGER, challenger)):
                if version in numbers:
                    client.set_registered_model_alias(self._name, alias.value, numbers[version])
                else:
                    client.delete_registered_model_alias(self._name, alias.value)

    @contextmanager
    def _client(self) -> Iterator["MlflowClient"]:
        """Connects, and turns MLflow's failures into ours, whatever they are.

        Where a server keeps its artifacts decides which libraries work for it, and so what they raise, a missing one
        included. Fails open for its caller: a model is registered whether or not MLflow took its run.
        """
        try:
            from mlflow import MlflowClient

            if self._uri.startswith("sqlite:///"):
                Path(self._uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            yield MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
        except ImportError as error:
            raise TrackingError(
                f"MLflow did not take the run: {error}; install the library that its artifact store needs"
            ) from error
        except Exception as error:
            first_line = str(error).partition("\n")[0] or type(error).__name__
            raise TrackingError(f"MLflow did not take the run: {first_line}") from error

    def _start(self, client: "MlflowClient", run: TrainingRun) -> str:
        experiment = client.get_experiment_by_name(self._name)
        if experiment is None:
            location = None if self._artifact_directory is None else self._artifact_directory.as_uri()
            experiment_id = client.create_experiment(self._name, artifact_location=location)
        else:
            experiment_id = experiment.experiment_id
        tags = {VERSION_TAG: run.version, ROLE_TAG: run.role.value}
        started = client.create_run(experiment_id, run_name=f"{run.role.value} {run.version}", tags=tags)
        run_id: str = started.info.run_id
        return run_id

    def _log_files(self, client: "MlflowClient", run_id: str, run: TrainingRun) -> None:
        if run.reports:
            with tempfile.TemporaryDirectory() as folder:
                for name, content in run.reports.items():
                    (Path(folder) / name).write_bytes(content)
                client.log_artifacts(run_id, folder, "reports")
        if run.directory is not None:
            client.log_artifacts(run_id, str(run.directory), DIRECTORY_ARTIFACT)
            self._register(client, run_id, run.version)

    def _register(self, client: "MlflowClient", run_id: str, version: str) -> None:
        if not client.search_registered_models(f"name = '{self._name}'"):
            client.create_registered_model(self._name)
        source = f"{client.get_run(run_id).info.artifact_uri}/{DIRECTORY_ARTIFACT}"
        client.create_model_version(self._name, source=source, run_id=run_id, tags={VERSION_TAG: version})

    def _registered(self, client: "MlflowClient") -> dict[str, str]:
        """Returns MLflow's own version number of each of our versions."""
        registered = client.search_model_versions(f"name = '{self._name}'", max_results=1000)
        return {item.tags[VERSION_TAG]: str(item.version) for item in registered if VERSION_TAG in item.tags}


def _configure(timeout_seconds: int) -> None:
    """Makes MLflow keep to itself and its waits short: it takes this from the environment alone, partly at import."""
    os.environ |= {  # noqa: TID251 - sets, and reads nothing
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_CONFIGURE_LOGGING": "false",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(timeout_seconds),
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
        "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
        "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": str(timeout_seconds),
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences MLflow's own warnings, which are about its own code."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _log_values(client: "MlflowClient", run_id: str, run: TrainingRun) -> None:
    from mlflow.entities import Metric, Param

    now = round(time.time() * 1000)
    metrics = [Metric(name, value, now, 0) for name, value in run.metrics.items() if math.isfinite(value)]
    parameters = [Param(name, str(value)[:_PARAMETER_LIMIT]) for name, value in flatten(run.parameters).items()]
    client.log_batch(run_id, metrics=metrics)
    for start in range(0, len(parameters), _PARAMETERS_PER_CALL):
        client.log_batch(run_id, params=parameters[start : start + _PARAMETERS_PER_CALL])


def flatten(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Returns nested mappings as one level, names joined by dots.

    >>> flatten({"window": {"days": 28}, "seed": 7})
    {'window.days': 28, 'seed': 7}
    """
    flat: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
