"""The label stream in Redis.

| key | type | TTL | holds |
| --- | --- | --- | --- |
| `shrike:labels` | stream | until applied | signed labels |

It also sets `shrike:doorbell:labels`, see `ml.stores.outbox.keys_redis`.
"""

from collections.abc import Sequence
from typing import Any, Final

import redis

from ml.domain.label import Label
from ml.stores.labels.label_seal import LabelSeal
from ml.stores.outbox.keys_redis import DOORBELL_TTL_MS, doorbell_key
from ml.stores.redis.barrier import Barrier
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from security.messages.message_signer import MessageSigner

LABELS: Final = "shrike:labels"


class RedisLabelInbox:
    """Appends sealed labels.

    Args:
        client: a Redis client.
        signer: holds the message key.
        barrier: waits for the disk before labels count as accepted; None where answers do not wait for the disk.
    """

    def __init__(self, client: "redis.Redis", signer: MessageSigner, *, barrier: Barrier | None = None) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._seal = LabelSeal(signer)
        self._barrier = barrier

    def accept(self, labels: Sequence[tuple[Label, str]]) -> bool:
        """See `LabelInbox.accept`."""
        with redis_failures_as_unavailable(), self._client.pipeline(transaction=True) as pipeline:
            for label, correlation_id in labels:
                pipeline.xadd(LABELS, {"id": label.transaction_id, "event": self._seal.close(label, correlation_id)})
            pipeline.set(doorbell_key("labels"), "1", nx=True, px=DOORBELL_TTL_MS)
            *_, was_unset = pipeline.execute()
        if self._barrier is not None:
            self._barrier.wait()
        return bool(was_unset)
