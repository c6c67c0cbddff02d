"""Feature state in Redis: one string per entity, changed by one script per entity.

| key | type | TTL | holds |
| --- | --- | --- | --- |
| `shrike:customer:{<customer_id>}` | string | 60 days after the last transaction | the customer's history |
| `shrike:terminal:{<terminal_id>}` | string | 60 days after the last transaction | the terminal's history |
| `<one of these>:labelled:<UTC day>` | hash | two days | labels of that day, by transaction, of a busy entity |

A key, its string and Redis's own overhead stay within 4 KB. The braces put each entity on one node of a cluster. A
batch is one pipeline of scripts, one per entity and transaction: one round trip per server. The scripts recognise a
transaction they have seen, so that any part of a pipeline may be sent again.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from ml.domain.durations import DAY_SECONDS
from ml.domain.errors import StoreUnavailableError
from ml.domain.transaction import Transaction
from ml.features.definition import DAY_TILES, HOUR_TILES, LABEL_KEYS
from ml.features.entries import encode, label_code, transaction_key
from ml.features.history import MARK, SHAPES, EntityKind, Shapes, current, is_foreign
from ml.features.kernel import FeatureMatrix
from ml.features.online import amount_ratio, compute_online
from ml.stores.features.features import (
    ENTITY_TTL_SECONDS,
    AppliedLabel,
    EntityState,
    PartlyAppliedError,
    PartlyObservedError,
)
from ml.stores.redis.commands import Command, CommandRunner, UnansweredError
from ml.stores.redis.scripts_redis import LuaScript, script_source

_log = logging.getLogger(__name__)

_LOAD_ROWS = 1000
_PRESENT = frozenset({MARK, b""})
"""How the histories begin that the script returns: of the present layout, or none."""
_FOREIGN_LAYOUT = (
    "a history in the feature store was written by another version of the platform or by somebody else, and this one "
    "cannot read it; its customer or terminal is refused. Start that version again, or write the histories anew with "
    "`python -m ops backfill --replace`"
)
_LABELS_LIFE_SECONDS = 2 * DAY_SECONDS


def _script(name: str) -> LuaScript:
    return LuaScript.from_source(script_source("features", "tiles") + script_source("features", name))


_OBSERVE = _script("observe")
_LABEL = _script("label")
_SCRIPTS = (_OBSERVE, _LABEL)


def entity_key(kind: EntityKind, entity_id: str) -> str:
    """Returns the key of an entity's history."""
    return f"shrike:{kind}:{{{entity_id}}}"


