"""Experiment tracking as retraining sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ml.domain.errors import RetryableError
from ml.registry.registry import Alias

REPORT_NAME = "report.html"
"""The pictures and tables of a training among the files of its version."""

REPORT_FILES = ("metrics.json", "training.json", "thresholds.json", REPORT_NAME)
"""Files of a version that its run logs in clear: figures about the model, nothing it could be rebuilt from."""


class TrackingError(RetryableError):
    """The tracking server or database did not take a run."""


@dataclass(frozen=True)
class TrainingRun:
    """One evaluated model version, as it is logged.

    Attributes:
        version: model version id.
        role: the part it played in the comparison.
        parameters: settings of the training; nested mappings are flattened with dots.
        metrics: figures; those that are not finite are left out.
        directory: the version's directory, logged as it is: signed and sealed.
        reports: files logged in clear beside it, content by name.
    """

    version: str
    role: Alias
    parameters: Mapping[str, object]
    metrics: Mapping[str, float]
    directory: Path | None = None
    reports: Mapping[str, bytes] = field(default_factory=dict)


class ExperimentTracker(Protocol):
    """Keeps training runs and the registered versions; every method may raise TrackingError."""

    def log(self, run: TrainingRun) -> str:
        """Logs a run and returns its id; a run with a directory also becomes a registered version."""
        ...

    def set_aliases(self, champion: str | None, challenger: str | None) -> None:
        """Points the aliases at registered versions, or removes them; a version never registered is skipped."""
        ...
