"""Decisions that are answered and kept nowhere: PERF_MODE uses it in place of a decision store.

Keys: see `ml.stores.decisions.keys_redis`.
"""

from collections.abc import Sequence

import orjson
import redis

from ml.domain.scoring_batch import ResultStatus, Undecided
from ml.stores.decisions.decision_seal import DecisionSeal
from ml.stores.decisions.decisions import CommitOutcome, CommitReport, DecisionRecord, NewDecision, Reply
from ml.stores.decisions.replies_redis import push_reply
from ml.stores.redis.failures_redis import redis_failures_as_unavailable


class RedisUnrecordedDecisions:
    """Answers every batch anew and records nothing: no retry is recognised, nothing is stored or published.

    Only a reply with an address touches Redis, which passes it on.

    Args:
        client: of the server that has the reply lists.
        seal: seals the decisions.
    """

    def __init__(self, client: "redis.Redis", seal: DecisionSeal) -> None:
        self._client = client
        self._seal = seal

    def commit(self, entries: Sequence[NewDecision | Undecided], reply: Reply) -> CommitReport:
        """See `DecisionStore.commit`; no entry is recorded and no doorbell is asked for."""
        outcomes = tuple(
            CommitOutcome.PASSED_ON if isinstance(entry, Undecided) else CommitOutcome.UNRECORDED for entry in entries
        )
        results = [self._result(entry, reply.timings) for entry in entries]
        content = orjson.dumps({"batch_id": reply.batch_id, "results": results})
        if reply.address is None:
            return CommitReport(outcomes, doorbells=(), reply=content)
        with redis_failures_as_unavailable():
            push_reply(self._client, reply.address, content)
        return CommitReport(outcomes, doorbells=())

    def find(self, transaction_id: str) -> DecisionRecord | None:  # noqa: ARG002 - the protocol's signature
        """See `DecisionStore.find`; there is never one."""
        return None

    def find_many(self, transaction_ids: Sequence[str]) -> list[DecisionRecord | None]:
        """See `DecisionStore.find_many`; there is never one."""
        return [None] * len(transaction_ids)

    def _result(self, entry: NewDecision | Undecided, timings: dict[str, float]) -> object:
        if isinstance(entry, Undecided):
            return orjson.Fragment(entry.json())
        return {
            "status": ResultStatus.SCORED,
            "seal": self._seal.sign(entry.transaction_id, entry.fingerprint, entry.decision),
            "decision": orjson.Fragment(entry.decision),
            "timings": timings,
        }
