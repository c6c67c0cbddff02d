import pytest
import redis

from ml.stores.decisions.decisions import Reply
from ml.stores.decisions.decisions_redis import RedisDecisionStore
from ops.errors import OpsError
from ops.proving.bench.scale.server import ServerCounters, decision_record_bytes
from tests.contracts.decision_store import new_decision
from tests.seals import DECISION_SEAL, EVENT_SEAL


def test_what_transactions_leave_and_move_is_counted_for_each(redis_client: redis.Redis) -> None:
    with pytest.raises(OpsError, match="no decision record"):
        decision_record_bytes(redis_client)
    store = RedisDecisionStore(
        redis_client, record_ttl_seconds=60, outbox_limit=10_000, seal=DECISION_SEAL, event_seal=EVENT_SEAL
    )
    before = ServerCounters.read(redis_client)
    for number in range(50):
        store.commit([new_decision(f"t-{number}")], Reply("nobody", "b", {}))
    each = ServerCounters.read(redis_client).since(before, 50)
    assert all(value > 0 for value in each.values())
    assert 50 < decision_record_bytes(redis_client) < each["memory_bytes"]
