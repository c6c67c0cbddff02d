"""Training runs and model versions in MLflow, through its client: SQLite on this machine, or a server by URL.

The client is quiet: no telemetry, no console handlers, no notes about table creation. Making a new SQLite
database takes a few seconds, once.
"""

import logging
import math
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ml.registry.registry import Alias
from ml.training.tracking import TrackingError, TrainingRun
from settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

VERSION_TAG = "shrike.version"
"""Tag of runs and registered versions that holds our version id."""

ROLE_TAG = "shrike.role"
DIRECTORY_ARTIFACT = "version"
"""Artifact folder of a run that holds the signed and sealed version."""

_PARAMETER_LIMIT = 6000  # characters MLflow takes
_PARAMETERS_PER_CALL = 100


class MlflowTracker:
    """Logs to one experiment, and registers versions under the same name.

    Args:
        uri: tracking and registry store.
        name: experiment and registered model.
        artifact_directory: where artifacts of a local database go; None leaves the choice to the server.
    """

    def __init__(self, uri: str, *, name: str, artifact_directory: Path | None) -> None:
        self._uri = uri
        self._name = name
        self._artifact_directory = artifact_directory

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Returns the tracker of the settings; connects at the first call."""
        is_local = settings.mlflow_uri.startswith("sqlite:")
        directory = (settings.var_dir / "mlflow-artifacts").absolute() if is_local else None
        return cls(settings.mlflow_uri, name=settings.mlflow_experiment, artifact_directory=directory)

    def log(self, run: TrainingRun) -> str:
        """See `ExperimentTracker.log`."""
        with _quiet(), self._client() as client:
            run_id = self._start(client, run)
            try:
                _log_values(client, run_id, run)
                self._log_files(client, run_id, run)
            except BaseException:
                client.set_terminated(run_id, status="FAILED")
                raise
            client.set_terminated(run_id)
            return run_id

    def set_aliases(self, champion: str | None, challenger: str | None) -> None:
        """See `ExperimentTracker.set_aliases`."""
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
        """Connects, and turns MLflow's failures into ours.

        Fails open for its caller: a model is packaged and registered whether or not MLflow took its run.
        """
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            if self._uri.startswith("sqlite:///"):
                Path(self._uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            yield MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            first_line = str(error).partition("\n")[0]
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


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps MLflow to itself; its own warnings are about its own code."""
    # MLflow takes these from the environment alone, at import.
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # noqa: TID251 - sets, and reads nothing
    os.environ["MLFLOW_CONFIGURE_LOGGING"] = "false"  # noqa: TID251 - sets, and reads nothing
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
