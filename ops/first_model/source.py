"""The first model's data: a transaction file, the days that training leaves out, and the folder of its own."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ml.data.datasets import load_transactions
from ml.data.table import NEVER, TransactionTable
from ml.domain.durations import DAY_SECONDS
from ml.domain.errors import DataError
from ml.features.schema import schema_hash
from ml.registry.registry import ModelRegistry
from ops.stack import state
from ops.stack.promotion import can_be_served
from settings import Settings

SIMULATION = ("--customers", "800", "--terminals", "1600", "--days", "80", "--seed", "7")
LIVE_DAYS = 7
"""The last days of the data: training only measures itself on them; the demo and benchmarks score from their start."""


@dataclass(frozen=True)
class Source:
    """The data of a first model, and where it is kept.

    Attributes:
        name: `simulated`, or the file's name up to its first dot.
        file: the transactions.
        folder: data, logs and state that belong to this source alone.
    """

    name: str
    file: Path
    folder: Path

    @classmethod
    def of(cls, settings: Settings, file: Path | None) -> "Source":
        """Returns the source of a file, or of the simulator without one."""
        name = "simulated" if file is None else file.name.split(".")[0]
        folder = settings.var_dir / "demo" / name
        return cls(name, file or folder / "transactions.parquet", folder)

    @classmethod
    def of_proving(cls, settings: Settings) -> "Source":
        """Returns the simulated source of benchmarks and faults, whose folder holds nothing of the installation's."""
        folder = settings.var_dir / "proving"
        return cls("simulated", folder / "transactions.parquet", folder)

    @property
    def is_simulated(self) -> bool:
        """Whether the simulator writes the file."""
        return self.file.parent == self.folder

    def fingerprint(self) -> dict[str, str]:
        """Returns the data and features; a model trained earlier is the model of this data if they are equal."""
        what = " ".join(SIMULATION)
        if not self.is_simulated:
            stat = self.file.stat()
            what = f"{self.file.resolve()} {stat.st_size} {stat.st_mtime_ns}"
        return {"data": what, "features": schema_hash()}


@dataclass(frozen=True)
class Days:
    """The borders of the data's time, epoch seconds: training knows nothing after `live_start`."""

    data_start: int
    live_start: int
    data_end: int

    @classmethod
    def of(cls, table: TransactionTable) -> "Days":
        """Returns the borders of a table: whole days, the last ones live.

        Raises:
            ml.domain.errors.DataError: the table is shorter than the live days.
        """
        end = (int(table.epoch_seconds[-1]) // DAY_SECONDS + 1) * DAY_SECONDS
        start, live_start = int(table.epoch_seconds[0]), end - LIVE_DAYS * DAY_SECONDS
        if start >= live_start:
            raise DataError(f"A first model needs more than {LIVE_DAYS} days of transactions.")
        return cls(start, live_start, end)

    def live_rows(self, table: TransactionTable, count: int) -> TransactionTable:
        """Returns the first transactions of the live days."""
        return table.between(self.live_start, NEVER).select(slice(0, count))

    def wire(self) -> dict[str, str]:
        """Returns the borders as UTC times."""
        return {name: moment(seconds) for name, seconds in asdict(self).items()}


def moment(seconds: int) -> str:
    """Returns a UTC time as the commands take it.

    >>> moment(0)
    '1970-01-01T00:00:00'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def load(source: Source, settings: Settings) -> TransactionTable:
    """Returns the source's transactions.

    Raises:
        ml.domain.errors.DataError: the file is unusable.
    """
    return load_transactions(source.file, label_delay_days=settings.label_delay_days).table


@dataclass(frozen=True)
class TrainedFor:
    """The record of which model was trained for which data: `trained.json` in the source's folder."""

    models: Path
    version: str
    key_id: str
    fingerprint: dict[str, str]

    @classmethod
    def read(cls, source: Source) -> "TrainedFor | None":
        """Returns the record; None if there is none, or none that can be read."""
        try:
            content = json.loads((source.folder / "trained.json").read_text())
            return cls(**content | {"models": Path(content["models"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write(self, source: Source) -> None:
        """Writes the record."""
        (source.folder / "trained.json").write_text(json.dumps(asdict(self) | {"models": str(self.models)}, indent=2))

    def still_serves(self, source: Source, settings: Settings) -> bool:
        """Whether the model is there, still champion, openable with today's keys, and of this data."""
        return (
            self.fingerprint == source.fingerprint()
            and self.key_id == settings.artifact_key_id
            and ModelRegistry(self.models).champion() == self.version
        )


def models_folder(source: Source, settings: Settings) -> Path:
    """Returns where the first model belongs.

    Simulated data train the model that `make up` serves afterwards, if there is none yet, or one of an earlier demo
    that this code can no longer serve. Any other data, and a simulation beside a model that serves, get a registry of
    their own, so that a model in use is never replaced.
    """
    own = source.folder / "models"
    if not source.is_simulated:
        return own
    champion = ModelRegistry(settings.models_path).champion()
    trained = TrainedFor.read(source)
    is_outdated = (
        trained is not None
        and trained.version == champion
        and state.read(settings.var_dir) is None
        and not can_be_served(trained.version, settings)
    )
    return settings.models_path if champion is None or is_outdated else own
