import pytest
import redis

from ml.stores.labels.label_inbox_redis import LABELS, RedisLabelInbox
from ml.stores.outbox.outbox_redis import RedisOutbox
from tests.contracts.label_inbox import SIGNER, LabelInboxContract


class TestRedisLabelInbox(LabelInboxContract):
    @pytest.fixture(autouse=True)
    def _inbox(self, redis_client: redis.Redis) -> None:
        self.inbox = RedisLabelInbox(redis_client, SIGNER)
        self.outbox = RedisOutbox(
            redis_client, stream=LABELS, group="labels", groups=("labels",), consumer="w-1", claim_idle_ms=60_000
        )
