from collections.abc import Iterator

import orjson
import pytest
import redis

from ml.domain.errors import StoreUnavailableError
from ml.stores.decisions.decisions import CommitOutcome, Reply
from ml.stores.decisions.decisions_fsynced_redis import RedisFsyncedDecisions
from ml.stores.decisions.decisions_redis import RedisDecisionStore
from ml.stores.redis.fsync_redis import RedisFsync
from ops.embedded.valkey import valkey
from tests.contracts.decision_store import DecisionStoreContract, new_decision
from tests.seals import DECISION_SEAL, EVENT_SEAL


@pytest.fixture(scope="module")
def strict_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server that acknowledges what is on disk."""
    with valkey(tmp_path_factory.mktemp("strict"), appendfsync="always") as url:
        yield url


class TestRedisFsyncedDecisionsOnAServerThatWritesAtOnce(DecisionStoreContract):
    policy = "always"

    @pytest.fixture(autouse=True)
    def _store(self, strict_url: str) -> None:
        self.client = redis.Redis.from_url(strict_url)
        self.client.flushdb()
        self.client.config_set("appendfsync", self.policy)
        records = RedisDecisionStore(
            self.client, record_ttl_seconds=60, outbox_limit=100, seal=DECISION_SEAL, event_seal=EVENT_SEAL
        )
        self.store = RedisFsyncedDecisions(records, self.client, RedisFsync(self.client, patience_seconds=2))

    def replies(self, address: str) -> list[dict]:
        return [orjson.loads(reply) for reply in reversed(self.client.lrange(address, 0, -1))]

    def test_the_reply_expires(self) -> None:
        self.commit(new_decision("t-1"))
        assert 0 < self.client.pttl("shrike:reply:test") <= 60_000

    def test_a_batch_is_answered_only_once_it_is_on_disk_and_a_retry_gets_the_decision(self) -> None:
        self.client.config_set("appendfsync", "no")
        with pytest.raises(StoreUnavailableError, match="disk"):
            self.commit(new_decision("t-1", score=0.25))
        assert self.client.llen("shrike:reply:test") == 0
        self.client.config_set("appendfsync", self.policy)
        assert self.commit(new_decision("t-1", score=0.75)).outcomes == (CommitOutcome.REPEATED,)
        assert self.replies("shrike:reply:test")[0]["results"][0]["decision"]["score"] == 0.25

    def test_a_retry_that_writes_nothing_waits_for_the_disk_as_well(self) -> None:
        self.commit(new_decision("t-1"))
        self.client.config_set("appendfsync", "no")
        with pytest.raises(StoreUnavailableError, match="disk"):
            self.store.commit([new_decision("t-1")], Reply(None, "b-2", {}))


class TestRedisFsyncedDecisionsOnAServerThatWritesOnceASecond(TestRedisFsyncedDecisionsOnAServerThatWritesAtOnce):
    policy = "everysec"
