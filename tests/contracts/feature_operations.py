"""Random lives of a feature store: payments, late ones, labels and retries; and what must hold whatever happens."""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import numpy as np
from hypothesis import strategies as st

from ml.domain.transaction import Transaction
from ml.features.entries import CUSTOMER_ENTRY, TERMINAL_ENTRY
from ml.features.families.customer_norm import AMOUNT_RATIO_FEATURE
from ml.features.history import EntityKind, Shape, Shapes
from ml.features.kernel import FeatureMatrix
from ml.features.schema import FEATURE_NAMES
from ml.stores.features.features import AppliedLabel, FeatureStore

SMALL = Shapes(Shape(CUSTOMER_ENTRY, newest=4, slack=2), Shape(TERMINAL_ENTRY, newest=3, slack=2))
"""Histories that a few payments fill."""

START = 1_767_225_600
DAY = 86_400
RATIO = FEATURE_NAMES.index(AMOUNT_RATIO_FEATURE)


@dataclass(frozen=True)
class Operation:
    """One thing that happens, `gap` seconds after the last one.

    A payment is `late` seconds old when it arrives; a label or retry concerns a payment `back` payments ago.
    """

    kind: Literal["pay", "label", "retry"]
    gap: int
    late: int
    customer: int
    terminal: int
    cents: int
    is_fraud: bool
    has_ratio: bool
    back: int


def operations(most: int) -> st.SearchStrategy[list[Operation]]:
    """Returns lists of operations of which most are payments."""
    operation = st.builds(
        Operation,
        kind=st.sampled_from(["pay", "pay", "pay", "label", "retry"]),
        gap=st.sampled_from([0, 0, 1, 60, 1_800, 3_600, 7_000, DAY - 1, 5 * DAY]),
        late=st.sampled_from([0, 0, 0, 1, 3_600, 3 * DAY]),
        customer=st.integers(0, 1),
        terminal=st.integers(0, 1),
        cents=st.sampled_from([1, 1_000, 5_000, 33_333, 100_000_000_000]),
        is_fraud=st.booleans(),
        has_ratio=st.booleans(),
        back=st.integers(0, 9),
    )
    return st.lists(operation, min_size=most // 2, max_size=most)


@dataclass
class Life:
    """A store to which operations happen.

    Attributes:
        retries: how many retries were held against their first answers.
    """

    store: FeatureStore
    shapes: Shapes
    now: int = START
    payments: list[tuple[Transaction, FeatureMatrix]] = field(default_factory=list)
    arrivals: dict[tuple[EntityKind, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    outcomes: dict[str, bool] = field(default_factory=dict)
    retries: int = 0

    def happens(self, operation: Operation) -> None:
        """Does one operation; a retry must get the very numbers of the first time."""
        self.now += operation.gap
        if operation.kind == "pay":
            self._pay(operation)
        elif operation.back < len(self.payments):
            transaction, first = self.payments[-1 - operation.back]
            if operation.kind == "label":
                # Corrections, and what was known before a transaction but applied after it, are exceptions of the law.
                is_fraud = self.outcomes.setdefault(transaction.transaction_id, operation.is_fraud)
                ratio = float(first.vectors[0, RATIO]) if operation.has_ratio else None
                self.store.apply_labels([_label(transaction, is_fraud=is_fraud, ratio=ratio, known_at=self.now + 1)])
            elif self._is_retry_exact(transaction):
                again = self.store.observe([transaction])
                np.testing.assert_array_equal(again.vectors, first.vectors)
                np.testing.assert_array_equal(again.sequences, first.sequences)
                self.retries += 1

    def entities(self) -> list[tuple[EntityKind, str]]:
        """Returns all entities that have paid or been paid."""
        return list(self.arrivals)

    def _pay(self, operation: Operation) -> None:
        transaction = Transaction(
            transaction_id=f"p{len(self.payments)}",
            timestamp=float(self.now - operation.late),
            customer_id=f"c{operation.customer}",
            terminal_id=f"t{operation.terminal}",
            amount=Decimal(operation.cents) / 100,
            currency="EUR",
            channel="pos",
        )
        self.payments.append((transaction, self.store.observe([transaction])))
        for entity in _entities(transaction):
            self.arrivals[entity].append(transaction.transaction_id)

    def _is_retry_exact(self, transaction: Transaction) -> bool:
        for kind, name in _entities(transaction):
            arrivals = self.arrivals[kind, name]
            since = len(arrivals) - 1 - arrivals.index(transaction.transaction_id)
            if since > self.shapes.of(kind).slack:
                return False
        return True


def _entities(transaction: Transaction) -> tuple[tuple[EntityKind, str], tuple[EntityKind, str]]:
    return ("customer", transaction.customer_id), ("terminal", transaction.terminal_id)


def _label(transaction: Transaction, *, is_fraud: bool, ratio: float | None, known_at: int) -> AppliedLabel:
    ids = (transaction.transaction_id, transaction.customer_id, transaction.terminal_id)
    return AppliedLabel(*ids, is_fraud, known_at, ratio)
