import orjson
import pytest
import redis

from ml.domain.errors import StoreUnavailableError
from ml.domain.scoring_batch import ResultStatus, Undecided
from ml.stores.decisions.decisions import CommitOutcome, Reply
from ml.stores.decisions.decisions_unrecorded_redis import RedisUnrecordedDecisions
from tests.contracts.decision_store import new_decision
from tests.seals import DECISION_SEAL

ADDRESS = "shrike:reply:test"


def test_answers_and_leaves_nothing_but_the_reply(redis_client: redis.Redis) -> None:
    store = RedisUnrecordedDecisions(redis_client, DECISION_SEAL)
    entries = [new_decision("t-1", score=0.25), Undecided(ResultStatus.FAILED, "no")]
    report = store.commit(entries, Reply(ADDRESS, "b-1", {"queue_ms": 1.0}))
    assert report.outcomes == (CommitOutcome.UNRECORDED, CommitOutcome.PASSED_ON)
    assert report.doorbells == ()
    assert report.reply is None
    assert list(redis_client.scan_iter()) == [ADDRESS.encode()]
    assert 0 < redis_client.pttl(ADDRESS) <= 60_000
    assert orjson.loads(redis_client.lpop(ADDRESS)) == {
        "batch_id": "b-1",
        "results": [
            {
                "status": "scored",
                "seal": DECISION_SEAL.sign("t-1", entries[0].fingerprint, entries[0].decision),
                "decision": {"transaction_id": "t-1", "score": 0.25},
                "timings": {"queue_ms": 1.0},
            },
            {"status": "failed", "reason": "no"},
        ],
    }


def test_a_retry_is_answered_anew(redis_client: redis.Redis) -> None:
    store = RedisUnrecordedDecisions(redis_client, DECISION_SEAL)
    for score in (0.25, 0.75):
        report = store.commit([new_decision("t-1", score=score)], Reply(None, "b", {}))
        assert report.reply is not None
        assert orjson.loads(report.reply)["results"][0]["decision"]["score"] == score
    assert store.find("t-1") is None
    assert store.find_many(["t-1", "t-2"]) == [None, None]
    assert list(redis_client.scan_iter()) == []


def test_an_unreachable_server_is_unavailable() -> None:
    store = RedisUnrecordedDecisions(redis.Redis(port=1, socket_connect_timeout=0.2), DECISION_SEAL)
    with pytest.raises(StoreUnavailableError):
        store.commit([new_decision("t-1")], Reply(ADDRESS, "b", {}))
