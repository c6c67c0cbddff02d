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
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from ml.errors import DataError
from ml.table import NEVER, UNKNOWN, Column, TransactionTable
from ml.transaction import UNITS_PER_CURRENCY_UNIT, Channel

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
_PATTERNS = {
    "customer_id": r"[A-Za-z0-9._:-]{1,64}",
    "terminal_id": r"[A-Za-z0-9._:-]{1,64}",
    "device_id": r"[A-Za-z0-9._:-]{1,64}",
    "country": r"[A-Z]{2}",
    "currency": r"[A-Z]{3}",
    "merchant_category": r"[0-9]{4}",
    "channel": "|".join(get_args(Channel)),
}
_ID_PATTERN = r"^[A-Za-z0-9._:-]{1,64}$"
_MAX_UNITS = 10**9 * UNITS_PER_CURRENCY_UNIT
_EPOCH_LIMIT_SECONDS = 4_102_444_800
_BENCHMARK_LEAST_UNITS = UNITS_PER_CURRENCY_UNIT // 100


@dataclass(frozen=True)
class Dataset:
    """What a file held.

    Attributes:
        table: its transactions.
        duplicates: how many rows repeated an earlier transaction id and were dropped.
        is_benchmark: whether the file has the benchmark's columns.
    """

    table: TransactionTable
    duplicates: int
    is_benchmark: bool = False


def load_transactions(path: Path, *, label_delay_days: float = 7.0, currency: str = "EUR") -> Dataset:
    """Reads a `.parquet` or `.csv` file.

    Args:
        path: the file; `.csv.gz` is unpacked on the way.
        label_delay_days: when a label without `label_known_at` becomes known, counted from its transaction.
        currency: ISO 4217 code for the benchmark's columns, which name none.

    Raises:
        DataError: the file is missing or of another format, a column is missing or unknown, or a value is
            unusable; the message is one sentence and names the column and, counted from 1, the first bad row.
    """
    arrow = _read(path)
    if len(arrow) == 0:
        raise DataError(f"{path} holds no transactions.")
    is_benchmark = "TX_DATETIME" in arrow.column_names
    if is_benchmark:
        _check_columns(path, arrow, required=_BENCHMARK_REQUIRED, known=(*_BENCHMARK, *_BENCHMARK_READ_OVER))
        arrow = arrow.drop_columns([name for name in _BENCHMARK_READ_OVER if name in arrow.column_names])
        arrow = arrow.rename_columns([_BENCHMARK[name] for name in arrow.column_names])
    else:
        _check_columns(path, arrow, required=_REQUIRED, known=(*_REQUIRED, *_OPTIONAL, *_READ_OVER))
    reader = _Reader(path, arrow)
    epoch = reader.times("timestamp")
    units = reader.amounts()
    if is_benchmark:
        units = np.where(units == 0, _BENCHMARK_LEAST_UNITS, units)
    reader.refuse("amount", units <= 0, "is not greater than 0")
    is_fraud = reader.labels()
    known_at = np.where(is_fraud == UNKNOWN, NEVER, epoch + round(label_delay_days * 86_400))
    if "label_known_at" in arrow.column_names:
        stated = reader.times("label_known_at", missing=-1)
        known_at = np.where((stated >= 0) & (is_fraud != UNKNOWN), stated, known_at)
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
        label_known_at=known_at,
        scenario=reader.scenarios(),
    )
    table = _without_duplicates(table)
    return Dataset(table, duplicates=length - len(table), is_benchmark=is_benchmark)


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


def _read(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import csv, parquet

    if not path.is_file():
        raise DataError(f"{path} does not exist or is not a file.")
    name = path.name.lower()
    try:
        if name.endswith((".parquet", ".pq")):
            return parquet.ParquetFile(path).read()
        if name.endswith((".csv", ".csv.gz")):
            # Texts that look like numbers stay texts: leading zeros are part of an id.
            texts = (*_TEXTS, *(column for column, own in _BENCHMARK.items() if own in _TEXTS))
            types = {column: pa.string() for column in texts}
            # Only an empty field is missing; "NA" is a country.
            options = csv.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=[""])
            return csv.read_csv(path, convert_options=options)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is not a readable {path.suffix.lstrip('.')} file: {reason}.") from error
    raise DataError(f"{path} is neither a .parquet nor a .csv file.")


def _check_columns(path: Path, arrow: Any, *, required: tuple[str, ...], known: tuple[str, ...]) -> None:
    names = arrow.column_names
    missing = [name for name in required if name not in names]
    unknown = [name for name in names if name not in known]
    repeated = sorted({name for name in names if names.count(name) > 1})
    for problem, columns in (("lacks the", missing), ("has the unknown", unknown), ("repeats the", repeated)):
        if columns:
            noun = "column" if len(columns) == 1 else "columns"
            raise DataError(f"{path} {problem} {noun} {', '.join(columns)}.")


