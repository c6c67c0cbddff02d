"""The online feature store: the history of each customer and terminal, read and updated at scoring time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ml.domain.durations import DAY_SECONDS
from ml.domain.errors import StoreUnavailableError
from ml.domain.transaction import Transaction
from ml.features.history import EntityKind
from ml.features.kernel import FeatureMatrix

ENTITY_TTL_SECONDS = 60 * DAY_SECONDS
"""Life of an entity's state after its last transaction; every feature looks back less far than this."""


@dataclass(frozen=True, slots=True)
class AppliedLabel:
    """The confirmed outcome of a transaction, as the features need it.

    Attributes:
        transaction_id, customer_id, terminal_id: which payment it is.
        is_fraud: the outcome.
        known_at: when it became known, epoch seconds.
        amount_ratio: `customer_ratio_median` of the payment as of its arrival, which says whether a fraud was
            ordinary (`ml.features.entries.label_code`). None if it is not at hand: then the store computes it from
            the customer's history.
    """

    transaction_id: str
    customer_id: str
    terminal_id: str
    is_fraud: bool
    known_at: int
    amount_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class EntityState:
    """One entity's whole state, packed as `ml.features.history` describes."""

    kind: EntityKind
    entity_id: str
    history: bytes


class PartlyObservedError(StoreUnavailableError):
    """Some histories did not answer; the features of the other transactions are here.

    Attributes:
        rows: the places of the transactions that were observed, ascending; never empty.
        matrix: their features, a row each.
    """

    def __init__(self, message: str, *, rows: Sequence[int], matrix: FeatureMatrix) -> None:
        super().__init__(message)
        self.rows = rows
        self.matrix = matrix


class PartlyAppliedError(StoreUnavailableError):
    """Some histories did not answer; the labels of the others were set.

    Attributes:
        missing: the places of the labels that may not have been set.
        found: how many of the others' transactions were still remembered.
    """

    def __init__(self, message: str, *, missing: frozenset[int], found: int) -> None:
        super().__init__(message)
        self.missing = missing
        self.found = found


class FeatureStore(Protocol):
    """State per entity is bounded, and changed atomically per entity."""

    def observe(self, transactions: Sequence[Transaction], *, within_seconds: float | None = None) -> FeatureMatrix:
        """Returns each transaction's features as of its arrival, and remembers it.

        Rows are taken in order: a later row of the batch sees the earlier ones. A transaction id that is already
        remembered changes nothing and gets the very features it got the first time, as long as no more payments have
        arrived since at its customer and terminal than their `Shape.slack`; the exceptions are labels that were
        corrected since, or applied since although they had become known by its event time.

        Args:
            transactions: at least one.
            within_seconds: when the caller's time is over. Of several servers a silent one costs the transactions of
                the others nothing but this wait.

        Raises:
            PartlyObservedError: some of several servers did not answer; a repetition of the missing part is safe. Or
                some histories are of a layout that only another version reads; they are left as they are.
            StoreUnavailableError: the state could not be read or written; a repetition is safe.
        """
        ...

    def apply_labels(self, labels: Sequence[AppliedLabel]) -> int:
        """Sets the outcome of remembered transactions and returns how many of them were still remembered.

        The same outcome once more changes nothing; another one for the transaction replaces the earlier one.

        Raises:
            PartlyAppliedError: some of several servers did not answer; a repetition is safe.
            StoreUnavailableError: some labels may not have been set; a repetition is safe.
        """
        ...

    def load(self, states: Iterable[EntityState], *, keep_existing: bool = False) -> int:
        """Sets the state of entities and returns the number of those that it set.

        Args:
            states: replace what the store holds.
            keep_existing: leaves an entity that has a history as it is.

        Raises:
            StoreUnavailableError: some states may not have been written; a repetition is safe.
        """
        ...
