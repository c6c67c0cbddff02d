"""Takes the columns of a transaction file out of an Arrow table, or says in one sentence why it cannot.

Each refusal names the file, the first bad row, the column as the file calls it, the value and the reason.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from ml.data.table import NEVER, UNKNOWN, Column
from ml.domain.amounts import UNITS_PER_CURRENCY_UNIT
from ml.domain.durations import DAY_SECONDS
from ml.domain.errors import DataError
from ml.domain.timestamps import EPOCH_LIMIT_SECONDS
from ml.domain.transaction import ID_PATTERN, Channel

_PATTERNS = {
    "customer_id": r"[A-Za-z0-9._:-]{1,64}",
    "terminal_id": r"[A-Za-z0-9._:-]{1,64}",
    "device_id": r"[A-Za-z0-9._:-]{1,64}",
    "country": r"[A-Z]{2}",
    "currency": r"[A-Z]{3}",
    "merchant_category": r"[0-9]{4}",
    "channel": "|".join(get_args(Channel)),
}
_MAX_UNITS = 10**9 * UNITS_PER_CURRENCY_UNIT
_FUTURE_TOLERANCE_SECONDS = DAY_SECONDS  # the API's default too: clocks and time zones differ


class ColumnReader:
    """Takes columns out of an Arrow table, or says in one sentence why it cannot.

    Args:
        path: the file, for messages.
        arrow: its columns under our own names.
        names: what the file calls a column, where that differs.
        has_header: whether a line of names stands above the first row.
    """

    def __init__(self, path: Path, arrow: Any, *, names: Mapping[str, str], has_header: bool) -> None:
        self._path = path
        self._arrow = arrow
        self._names = names
        self._has_header = has_header

    def refuse(self, column: str, is_bad: NDArray[np.bool_], what: str) -> None:
        """Raises DataError for the first bad row, if there is one."""
        if is_bad.any():
            raise self._refusal(column, int(np.argmax(is_bad)), what)

    def refuse_future(self, epoch: NDArray[np.int64], now: float) -> None:
        """Raises DataError for the first row that lies more than a day after now."""
        clock = datetime.fromtimestamp(int(now), UTC)
        what = f"lies in the future: it is {clock:%Y-%m-%d %H:%M} UTC"
        self.refuse("timestamp", epoch > now + _FUTURE_TOLERANCE_SECONDS, what)

    def _refusal(self, column: str, row: int, what: str) -> DataError:
        # People count rows with or without the header; the message says which count is meant.
        place = f"row {row + 1} below the header" if self._has_header else f"row {row + 1}"
        value = _shown(self._arrow[column][row])
        return DataError(f"{self._path}, {place}: {self._names.get(column, column)} {value}{what}.")

    def texts(self, column: str, *, required: bool = False) -> Column:
        """Returns a text column; an absent one is missing throughout."""
        if column not in self._arrow.column_names:
            return Column.constant(None, len(self._arrow))
        encoded = _encoded(self._arrow[column])
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        if required:
            self.refuse(column, codes < 0, "is missing")
        names = tuple(encoded.dictionary.to_pylist())
        pattern = re.compile(_PATTERNS[column])
        malformed = [code for code, name in enumerate(names) if not pattern.fullmatch(name)]
        if malformed:
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
        self.refuse("transaction_id", ~pc.match_substring_regex(ids, ID_PATTERN).to_numpy(), "is malformed")
        texts: NDArray[np.object_] = ids.to_numpy()
        return texts

    def times(self, column: str, *, missing: int | None = None) -> NDArray[np.int64]:
        """Returns epoch seconds; null becomes `missing`, or is refused if that is None."""
        import pyarrow as pa

        values = self._arrow[column]
        is_null = values.is_null().to_numpy()
        if missing is None:
            self.refuse(column, is_null, "is missing")
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            values = self._cast(column, values, _time_type(values), "is no time such as 2026-03-01T12:00:00Z")
        if pa.types.is_timestamp(values.type):
            values = values.cast(pa.timestamp("us", tz=values.type.tz), safe=False).cast(pa.int64())
            seconds = values.fill_null(0).to_numpy() // 1_000_000
        else:
            seconds = np.floor(self._cast(column, values, pa.float64(), "is no time").fill_null(0).to_numpy())
        is_outside = ~((seconds >= 0) & (seconds < EPOCH_LIMIT_SECONDS))
        self.refuse(column, is_outside, "does not lie between 1970 and 2100")
        result: NDArray[np.int64] = seconds.astype(np.int64)
        return result if missing is None else np.where(is_null, missing, result)

    def label_times(
        self, epoch: NDArray[np.int64], is_fraud: NDArray[np.int8], *, delay_seconds: int
    ) -> NDArray[np.int64]:
        """Returns when each label became known: as stated, else after the delay; `NEVER` without a label."""
        is_labelled = is_fraud != UNKNOWN
        known_at = np.where(is_labelled, epoch + delay_seconds, NEVER)
        if "label_known_at" not in self._arrow.column_names:
            return known_at
        stated = self.times("label_known_at", missing=-1)
        is_stated = is_labelled & (stated >= 0)
        self.refuse("label_known_at", is_stated & (stated < epoch), "lies before the payment's own timestamp")
        return np.where(is_stated, stated, known_at)

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

        values = self._arrow[column]
        numbers: NDArray[np.float64] = self._cast(column, values, pa.float64(), "is no number").to_numpy()
        return numbers

    def _cast(self, column: str, values: Any, kind: Any, what: str) -> Any:
        """Returns the column as another type, or refuses the first row that cannot be one."""
        import pyarrow as pa

        try:
            return values.cast(kind)
        except pa.ArrowException as error:
            raise self._refusal(column, _first_refused(values, kind), what) from error


def _first_refused(values: Any, kind: Any) -> int:
    """Returns the first row that does not cast; there is one. Arrow names the value, but not where it stands."""
    import pyarrow as pa

    first, end = 0, len(values)
    while end - first > 1:
        middle = (first + end) // 2
        try:
            values.slice(first, middle - first).cast(kind)
        except pa.ArrowException:
            end = middle
        else:
            first = middle
    return first


def _time_type(texts: Any) -> Any:
    """Returns the timestamp type of time texts: all of them name a zone, as the first one does, or none does."""
    import pyarrow as pa

    first = next((row for row in range(len(texts)) if texts[row].is_valid), 0)
    try:
        texts.slice(first, 1).cast(pa.timestamp("us", tz="UTC"))
    except pa.ArrowException:
        return pa.timestamp("us")
    return pa.timestamp("us", tz="UTC")


def _encoded(values: Any) -> Any:
    """Returns texts as one dictionary array of distinct names."""
    import pyarrow as pa

    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    values = values.unify_dictionaries().combine_chunks()
    names = values.dictionary.cast(pa.string())
    return pa.DictionaryArray.from_arrays(values.indices, names)


def _shown(scalar: Any) -> str:
    """Returns a value as a message shows it, with a space behind it; nothing if it is missing."""
    import pyarrow as pa

    if not scalar.is_valid:
        return ""
    if pa.types.is_timestamp(scalar.type):
        # Python's own time is no finer.
        return f"{scalar.cast(pa.timestamp('us', tz=scalar.type.tz), safe=False).as_py()} "
    return f"{scalar.as_py()!r} "
