"""The stored past: transactions, labels and vectors that the platform stored, for retraining and the drift check."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from numpy import float64
from numpy.typing import NDArray

from ml.domain.transaction import Transaction


@dataclass(frozen=True, slots=True)
class StoredTransaction:
    """A scored transaction and its outcome, where one is known.

    Attributes:
        transaction: as received.
        arrived_at: when it was scored, epoch seconds.
        is_fraud: the confirmed outcome; None if there is none.
        known_at: when the outcome became known, epoch seconds; None if it is not.
    """

    transaction: Transaction
    arrived_at: int
    is_fraud: bool | None = None
    known_at: int | None = None


@dataclass(frozen=True, slots=True)
class ScoredVectors:
    """Recent decisions of one model version: vectors [N, F], columns named by `names`, and scores [N]."""

    names: tuple[str, ...]
    vectors: NDArray[float64]
    scores: NDArray[float64]


class TrainingSource(Protocol):
    """The stored past; every method may raise StoreUnavailableError."""

    def latest_event(self) -> int | None:
        """Returns the latest event time of all transactions, epoch seconds; None if there is none."""
        ...

    def transactions(self, since_seconds: int) -> Iterator[StoredTransaction]:
        """Yields the transactions with event times from `since_seconds` on, in order of arrival."""
        ...

    def recent_vectors(self, model_version: str, names: tuple[str, ...], *, limit: int) -> ScoredVectors:
        """Returns the newest explained decisions of a version, at most `limit`; those without a vector are left out."""
        ...


def named_values(vector: object, names: tuple[str, ...]) -> list[float] | None:
    """Returns the named features of an explanation's vector; None if there is none or it lacks one of them."""
    if not isinstance(vector, dict) or any(name not in vector for name in names):
        return None
    return [float(vector[name]) for name in names]