class RedisFeatureStore:
    """Keeps the histories in Redis: on one server or on a cluster, as the command runner has it.

    Fails closed: without its histories a transaction is not scored. On a cluster each node fails for itself.
    """

    def __init__(
        self, runner: CommandRunner, shapes: Shapes = SHAPES, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._runner = runner
        self._shapes = shapes
        self._clock = clock

    def observe(self, transactions: Sequence[Transaction], *, within_seconds: float | None = None) -> FeatureMatrix:
        """See `FeatureStore.observe`."""
        entries: list[bytes] = []
        commands: list[Command] = []
        for transaction in transactions:
            customer_entry, terminal_entry = encode(transaction)
            entries.append(customer_entry)
            commands += (
                self._observation("customer", transaction.customer_id, customer_entry),
                self._observation("terminal", transaction.terminal_id, terminal_entry),
            )
        try:
            histories = self._runner.run(commands, scripts=_SCRIPTS, within_seconds=within_seconds)
        except UnansweredError as error:
            raise self._partly_observed(entries, error.replies, str(error)) from error
        if not _PRESENT.issuperset([history[:2] for history in histories]):
            _log.critical(_FOREIGN_LAYOUT)
            raise self._partly_observed(entries, histories, _FOREIGN_LAYOUT)
        return compute_online(entries, histories[0::2], histories[1::2], self._shapes)

    def apply_labels(self, labels: Sequence[AppliedLabel]) -> int:
        """See `FeatureStore.apply_labels`."""
        commands: list[Command] = []
        ratios = self._amount_ratios(labels)
        for place, label in enumerate(labels):
            code = label_code(is_fraud=label.is_fraud, amount_ratio=ratios.get(place, label.amount_ratio))
            commands += (
                self._labelling("customer", label.customer_id, label, code),
                self._labelling("terminal", label.terminal_id, label, code),
            )
        try:
            replies = self._runner.run(commands, scripts=_SCRIPTS)
        except UnansweredError as error:
            pairs = list(zip(error.replies[0::2], error.replies[1::2], strict=True))
            missing = frozenset(
                place for place, pair in enumerate(pairs) if any(isinstance(reply, Exception) for reply in pair)
            )
            found = sum(1 for place, pair in enumerate(pairs) if place not in missing and any(pair))
            raise PartlyAppliedError(str(error), missing=missing, found=found) from error
        return sum(1 for pair in zip(replies[0::2], replies[1::2], strict=True) if any(pair))

    def load(self, states: Iterable[EntityState], *, keep_existing: bool = False) -> int:
        """See `FeatureStore.load`."""
        number = 0
        remaining = iter(states)
        unless_there = ("NX",) if keep_existing else ()
        while part := list(islice(remaining, _LOAD_ROWS)):
            replies = self._runner.run(
                [
                    ("SET", entity_key(s.kind, s.entity_id), s.history, "EX", ENTITY_TTL_SECONDS, *unless_there)
                    for s in part
                ]
            )
            number += sum(1 for reply in replies if reply is not None)
        return number

    def _partly_observed(self, entries: Sequence[bytes], replies: Sequence[Any], reason: str) -> StoreUnavailableError:
        """Returns the error with the features of those transactions whose customer and terminal were both read."""

        def is_read(reply: Any) -> bool:
            return not isinstance(reply, Exception) and reply[:2] in _PRESENT

        customers, terminals = replies[0::2], replies[1::2]
        rows = [row for row in range(len(entries)) if is_read(customers[row]) and is_read(terminals[row])]
        if not rows:
            return StoreUnavailableError(reason)
        own, of_customers, of_terminals = ([part[row] for row in rows] for part in (entries, customers, terminals))
        matrix = compute_online(own, of_customers, of_terminals, self._shapes)
        return PartlyObservedError(reason, rows=rows, matrix=matrix)

    def _observation(self, kind: EntityKind, entity_id: str, entry: bytes) -> Command:
        shape = self._shapes.of(kind)
        limits = (shape.newest, shape.capacity, HOUR_TILES, DAY_TILES)
        return ("EVALSHA", _OBSERVE.sha, 1, entity_key(kind, entity_id), entry, *limits, ENTITY_TTL_SECONDS)

    def _labelling(self, kind: EntityKind, entity_id: str, label: AppliedLabel, code: int) -> Command:
        shape = self._shapes.of(kind)
        history, today = entity_key(kind, entity_id), int(self._clock()) // DAY_SECONDS
        keys = (history, *(f"{history}:labelled:{day}" for day in (today, today - 1)))
        limits = (shape.newest, HOUR_TILES, DAY_TILES, LABEL_KEYS)
        arguments = (transaction_key(label.transaction_id), code, label.known_at, shape.entry_bytes, *limits)
        return ("EVALSHA", _LABEL.sha, len(keys), *keys, *arguments, _LABELS_LIFE_SECONDS)

    def _amount_ratios(self, labels: Sequence[AppliedLabel]) -> dict[int, float | None]:
        """Returns, by place, the ratios that the customers' histories give for the frauds that came without one."""
        places = [place for place, label in enumerate(labels) if label.is_fraud and label.amount_ratio is None]
        if not places:
            return {}
        try:
            histories = self._runner.run(
                [("GET", entity_key("customer", labels[place].customer_id)) for place in places]
            )
        except UnansweredError as error:  # their labels will not be answered either, and are applied another time
            histories = [None if isinstance(reply, Exception) else reply for reply in error.replies]
        return {
            place: amount_ratio(
                self._readable(history), transaction_key(labels[place].transaction_id), self._shapes.customer
            )
            for place, history in zip(places, histories, strict=True)
        }

    def _readable(self, history: bytes | None) -> bytes:
        if history is None or is_foreign(history, self._shapes.customer):
            return b""
        return current(history, self._shapes.customer)
