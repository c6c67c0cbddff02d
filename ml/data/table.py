"""The transaction table: many transactions as a struct of arrays, the form of training and history.

A table holds what features and labels need; `ip` and `metadata` of a transaction are not kept. Rows are
sorted by event time. Times are whole epoch seconds, amounts whole 1e-4 currency units, so sums are exact.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from ml.domain.amounts import UNITS_PER_CURRENCY_UNIT
from ml.domain.transaction import Channel, Transaction

NEVER = 2**32 - 1
"""`label_known_at` of a label that is not known; later than every event time."""

UNKNOWN, LEGITIMATE, FRAUD = -1, 0, 1
"""Values of `is_fraud`."""


@dataclass(frozen=True)
class Column:
    """A dictionary-encoded text column: row i holds `names[codes[i]]`, or nothing where the code is -1."""

    codes: NDArray[np.int32]
    names: tuple[str, ...]

    @classmethod
    def of(cls, values: Sequence[str | None]) -> Self:
        """Encodes texts; codes follow first appearance, None becomes -1."""
        index: dict[str, int] = {}
        codes = np.empty(len(values), np.int32)
        for row, value in enumerate(values):
            codes[row] = -1 if value is None else index.setdefault(value, len(index))
        return cls(codes, tuple(index))

    @classmethod
    def constant(cls, value: str | None, length: int) -> Self:
        """Returns a column that holds the same text in every row."""
        return cls(np.full(length, -1 if value is None else 0, np.int32), () if value is None else (value,))

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp] | slice) -> "Column":
        """Returns the chosen rows; the names stay as they are."""
        return Column(self.codes[rows], self.names)

    def text(self, row: int) -> str | None:
        """Returns the text of a row, None where it is missing."""
        code = int(self.codes[row])
        return None if code < 0 else self.names[code]

    @staticmethod
    def joined(columns: Sequence["Column"]) -> "Column":
        """Returns the columns one after the other over one common list of names."""
        index: dict[str, int] = {}
        parts = []
        for column in columns:
            # The extra last element makes code -1 point to -1.
            mapping = np.array([index.setdefault(name, len(index)) for name in column.names] + [-1], np.int32)
            parts.append(mapping[column.codes])
        return Column(np.concatenate(parts), tuple(index))


@dataclass(frozen=True)
class TransactionTable:
    """N transactions sorted by (epoch_seconds, arrived_at), with the known outcomes.

    Attributes:
        transaction_id: N ids; integers are rendered by `str`.
        epoch_seconds: event times.
        arrived_at: when each one reached the platform, epoch seconds; the event time where unknown. Rows
            of the same second arrive in table order. A row's past never holds a row that arrived after it.
        amount_units: amounts in 1e-4 currency units.
        is_fraud: -1 unknown, 0 legitimate, 1 fraud.
        label_known_at: when `is_fraud` became known, epoch seconds; `NEVER` if it is not.
        is_presumed: whether the label is only presumed, because no fraud was reported in time. Models learn from it,
            but features never see it: at scoring time they did not see it either.
        scenario: fraud pattern of a simulation, 0 for none or unknown.
    """

    transaction_id: NDArray[np.object_] | NDArray[np.int64]
    epoch_seconds: NDArray[np.int64]
    arrived_at: NDArray[np.int64]
    amount_units: NDArray[np.int64]
    customer_id: Column
    terminal_id: Column
    device_id: Column
    country: Column
    channel: Column
    currency: Column
    merchant_category: Column
    is_fraud: NDArray[np.int8]
    label_known_at: NDArray[np.int64]
    is_presumed: NDArray[np.bool_]
    scenario: NDArray[np.int8]

    @classmethod
    def build(  # noqa: PLR0913 - one keyword per column
        cls,
        *,
        transaction_id: NDArray[np.object_] | NDArray[np.int64],
        epoch_seconds: NDArray[np.int64],
        amount_units: NDArray[np.int64],
        customer_id: Column,
        terminal_id: Column,
        device_id: Column | None = None,
        country: Column | None = None,
        channel: Column | None = None,
        currency: Column | None = None,
        merchant_category: Column | None = None,
        is_fraud: NDArray[np.int8] | None = None,
        label_known_at: NDArray[np.int64] | None = None,
        is_presumed: NDArray[np.bool_] | None = None,
        scenario: NDArray[np.int8] | None = None,
        arrived_at: NDArray[np.int64] | None = None,
    ) -> "TransactionTable":
        """Returns the table of rows given in any order; a column left out is missing, arrival is in time."""
        length = len(epoch_seconds)
        missing = Column.constant(None, length)
        table = cls(
            transaction_id=transaction_id,
            epoch_seconds=epoch_seconds,
            arrived_at=epoch_seconds if arrived_at is None else arrived_at,
            amount_units=amount_units,
            customer_id=customer_id,
            terminal_id=terminal_id,
            device_id=device_id or missing,
            country=country or missing,
            channel=channel or Column.constant("pos", length),
            currency=currency or missing,
            merchant_category=merchant_category or missing,
            is_fraud=np.full(length, UNKNOWN, np.int8) if is_fraud is None else is_fraud,
            label_known_at=np.full(length, NEVER, np.int64) if label_known_at is None else label_known_at,
            is_presumed=np.zeros(length, np.bool_) if is_presumed is None else is_presumed,
            scenario=np.zeros(length, np.int8) if scenario is None else scenario,
        )
        order = np.lexsort((table.arrived_at, table.epoch_seconds))
        return table if np.array_equal(order, np.arange(length)) else table.select(order)

    @classmethod
    def from_transactions(
        cls,
        transactions: Sequence[Transaction],
        *,
        is_fraud: Sequence[int] | None = None,
        label_known_at: Sequence[int] | None = None,
        is_presumed: Sequence[bool] | None = None,
        arrived_at: Sequence[int] | None = None,
    ) -> "TransactionTable":
        """Returns the table of transactions; the other sequences run parallel to them."""
        return cls.build(
            transaction_id=np.array([item.transaction_id for item in transactions], object),
            epoch_seconds=np.array([item.epoch_seconds for item in transactions], np.int64),
            amount_units=np.array([item.amount_units for item in transactions], np.int64),
            customer_id=Column.of([item.customer_id for item in transactions]),
            terminal_id=Column.of([item.terminal_id for item in transactions]),
            device_id=Column.of([item.device_id for item in transactions]),
            country=Column.of([item.country for item in transactions]),
            channel=Column.of([item.channel for item in transactions]),
            currency=Column.of([item.currency for item in transactions]),
            merchant_category=Column.of([item.merchant_category for item in transactions]),
            is_fraud=None if is_fraud is None else np.array(is_fraud, np.int8),
            label_known_at=None if label_known_at is None else np.array(label_known_at, np.int64),
            is_presumed=None if is_presumed is None else np.array(is_presumed, np.bool_),
            arrived_at=None if arrived_at is None else np.array(arrived_at, np.int64),
        )

    @staticmethod
    def concat(tables: Sequence["TransactionTable"]) -> "TransactionTable":
        """Returns all rows of the tables, at least one, in time order."""
        columns: dict[str, Any] = {}
        for field in fields(TransactionTable):
            parts = [getattr(table, field.name) for table in tables]
            if isinstance(parts[0], Column):
                columns[field.name] = Column.joined(parts)
            elif len({part.dtype for part in parts}) > 1:
                # Integer ids of one table beside text ids of another.
                columns[field.name] = np.concatenate([np.array([str(item) for item in part], object) for part in parts])
            else:
                columns[field.name] = np.concatenate(parts)
        return TransactionTable.build(**columns)

    def __len__(self) -> int:
        return len(self.epoch_seconds)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.intp] | slice) -> "TransactionTable":
        """Returns the chosen rows; `rows` must keep the time order unless the caller sorts afterwards."""
        chosen: dict[str, Any] = {}
        for field in fields(self):
            values = getattr(self, field.name)
            chosen[field.name] = values.take(rows) if isinstance(values, Column) else values[rows]
        return TransactionTable(**chosen)

    def between(self, start_seconds: int, end_seconds: int) -> "TransactionTable":
        """Returns the rows with start ≤ event time < end."""
        first, last = np.searchsorted(self.epoch_seconds, [start_seconds, end_seconds])
        return self.select(slice(int(first), int(last)))

    @property
    def reported_at(self) -> NDArray[np.int64]:
        """When each label reached the features, epoch seconds; `NEVER` for one that is unknown or only presumed."""
        return np.where(self.is_presumed, NEVER, self.label_known_at)

    def fraud_known_at(self, moment_seconds: int) -> NDArray[np.int8]:
        """Returns `is_fraud` as it was known at a moment; labels that came later are -1."""
        return np.where(self.label_known_at <= moment_seconds, self.is_fraud, np.int8(UNKNOWN)).astype(np.int8)

    def to_transactions(self) -> Iterator[Transaction]:
        """Yields each row as a validated transaction; a missing currency becomes `XXX`, ISO 4217's "none"."""
        for row in range(len(self)):
            yield Transaction(
                transaction_id=str(self.transaction_id[row]),
                timestamp=float(self.epoch_seconds[row]),
                customer_id=self.customer_id.text(row) or "",
                terminal_id=self.terminal_id.text(row) or "",
                amount=Decimal(int(self.amount_units[row])) / UNITS_PER_CURRENCY_UNIT,
                currency=self.currency.text(row) or "XXX",
                channel=cast("Channel", self.channel.text(row) or "pos"),
                country=self.country.text(row),
                merchant_category=self.merchant_category.text(row),
                device_id=self.device_id.text(row),
            )
