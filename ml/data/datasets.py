"""Transaction files: Parquet or CSV, in the platform's own columns or in the benchmark's.

Own columns: those of `Transaction` (`ip` and `metadata` are read over), and optionally `is_fraud` (0, 1 or empty),
`label_known_at` (a time; without it labels count as known `label_delay_days` after the transaction) and `scenario`.

The benchmark is the Fraud Detection Handbook's simulated data; its columns become:

| benchmark | own | |
| --- | --- | --- |
| TRANSACTION_ID | transaction_id | as text |
| TX_DATETIME | timestamp | read as UTC |
| CUSTOMER_ID, TERMINAL_ID | customer_id, terminal_id | as text |
| TX_AMOUNT | amount | the few payments of 0.00 become 0.01, the smallest a client can post |
| TX_FRAUD, TX_FRAUD_SCENARIO | is_fraud, scenario | |
| TX_TIME_SECONDS, TX_TIME_DAYS | – | read over |
| – | channel, currency | `pos`, and the caller's `currency` |

Times are timestamps (without a zone: UTC), epoch seconds, or RFC 3339 texts. Rows may stand in any order.

Only the columns that are kept are read, and texts are read as codes into a list of names, so that memory grows with
the rows and not with the file.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ml.data.dataset_columns import ColumnReader
from ml.data.table import NEVER, UNKNOWN, Column, TransactionTable
from ml.domain.amounts import UNITS_PER_CURRENCY_UNIT
from ml.domain.durations import DAY_SECONDS
from ml.domain.errors import DataError

_REQUIRED = ("transaction_id", "timestamp", "customer_id", "terminal_id", "amount", "currency", "channel")
_OPTIONAL = ("country", "merchant_category", "device_id", "is_fraud", "label_known_at", "scenario")
_READ_OVER = ("ip", "metadata")
_BENCHMARK = {
    "TRANSACTION_ID": "transaction_id",
    "TX_DATETIME": "timestamp",
    "CUSTOMER_ID": "customer_id",
    "TERMINAL_ID": "terminal_id",
    "TX_AMOUNT": "amount",
    "TX_FRAUD": "is_fraud",
    "TX_FRAUD_SCENARIO": "scenario",
}
_BENCHMARK_REQUIRED = ("TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT")
_BENCHMARK_READ_OVER = ("TX_TIME_SECONDS", "TX_TIME_DAYS")
_TEXTS = (
    "transaction_id",
    "customer_id",
    "terminal_id",
    "currency",
    "channel",
    "country",
    "merchant_category",
    "device_id",
)
_CODED = _TEXTS[1:]
_BENCHMARK_LEAST_UNITS = UNITS_PER_CURRENCY_UNIT // 100


@dataclass(frozen=True)
class Dataset:
    """The transactions of a file.

    Attributes:
        table: its transactions in time order.
        duplicates: rows that repeated the transaction id of an earlier payment and were left out.
        out_of_order: rows that stood after a later payment and were sorted in.
        is_benchmark: whether the file has the benchmark's columns.
    """

    table: TransactionTable
    duplicates: int
    out_of_order: int
    is_benchmark: bool


def load_transactions(
    path: Path, *, label_delay_days: float = 7.0, currency: str = "EUR", now: float | None = None
) -> Dataset:
    """Reads a `.parquet` or `.csv` file.

    Args:
        path: the file; `.csv.gz` is unpacked on the way.
        label_delay_days: when a label without `label_known_at` becomes known, counted from its transaction.
        currency: ISO 4217 code for the benchmark's columns, which name none.
        now: epoch seconds; a transaction more than a day later is refused; default: the clock.

    Raises:
        DataError: the file is missing or of another format, a column is missing or unknown, or a value is
            unusable; the message is one sentence and names the column and, counted from 1 below a CSV's header, the
            first bad row.
    """
    columns = _columns(path)
    arrow = _read(path, columns)
    if len(arrow) == 0:
        raise DataError(f"{path} holds no transactions.")
    is_benchmark = "TX_DATETIME" in columns
    names = {own: name for name, own in columns.items()}
    reader = ColumnReader(path, arrow, names=names, has_header=_is_csv(path))
    epoch = reader.times("timestamp")
    reader.refuse_future(epoch, time.time() if now is None else now)
    units = reader.amounts()
    if is_benchmark:
        units = np.where(units == 0, _BENCHMARK_LEAST_UNITS, units)
    reader.refuse("amount", units <= 0, "is not greater than 0")
    is_fraud = reader.labels()
    length = len(arrow)
    table = TransactionTable.build(
        transaction_id=reader.transaction_ids(),
        epoch_seconds=epoch,
        amount_units=units,
        customer_id=reader.texts("customer_id", required=True),
        terminal_id=reader.texts("terminal_id", required=True),
        device_id=reader.texts("device_id"),
        country=reader.texts("country"),
        channel=Column.constant("pos", length) if is_benchmark else reader.texts("channel", required=True),
        currency=Column.constant(currency, length) if is_benchmark else reader.texts("currency", required=True),
        merchant_category=reader.texts("merchant_category"),
        is_fraud=is_fraud,
        label_known_at=reader.label_times(epoch, is_fraud, delay_seconds=round(label_delay_days * DAY_SECONDS)),
        scenario=reader.scenarios(),
    )
    table = _without_duplicates(table)
    out_of_order = int(np.count_nonzero(epoch < np.maximum.accumulate(epoch)))
    return Dataset(table, length - len(table), out_of_order, is_benchmark)


def _without_duplicates(table: TransactionTable) -> TransactionTable:
    """Keeps the earliest row of each transaction id."""
    import pyarrow as pa

    encoded = pa.array(table.transaction_id).dictionary_encode()
    if len(encoded.dictionary) == len(table):
        return table
    _, first = np.unique(encoded.indices.to_numpy(), return_index=True)
    return table.select(np.sort(first))


def write_transactions(table: TransactionTable, path: Path) -> None:
    """Writes the table as Parquet in the platform's own columns; a missing value is null.

    Raises:
        DataError: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    def texts(column: Column) -> Any:
        return pa.DictionaryArray.from_arrays(
            pa.array(column.codes, mask=column.codes < 0), pa.array(column.names, pa.string())
        )

    is_known = table.label_known_at < NEVER
    columns = {
        "transaction_id": pa.array(table.transaction_id.astype(str), pa.string()),
        "timestamp": pa.array(table.epoch_seconds, pa.timestamp("s", tz="UTC")),
        **{name: texts(getattr(table, name)) for name in _TEXTS[1:]},
        # Exact: both the units and their quotient by 1e4 fit a double to well below half a unit.
        "amount": pa.array(table.amount_units / UNITS_PER_CURRENCY_UNIT),
        "is_fraud": pa.array(table.is_fraud, mask=table.is_fraud == UNKNOWN),
        "label_known_at": pa.array(
            np.where(is_known, table.label_known_at, 0), pa.timestamp("s", tz="UTC"), mask=~is_known
        ),
        "scenario": pa.array(table.scenario),
    }
    try:
        pq.write_table(pa.table(columns), path, compression="zstd")
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}.") from error