class _Reader:
    """Takes columns out of an Arrow table, or says in one sentence why it cannot."""

    def __init__(self, path: Path, arrow: Any) -> None:
        self._path = path
        self._arrow = arrow

    def refuse(self, column: str, is_bad: NDArray[np.bool_], what: str) -> None:
        """Raises DataError for the first bad row, if there is one."""
        rows = np.flatnonzero(is_bad)
        if len(rows):
            value = self._arrow[column][int(rows[0])].as_py()
            raise DataError(f"{self._path}, row {rows[0] + 1}: {column} {value!r} {what}.")

    def texts(self, column: str, *, required: bool = False) -> Column:
        """Returns a text column; an absent one is missing throughout."""
        import pyarrow as pa

        if column not in self._arrow.column_names:
            return Column.constant(None, len(self._arrow))
        values = self._arrow[column]
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        encoded = pa.chunked_array(values.cast(pa.string())).combine_chunks().dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        if required:
            self.refuse(column, codes < 0, "is missing")
        names = tuple(encoded.dictionary.to_pylist())
        pattern = re.compile(_PATTERNS[column])
        malformed = [code for code, name in enumerate(names) if not pattern.fullmatch(name)]
        self.refuse(column, np.isin(codes, malformed), "is malformed")
        return Column(codes, names)

    def transaction_ids(self) -> NDArray[np.object_] | NDArray[np.int64]:
        """Returns the ids; integers stay integers."""
        import pyarrow as pa
        import pyarrow.compute as pc

        values = self._arrow["transaction_id"]
        self.refuse("transaction_id", values.is_null().to_numpy(), "is missing")
        if pa.types.is_integer(values.type):
            numbers: NDArray[np.int64] = values.to_numpy().astype(np.int64)
            self.refuse("transaction_id", numbers < 0, "is malformed")
            return numbers
        ids = values.cast(pa.string())
        self.refuse("transaction_id", ~pc.match_substring_regex(ids, _ID_PATTERN).to_numpy(), "is malformed")
        texts: NDArray[np.object_] = ids.to_numpy()
        return texts

    def times(self, column: str, *, missing: int | None = None) -> NDArray[np.int64]:
        """Returns epoch seconds; null becomes `missing`, or is refused if that is None."""
        import pyarrow as pa

        values = self._arrow[column]
        is_null = values.is_null().to_numpy()
        if missing is None:
            self.refuse(column, is_null, "is missing")
        try:
            if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
                values = _parsed(values)
            if pa.types.is_timestamp(values.type):
                values = values.cast(pa.timestamp("us", tz=values.type.tz), safe=False).cast(pa.int64())
                seconds = values.fill_null(0).to_numpy() // 1_000_000
            else:
                seconds = np.floor(values.cast(pa.float64()).fill_null(0).to_numpy())
        except pa.ArrowException as error:
            raise DataError(f"{self._path}: {column} holds something that is no time: {_first_line(error)}.") from error
        is_outside = ~((seconds >= 0) & (seconds < _EPOCH_LIMIT_SECONDS))
        self.refuse(column, is_outside, "does not lie between 1970 and 2100")
        result: NDArray[np.int64] = seconds.astype(np.int64)
        return result if missing is None else np.where(is_null, missing, result)

    def amounts(self) -> NDArray[np.int64]:
        """Returns amounts in 1e-4 currency units."""
        amounts = self._numbers("amount")
        self.refuse("amount", np.isnan(amounts), "is missing")
        self.refuse("amount", amounts < 0, "is negative")
        scaled = amounts * UNITS_PER_CURRENCY_UNIT
        self.refuse("amount", scaled > _MAX_UNITS, "is above 1e9")
        units = np.rint(scaled)
        self.refuse("amount", np.abs(scaled - units) > 0.01, "has more than 4 decimals")
        return units.astype(np.int64)

    def labels(self) -> NDArray[np.int8]:
        """Returns -1 unknown, 0 legitimate, 1 fraud."""
        if "is_fraud" not in self._arrow.column_names:
            return np.full(len(self._arrow), UNKNOWN, np.int8)
        values = self._numbers("is_fraud")
        self.refuse("is_fraud", ~np.isnan(values) & (values != 0) & (values != 1), "is neither 0 nor 1")
        return np.where(np.isnan(values), UNKNOWN, values).astype(np.int8)

    def scenarios(self) -> NDArray[np.int8]:
        """Returns the simulated fraud pattern, 0 where there is none."""
        if "scenario" not in self._arrow.column_names:
            return np.zeros(len(self._arrow), np.int8)
        values = self._numbers("scenario")
        self.refuse("scenario", (values < 0) | (values > 127), "does not lie between 0 and 127")
        return np.nan_to_num(values).astype(np.int8)

    def _numbers(self, column: str) -> NDArray[np.float64]:
        import pyarrow as pa

        try:
            values = self._arrow[column].cast(pa.float64())
        except pa.ArrowException as error:
            raise DataError(
                f"{self._path}: {column} holds something that is no number: {_first_line(error)}."
            ) from error
        numbers: NDArray[np.float64] = values.to_numpy()
        return numbers


def _parsed(texts: Any) -> Any:
    """Returns texts as timestamps; all of them name a zone, or none does."""
    import pyarrow as pa

    try:
        return texts.cast(pa.timestamp("us", tz="UTC"))
    except pa.ArrowInvalid:
        return texts.cast(pa.timestamp("us"))


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0].rstrip(".")
