"""Feature state in Redis: one string per entity, changed by one script per entity.

| key | type | TTL | holds |
| --- | --- | --- | --- |
| `shrike:customer:{<customer_id>}` | string | 60 days after the last transaction | the customer's ring |
| `shrike:terminal:{<terminal_id>}` | string | 60 days after the last transaction | the terminal's ring |

A key, its string and Redis's own overhead stay within 4 KB. The braces put each entity on one node of a cluster. A
batch is one pipeline of scripts, one per entity and transaction: one round trip. The scripts recognise a
transaction they have seen, so that any part of a pipeline may be sent again.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import redis
from redis.exceptions import NoScriptError

from ml.features.history import (
    CUSTOMER_ENTRY,
    CUSTOMER_RING_BYTES,
    LABEL_FRAUD,
    LABEL_LEGITIMATE,
    TERMINAL_ENTRY,
    TERMINAL_RING_BYTES,
    encode,
    transaction_key,
)
from ml.features.kernel import FeatureMatrix
from ml.features.online import compute_online
from ml.stores.failures_redis import redis_failures_as_unavailable
from ml.stores.features import ENTITY_TTL_SECONDS, AppliedLabel, EntityKind, EntityState
from ml.stores.scripts_redis import script_source
from ml.transaction import Transaction

_LOAD_ROWS = 1000
_Command = tuple[str | bytes | int, ...]


def entity_key(kind: EntityKind, entity_id: str) -> str:
    """Returns the key of an entity's ring."""
    return f"shrike:{kind}:{{{entity_id}}}"


class RedisFeatureStore:
    """Keeps the rings in Redis; `client` must return raw (undecoded) replies.

    Fails closed: without the state nothing is scored.
    """

    def __init__(self, client: "redis.Redis") -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._observe = client.register_script(script_source("features_observe"))
        self._label = client.register_script(script_source("features_label"))

    def observe(self, transactions: Sequence[Transaction]) -> FeatureMatrix:
        """See `FeatureStore.observe`."""
        sha = self._observe.sha
        entries: list[bytes] = []
        commands: list[_Command] = []
        for transaction in transactions:
            customer_entry, terminal_entry = encode(transaction)
            customer = entity_key("customer", transaction.customer_id)
            terminal = entity_key("terminal", transaction.terminal_id)
            entries.append(customer_entry)
            commands += (
                ("EVALSHA", sha, 1, customer, customer_entry, CUSTOMER_RING_BYTES, ENTITY_TTL_SECONDS),
                ("EVALSHA", sha, 1, terminal, terminal_entry, TERMINAL_RING_BYTES, ENTITY_TTL_SECONDS),
            )
        pasts = self._run(commands)
        return compute_online(entries, pasts[0::2], pasts[1::2])

    def apply_labels(self, labels: Sequence[AppliedLabel]) -> int:
        """See `FeatureStore.apply_labels`."""
        commands: list[_Command] = []
        for label in labels:
            key = transaction_key(label.transaction_id).to_bytes(8, "little")
            code = LABEL_FRAUD if label.is_fraud else LABEL_LEGITIMATE
            customer = entity_key("customer", label.customer_id)
            terminal = entity_key("terminal", label.terminal_id)
            for name, size in ((customer, CUSTOMER_ENTRY.itemsize), (terminal, TERMINAL_ENTRY.itemsize)):
                commands.append(("EVALSHA", self._label.sha, 1, name, key, size, code, label.known_at))
        found = self._run(commands)
        return sum(1 for pair in zip(found[0::2], found[1::2], strict=True) if any(pair))

    def load(self, states: Iterable[EntityState]) -> int:
        """See `FeatureStore.load`."""
        number = 0
        remaining = iter(states)
        while part := list(islice(remaining, _LOAD_ROWS)):
            self._run([("SET", entity_key(s.kind, s.entity_id), s.ring, "EX", ENTITY_TTL_SECONDS) for s in part])
            number += len(part)
        return number

    def _run(self, commands: Sequence[_Command]) -> list[Any]:
        """Sends the commands in one round trip; after a script flush loads the scripts and sends all again."""
        with redis_failures_as_unavailable():
            replies = self._send(commands)
            if any(isinstance(reply, NoScriptError) for reply in replies):
                for script in (self._observe, self._label):
                    self._client.script_load(script.script)
                replies = self._send(commands)
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
        return replies

    def _send(self, commands: Sequence[_Command]) -> list[Any]:
        with self._client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            replies: list[Any] = pipeline.execute(raise_on_error=False)
        return replies
