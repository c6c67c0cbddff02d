"""Decision records in Redis. Keys: see `ml.stores.decisions.keys_redis` and `ml.stores.outbox.keys_redis`."""

from collections.abc import Sequence
from typing import Any

import orjson
import redis

from ml.domain.scoring_batch import Undecided
from ml.stores.decisions.decisions import CommitOutcome, CommitReport, DecisionRecord, NewDecision, Reply
from ml.stores.decisions.keys_redis import REPLY_TTL_MS, decision_key
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

_FINGERPRINT_LENGTH = 32
_HEADER_LENGTH = _FINGERPRINT_LENGTH + 8
_NO_ADDRESS = ""
_OUTCOMES = tuple(CommitOutcome)  # the script's numbers 0 to 4 are positions in this order


def lookup_command(transaction_ids: Sequence[str]) -> tuple[str, ...]:
    """Returns the command that reads the records of transactions, for a pipeline with further commands."""
    return ("MGET", *map(decision_key, transaction_ids))


def read_records(values: Sequence[bytes | None]) -> list[DecisionRecord | None]:
    """Returns the records in the reply to a `lookup_command`, in its order."""
    return [None if value is None else _read(value) for value in values]


class RedisDecisionStore:
    """Writes decision record, outbox entry and reply in one Lua script; one round trip per batch.

    Fails closed: without Redis nothing is answered.
    """

    def __init__(self, client: "redis.Redis", *, record_ttl_seconds: int, outbox_limit: int) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
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
                keys.append(decision_key(entry.transaction_id))
                args += [
                    entry.transaction_id,
                    entry.fingerprint,
                    entry.decision,
                    entry.transaction,
                    entry.event,
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
            return read_records(self._client.execute_command(*lookup_command(transaction_ids)))


def _read(value: bytes) -> DecisionRecord:
    end = _HEADER_LENGTH + int(value[_FINGERPRINT_LENGTH:_HEADER_LENGTH])
    return DecisionRecord(value[:_FINGERPRINT_LENGTH].decode(), value[_HEADER_LENGTH:end], value[end:])
