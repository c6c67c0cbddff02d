"""The file that a quality benchmark runs on."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ml.data.datasets import load_transactions
from ml.data.table import TransactionTable
from ops.proving.bench.quality.protocol.fold import DELAY_DAYS, day_of

_HANDBOOK_BEGINS = "2018-04-01"


@dataclass(frozen=True)
class BenchmarkData:
    """A data file.

    Attributes:
        table: its transactions; labels are known when the file says so, or `DELAY_DAYS` after the payment.
        name: of the file.
        sha256: of the file.
        duplicates: how many rows repeated a transaction id and were dropped.
        is_handbook: whether these are the Handbook's simulated data, to which the published figures belong: they
            have its column names and begin on its first day.
    """

    table: TransactionTable
    name: str
    sha256: str
    duplicates: int
    is_handbook: bool

    @classmethod
    def load(cls, path: Path) -> "BenchmarkData":
        """Reads a file.

        Raises:
            DataError: the file is missing or cannot be used.
        """
        dataset = load_transactions(path, label_delay_days=DELAY_DAYS)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        table = dataset.table
        is_handbook = dataset.is_benchmark and day_of(int(table.epoch_seconds[0])) == _HANDBOOK_BEGINS
        return cls(table, path.name, digest, dataset.duplicates, is_handbook)

    @property
    def first_day(self) -> str:
        """The day of the first payment."""
        return day_of(int(self.table.epoch_seconds[0]))

    @property
    def last_day(self) -> str:
        """The day of the last payment."""
        return day_of(int(self.table.epoch_seconds[-1]))