def _columns(path: Path) -> dict[str, str]:
    """Returns our own name of each column to read, by the file's; refuses a missing, unknown or repeated column."""
    from pyarrow import csv, parquet

    with _readable(path), csv.open_csv(path) if _is_csv(path) else parquet.ParquetFile(path) as file:
        names = file.schema.names if _is_csv(path) else file.schema_arrow.names
    if "TX_DATETIME" in names:
        _check_columns(path, names, required=_BENCHMARK_REQUIRED, known=(*_BENCHMARK, *_BENCHMARK_READ_OVER))
        return {name: own for name, own in _BENCHMARK.items() if name in names}
    _check_columns(path, names, required=_REQUIRED, known=(*_REQUIRED, *_OPTIONAL, *_READ_OVER))
    return {name: name for name in (*_REQUIRED, *_OPTIONAL) if name in names}


def _read(path: Path, columns: Mapping[str, str]) -> Any:
    """Returns the columns under our own names; texts that repeat are read as codes into a list of names."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    coded = [name for name, own in columns.items() if own in _CODED]
    with _readable(path):
        if _is_csv(path):
            # Texts that look like numbers stay texts: leading zeros are part of an id.
            types = dict.fromkeys(coded, pa.dictionary(pa.int32(), pa.string()))
            types |= {name: pa.string() for name, own in columns.items() if own == "transaction_id"}
            # Only an empty field is missing; "NA" is a country.
            options = csv.ConvertOptions(
                column_types=types, include_columns=list(columns), strings_can_be_null=True, null_values=[""]
            )
            arrow = csv.read_csv(path, convert_options=options)
        else:
            with parquet.ParquetFile(path, read_dictionary=coded) as file:
                arrow = file.read(columns=list(columns))
    return arrow.rename_columns([columns[name] for name in arrow.column_names])


def _is_csv(path: Path) -> bool:
    return path.name.lower().endswith((".csv", ".csv.gz"))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns an error while a file is read into one sentence."""
    import pyarrow as pa

    if not path.is_file():
        raise DataError(f"{path} does not exist or is not a file.")
    if not _is_csv(path) and not path.name.lower().endswith((".parquet", ".pq")):
        raise DataError(f"{path} is neither a .parquet nor a .csv file.")
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        if _is_csv(path) and "Expected" in str(error):
            _refuse_ragged_row(path)
        reason = " ".join(str(error).split())
        kind = "csv" if _is_csv(path) else "parquet"
        raise DataError(f"{path} is not a readable {kind} file: {reason.rstrip('.')}.") from error


def _refuse_ragged_row(path: Path) -> None:
    """Raises DataError for the first row with more or fewer fields than the header has, if there is one."""
    import pyarrow as pa
    from pyarrow import csv

    ragged: list[Any] = []

    def note(row: Any) -> str:
        ragged.append(row)
        return "error"

    with suppress(pa.ArrowException):
        # Only a single thread counts rows, and it counts the header too.
        csv.read_csv(path, csv.ReadOptions(use_threads=False), csv.ParseOptions(invalid_row_handler=note))
    if ragged:
        row = ragged[0]
        raise DataError(
            f"{path}, row {row.number - 1} below the header: it has {row.actual_columns} fields, "
            f"the header has {row.expected_columns}."
        )


def _check_columns(path: Path, names: list[str], *, required: tuple[str, ...], known: tuple[str, ...]) -> None:
    missing = [name for name in required if name not in names]
    unknown = [name for name in names if name not in known]
    repeated = sorted({name for name in names if names.count(name) > 1})
    for problem, columns in (("lacks the", missing), ("has the unknown", unknown), ("repeats the", repeated)):
        if columns:
            noun = "column" if len(columns) == 1 else "columns"
            raise DataError(f"{path} {problem} {noun} {', '.join(columns)}.")
