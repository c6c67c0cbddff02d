"""Feature state in Redis: one string per entity, changed by one script per entity.

| key | type | TTL | holds |
| --- | --- | --- | --- |
| `shrike:customer:{<customer_id>}` | string | 60 days after the last transaction | the customer's ring |
| `shrike:terminal:{<terminal_id>}` | string | 60 days after the last transaction | the terminal's ring |

A key, its string and Redis's own overhead stay within 4 KB. The braces put each entity on one node of a cluster. A
batch is one pipeline of scripts, one per entity and transaction: one round trip, on a cluster one per node, all at the
same time. The scripts recognise a transaction they have seen, so that any part of a pipeline may be sent again.
"""

from collections.abc import Iterable, Sequence
from itertools import islice

from ml.features.history import (
    CUSTOMER_ENTRY,
    CUSTOMER_RING_BYTES,
    TERMINAL_ENTRY,
    TERMINAL_RING_BYTES,
    encode,
    label_code,
    transaction_key,
)
from ml.features.kernel import FeatureMatrix
from ml.features.online import amount_ratio, compute_online
from ml.stores.commands import Command, CommandRunner
from ml.stores.features import ENTITY_TTL_SECONDS, AppliedLabel, EntityKind, EntityState
from ml.stores.scripts_redis import lua_script
from ml.transaction import Transaction

_LOAD_ROWS = 1000
_OBSERVE = lua_script("features_observe")
_LABEL = lua_script("features_label")
_SCRIPTS = (_OBSERVE, _LABEL)


def entity_key(kind: EntityKind, entity_id: str) -> str:
    """Returns the key of an entity's ring."""
    return f"shrike:{kind}:{{{entity_id}}}"


class RedisFeatureStore:
    """Keeps the rings in Redis: on one server or on a cluster, as the command runner has it.

    Fails closed: without the state nothing is scored.
    """

    def __init__(self, runner: CommandRunner) -> None:
        self._runner = runner

    def observe(self, transactions: Sequence[Transaction]) -> FeatureMatrix:
        """See `FeatureStore.observe`."""
        entries: list[bytes] = []
        commands: list[Command] = []
        for transaction in transactions:
            customer_entry, terminal_entry = encode(transaction)
            customer = entity_key("customer", transaction.customer_id)
            terminal = entity_key("terminal", transaction.terminal_id)
            entries.append(customer_entry)
            commands += (
                ("EVALSHA", _OBSERVE.sha, 1, customer, customer_entry, CUSTOMER_RING_BYTES, ENTITY_TTL_SECONDS),
                ("EVALSHA", _OBSERVE.sha, 1, terminal, terminal_entry, TERMINAL_RING_BYTES, ENTITY_TTL_SECONDS),
            )
        pasts = self._runner.run(commands, scripts=_SCRIPTS)
        return compute_online(entries, pasts[0::2], pasts[1::2])

    def apply_labels(self, labels: Sequence[AppliedLabel]) -> int:
        """See `FeatureStore.apply_labels`."""
        commands: list[Command] = []
        ratios = self._amount_ratios(labels)
        for place, label in enumerate(labels):
            key = transaction_key(label.transaction_id).to_bytes(8, "little")
            code = label_code(is_fraud=label.is_fraud, amount_ratio=ratios.get(place, label.amount_ratio))
            customer = entity_key("customer", label.customer_id)
            terminal = entity_key("terminal", label.terminal_id)
            for name, size in ((customer, CUSTOMER_ENTRY.itemsize), (terminal, TERMINAL_ENTRY.itemsize)):
                commands.append(("EVALSHA", _LABEL.sha, 1, name, key, size, code, label.known_at))
        found = self._runner.run(commands, scripts=_SCRIPTS)
        return sum(1 for pair in zip(found[0::2], found[1::2], strict=True) if any(pair))

    def _amount_ratios(self, labels: Sequence[AppliedLabel]) -> dict[int, float | None]:
        """Returns, by place, what the customers' rings tell of the frauds that came without their ratio."""
        places = [place for place, label in enumerate(labels) if label.is_fraud and label.amount_ratio is None]
        if not places:
            return {}
        rings = self._runner.run([("GET", entity_key("customer", labels[place].customer_id)) for place in places])
        return {
            place: amount_ratio(ring or b"", transaction_key(labels[place].transaction_id))
            for place, ring in zip(places, rings, strict=True)
        }

    def load(self, states: Iterable[EntityState]) -> int:
        """See `FeatureStore.load`."""
        number = 0
        remaining = iter(states)
        while part := list(islice(remaining, _LOAD_ROWS)):
            self._runner.run([("SET", entity_key(s.kind, s.entity_id), s.ring, "EX", ENTITY_TTL_SECONDS) for s in part])
            number += len(part)
        return number
