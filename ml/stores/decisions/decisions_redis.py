"""Decision records in Redis. Keys: see `ml.stores.decisions.keys_redis` and `ml.stores.outbox.keys_redis`."""

from collections.abc import Sequence
from typing import Any

import orjson
import redis

from ml.domain.scoring_batch import Undecided
from ml.stores.decisions.decision_seal import DecisionSeal, holds_its_transaction
from ml.stores.decisions.decisions import CommitOutcome, CommitReport, DecisionRecord, NewDecision, Reply
from ml.stores.decisions.keys_redis import REPLY_TTL_MS, decision_key
from ml.stores.outbox.event_seal import EventSeal
from ml.stores.outbox.keys_redis import (
    ANSWERED_PREFIX,
    ANSWERED_TTL_SECONDS,
    DOORBELL_TTL_MS,
    OUTBOX,
    awaiting_key,
    doorbell_key,
)
from ml.stores.outbox.outbox import SINKS
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from ml.stores.redis.scripts_redis import script_source
from security.messages.stored_seal import close, split

_FINGERPRINT_LENGTH = 32
_HEADER_LENGTH = _FINGERPRINT_LENGTH + 8
_NO_ADDRESS = ""
_OUTCOMES = tuple(CommitOutcome)  # the script's numbers 0 to 5 are positions in this order


def lookup_command(transaction_ids: Sequence[str]) -> tuple[str, ...]:
    """Returns the command that reads the records of transactions, for a pipeline with further commands."""
    return ("MGET", *map(decision_key, transaction_ids))


def read_records(values: Sequence[bytes | None]) -> list[DecisionRecord | None]:
    """Returns the records in the reply to a `lookup_command`, in its order; their seals are not verified."""
    return [None if value is None else _read(value) for value in values]


class RedisDecisionStore:
    """Writes decision record, outbox entry and reply in one Lua script; one round trip per batch.

    Fails closed: without Redis nothing is answered.

    Args:
        client: of the server that holds records and outbox.
        record_ttl_seconds: how long a record answers retries.
        outbox_limit: entries beyond which nothing new is recorded.
        seal: seals the decisions; a record that it does not know is treated as absent by `find`.
        event_seal: seals the outbox entries.
    """

    def __init__(
        self,
        client: "redis.Redis",
        *,
        record_ttl_seconds: int,
        outbox_limit: int,
        seal: DecisionSeal,
        event_seal: EventSeal,
    ) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._seal = seal
        self._event_seal = event_seal
        self._record_ttl_seconds = record_ttl_seconds
        self._outbox_limit = outbox_limit
        self._commit = client.register_script(script_source("decisions", "commit"))

    def commit(self, entries: Sequence[NewDecision | Undecided], reply: Reply) -> CommitReport:
        """See `DecisionStore.commit`."""
        address = reply.address or _NO_ADDRESS
        keys = [address, OUTBOX, *map(awaiting_key, SINKS), *map(doorbell_key, SINKS), ANSWERED_PREFIX]
        args: list[bytes | str | int] = [
            reply.batch_id,
            orjson.dumps(reply.timings),
            self._record_ttl_seconds,
            self._outbox_limit,
            REPLY_TTL_MS,
            DOORBELL_TTL_MS,
            ANSWERED_TTL_SECONDS,
        ]
        for entry in entries:
            if isinstance(entry, Undecided):
                keys.append(address)
                args += ["", "", entry.json(), "", ""]
            else:
                name = entry.transaction_id
                keys.append(decision_key(name))
                args += [
                    name,
                    entry.fingerprint,
                    entry.decision,
                    close(entry.transaction, self._seal.sign(name, entry.fingerprint, entry.decision)),
                    self._event_seal.close(name, entry.event),
                ]
        with redis_failures_as_unavailable():
            done = self._commit(keys=keys, args=args)
        is_unset, returned, codes = done[: len(SINKS)], done[len(SINKS)], done[len(SINKS) + 1 :]
        return CommitReport(
            outcomes=tuple(_OUTCOMES[code] for code in codes),
            doorbells=tuple(sink for sink, unset in zip(SINKS, is_unset, strict=True) if unset),
            reply=returned or None,
        )

    def find(self, transaction_id: str) -> DecisionRecord | None:
        """See `DecisionStore.find`."""
        return self.find_many([transaction_id])[0]

    def find_many(self, transaction_ids: Sequence[str]) -> list[DecisionRecord | None]:
        """See `DecisionStore.find_many`."""
        if not transaction_ids:  # Redis takes no MGET without a key
            return []
        with redis_failures_as_unavailable():
            records = read_records(self._client.execute_command(*lookup_command(transaction_ids)))
        return [
            record if record is not None and self._is_ours(name, record) else None
            for name, record in zip(transaction_ids, records, strict=True)
        ]

    def _is_ours(self, transaction_id: str, record: DecisionRecord) -> bool:
        return self._seal.is_valid_record(transaction_id, record) and holds_its_transaction(record)


def _read(value: bytes) -> DecisionRecord | None:
    """Returns a record; None for what was never one, since whoever can write to Redis may have put anything there."""
    try:
        end = _HEADER_LENGTH + int(value[_FINGERPRINT_LENGTH:_HEADER_LENGTH])
        fingerprint = value[:_FINGERPRINT_LENGTH].decode()
    except ValueError:
        return None
    transaction, seal = split(value[end:])
    return DecisionRecord(fingerprint, value[_HEADER_LENGTH:end], transaction, seal)
