"""Arrivals in MongoDB, looked up by id."""

from collections.abc import Sequence

from ml.stores.arrivals.arrivals import Found
from ml.stores.explanations.explanations_mongo import MongoExplanationStore

_IDS_PER_QUERY = 1_000


class MongoArrivals:
    """Looks explanations up by their id."""

    def __init__(self, store: MongoExplanationStore) -> None:
        self._store = store

    def look(self, transaction_ids: Sequence[str], *, since_ms: int) -> Found:  # noqa: ARG002 - the protocol's signature
        """See `Arrivals.look`."""
        parts = (
            transaction_ids[start : start + _IDS_PER_QUERY] for start in range(0, len(transaction_ids), _IDS_PER_QUERY)
        )
        return Found({name for part in parts for name in self._store.existing(part)})
