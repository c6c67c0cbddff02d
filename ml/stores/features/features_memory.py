"""Feature state in this process's memory, for tests and for replays without a server."""

from collections.abc import Iterable, Sequence

from ml.domain.transaction import Transaction
from ml.features.entries import encode, label_code, transaction_key
from ml.features.history import (
    SHAPES,
    AppliedOutcome,
    EntityKind,
    Shapes,
    current,
    find_entry,
    keeps_labels,
    relabel,
    remember,
)
from ml.features.kernel import FeatureMatrix
from ml.features.online import amount_ratio, compute_online
from ml.stores.features.features import AppliedLabel, EntityState


class MemoryFeatureStore:
    """Keeps each entity's history in a dictionary, for ever; not for use by several threads."""

    def __init__(self, shapes: Shapes = SHAPES) -> None:
        self._shapes = shapes
        self._histories: dict[tuple[EntityKind, str], bytes] = {}
        self._applied: dict[tuple[EntityKind, str, bytes], AppliedOutcome] = {}

    def observe(
        self,
        transactions: Sequence[Transaction],
        *,
        within_seconds: float | None = None,  # noqa: ARG002 - the protocol's signature
    ) -> FeatureMatrix:
        """See `FeatureStore.observe`."""
        entries, customers, terminals = [], [], []
        for transaction in transactions:
            customer_entry, terminal_entry = encode(transaction)
            entries.append(customer_entry)
            customers.append(self._remember("customer", transaction.customer_id, customer_entry))
            terminals.append(self._remember("terminal", transaction.terminal_id, terminal_entry))
        return compute_online(entries, customers, terminals, self._shapes)

    def apply_labels(self, labels: Sequence[AppliedLabel]) -> int:
        """See `FeatureStore.apply_labels`."""
        found = 0
        for label in labels:
            code = self._label_code(label)
            in_customer = self._relabel("customer", label.customer_id, label, code)
            in_terminal = self._relabel("terminal", label.terminal_id, label, code)
            found += in_customer or in_terminal
        return found

    def load(self, states: Iterable[EntityState], *, keep_existing: bool = False) -> int:
        """See `FeatureStore.load`."""
        number = 0
        for state in states:
            place = (state.kind, state.entity_id)
            if not (keep_existing and place in self._histories):
                self._histories[place] = state.history
                number += 1
        return number

    def state(self, kind: EntityKind, entity_id: str) -> bytes:
        """Returns an entity's packed history, empty if there is none."""
        return current(self._histories.get((kind, entity_id), b""), self._shapes.of(kind))

    def _remember(self, kind: EntityKind, entity_id: str, entry: bytes) -> bytes:
        """Returns the history before the entry and keeps the one with it."""
        before = self.state(kind, entity_id)
        self._histories[kind, entity_id] = remember(before, entry, self._shapes.of(kind))
        return before

    def _label_code(self, label: AppliedLabel) -> int:
        ratio = label.amount_ratio
        if label.is_fraud and ratio is None:
            history = self.state("customer", label.customer_id)
            ratio = amount_ratio(history, transaction_key(label.transaction_id), self._shapes.customer)
        return label_code(is_fraud=label.is_fraud, amount_ratio=ratio)

    def _relabel(self, kind: EntityKind, entity_id: str, label: AppliedLabel, code: int) -> bool:
        before, shape = self.state(kind, entity_id), self._shapes.of(kind)
        key, new = transaction_key(label.transaction_id), AppliedOutcome(code, label.known_at)
        place = (kind, entity_id, key)
        changed = relabel(before, key, shape, new=new, applied=self._applied.get(place))
        if changed is not None:
            self._histories[kind, entity_id] = changed
            if keeps_labels(before, shape):
                entry = find_entry(changed, key, shape)
                if entry is not None:
                    self._applied[place] = AppliedOutcome.of(entry)
                elif changed != before:
                    self._applied[place] = new
        return changed is not None
