"""Decision records that are answered only once they are safe: DURABILITY=aof-fsync, DURABILITY_REPLICAS."""

from collections.abc import Sequence
from dataclasses import replace

import redis

from ml.domain.scoring_batch import Undecided
from ml.stores.decisions.decisions import CommitReport, DecisionRecord, DecisionStore, NewDecision, Reply
from ml.stores.decisions.replies_redis import push_reply
from ml.stores.redis.barrier import Barrier
from ml.stores.redis.failures_redis import redis_failures_as_unavailable


class RedisFsyncedDecisions:
    """Records a batch, waits for the disk or for replicas, and only then answers.

    With `appendfsync always` the server writes to disk before it replies: one script and one read of that setting are
    enough. Otherwise it takes two more round trips and the wait. A batch that is not known to be on disk is not
    answered: its records may be there, and a retry gets them.

    Args:
        decisions: the records.
        client: of the same server.
        barrier: waits for its disk, its replicas or both.
    """

    def __init__(self, decisions: DecisionStore, client: "redis.Redis", barrier: Barrier) -> None:
        self._decisions = decisions
        self._client = client
        self._barrier = barrier

    def commit(self, entries: Sequence[NewDecision | Undecided], reply: Reply) -> CommitReport:
        """See `DecisionStore.commit`."""
        if self._barrier.is_at_once():
            return self._decisions.commit(entries, reply)
        report = self._decisions.commit(entries, replace(reply, address=None))
        self._barrier.wait()
        if reply.address is None or report.reply is None:
            return report
        with redis_failures_as_unavailable():
            push_reply(self._client, reply.address, report.reply)
        return replace(report, reply=None)

    def find(self, transaction_id: str) -> DecisionRecord | None:
        """See `DecisionStore.find`."""
        return self._decisions.find(transaction_id)

    def find_many(self, transaction_ids: Sequence[str]) -> list[DecisionRecord | None]:
        """See `DecisionStore.find_many`."""
        return self._decisions.find_many(transaction_ids)
