"""Feature state in this process's memory, for tests and for replays without a server."""

from collections.abc import Iterable, Sequence

from ml.features.history import (
    CUSTOMER_ENTRY,
    CUSTOMER_RING_BYTES,
    TERMINAL_ENTRY,
    TERMINAL_RING_BYTES,
    encode,
    insert,
    label_code,
    relabel,
    transaction_key,
)
from ml.features.kernel import FeatureMatrix
from ml.features.online import amount_ratio, compute_online
from ml.stores.features import AppliedLabel, EntityKind, EntityState
from ml.transaction import Transaction

_RING_BYTES = {"customer": CUSTOMER_RING_BYTES, "terminal": TERMINAL_RING_BYTES}
_ENTRY_BYTES = {"customer": CUSTOMER_ENTRY.itemsize, "terminal": TERMINAL_ENTRY.itemsize}


class MemoryFeatureStore:
    """Keeps each entity's ring in a dictionary, for ever; not for use by several threads."""

    def __init__(self) -> None:
        self._rings: dict[tuple[EntityKind, str], bytes] = {}

    def observe(self, transactions: Sequence[Transaction]) -> FeatureMatrix:
        """See `FeatureStore.observe`."""
        entries, customer_pasts, terminal_pasts = [], [], []
        for transaction in transactions:
            customer_entry, terminal_entry = encode(transaction)
            entries.append(customer_entry)
            customer_pasts.append(self._insert("customer", transaction.customer_id, customer_entry))
            terminal_pasts.append(self._insert("terminal", transaction.terminal_id, terminal_entry))
        return compute_online(entries, customer_pasts, terminal_pasts)

    def apply_labels(self, labels: Sequence[AppliedLabel]) -> int:
        """See `FeatureStore.apply_labels`."""
        found = 0
        for label in labels:
            code = self._label_code(label)
            in_customer = self._relabel("customer", label.customer_id, label, code)
            in_terminal = self._relabel("terminal", label.terminal_id, label, code)
            found += in_customer or in_terminal
        return found

    def load(self, states: Iterable[EntityState]) -> int:
        """See `FeatureStore.load`."""
        number = 0
        for state in states:
            self._rings[state.kind, state.entity_id] = state.ring
            number += 1
        return number

    def _insert(self, kind: EntityKind, entity_id: str, entry: bytes) -> bytes:
        ring = self._rings.get((kind, entity_id), b"")
        past, self._rings[kind, entity_id] = insert(ring, entry, capacity_bytes=_RING_BYTES[kind])
        return past

    def _label_code(self, label: AppliedLabel) -> int:
        ratio = label.amount_ratio
        if label.is_fraud and ratio is None:
            ring = self._rings.get(("customer", label.customer_id), b"")
            ratio = amount_ratio(ring, transaction_key(label.transaction_id))
        return label_code(is_fraud=label.is_fraud, amount_ratio=ratio)

    def _relabel(self, kind: EntityKind, entity_id: str, label: AppliedLabel, code: int) -> bool:
        changed = relabel(
            self._rings.get((kind, entity_id), b""),
            transaction_key(label.transaction_id),
            entry_bytes=_ENTRY_BYTES[kind],
            label=code,
            known_at=label.known_at,
        )
        if changed is not None:
            self._rings[kind, entity_id] = changed
        return changed is not None
