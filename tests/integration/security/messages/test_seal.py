"""Values that the version before `Seal` wrote into Redis, byte for byte: they must still open."""

import redis

from ml.domain.label import Label
from ml.stores.accepted_version.accepted_version_redis import KEY as ACCEPTED_VERSION_KEY
from ml.stores.accepted_version.accepted_version_redis import RedisAcceptedVersion
from ml.stores.labels.label_inbox_redis import LABELS, RedisLabelInbox
from security.messages.message_signer import MessageSigner
from security.safe_mode.safe_mode import SafeModeEvent, SafeModeState
from security.safe_mode.safe_mode_redis import AUDIT_KEY, STATE_KEY, RedisSafeMode
from tasks.model.self_test import SelfTestResult
from tasks.model.self_test_redis import KEY as SELF_TEST_KEY
from tasks.model.self_test_redis import RedisSelfTestExchange

SIGNER = MessageSigner(b"k" * 32)
REASON, BY, SINCE = "the model's hash is wrong: ü", "worker score-1", "2026-11-26T04:13:45.715539Z"
TEST_ID = "3ed7a87b983731907fce8f155df421a6"


def test_the_safe_mode_switch_and_its_audit(redis_client: "redis.Redis") -> None:
    state = {"enabled": "1", "reason": REASON, "by": BY, "since": SINCE}
    redis_client.hset(STATE_KEY, mapping=state | {"seal": "sDoSWS5yreeUiCKNQizhTgDEilP0puOy4FdQSGAfDxo="})
    event = (
        f'{{"action":"enabled","reason":"{REASON}","by":"{BY}","at":"{SINCE}",'
        '"seal":"dLtZ9nPcEaSEM/LdnVB7JMwUYMomViW1uG8ASuGqcdA="}'
    )
    redis_client.lpush(AUDIT_KEY, event)
    switch = RedisSafeMode(redis_client, SIGNER)
    assert switch.read() == SafeModeState(enabled=True, reason=REASON, by=BY, since=SINCE)
    assert switch.events(10) == [SafeModeEvent("enabled", REASON, BY, SINCE)]


def test_the_accepted_version(redis_client: "redis.Redis") -> None:
    version = "v20261101T030000-0a1b2c"
    sealed = {"version": version, "seal": "CLKXhw8f1kokxtYU62gd2VLUBXFbVY9/mdP7TzyMoYU="}
    redis_client.hset(ACCEPTED_VERSION_KEY, mapping=sealed)
    mark = RedisAcceptedVersion(redis_client, SIGNER)
    assert mark.read() == version
    mark.set_to(version)
    assert redis_client.hget(ACCEPTED_VERSION_KEY, "seal") == sealed["seal"].encode()


def test_the_self_tests_request_and_answer(redis_client: "redis.Redis") -> None:
    request = b'{"id":"%b","seal":"uoWAFliKDEnngXOkJbCCqND9A8GB8sTeKLrfpDf+yRo="}' % TEST_ID.encode()
    answer = '{"failure":"golden vectors: ü","seal":"0EBRLITv11XP4x8JDbF4sJsmDGU73KNi3UK11laHOAA="}'
    redis_client.set(SELF_TEST_KEY, request)
    redis_client.hset(f"{SELF_TEST_KEY}:{TEST_ID}", "score 7", answer)
    exchange, result = RedisSelfTestExchange(redis_client, SIGNER), SelfTestResult("score 7", "golden vectors: ü")
    assert exchange.asked() == TEST_ID
    assert exchange.answers(TEST_ID) == [result]
    exchange.answer(TEST_ID, result)
    assert redis_client.hget(f"{SELF_TEST_KEY}:{TEST_ID}", "score 7") == answer.encode()


def test_a_label_in_its_stream(redis_client: "redis.Redis") -> None:
    label = Label(transaction_id="t-1", label="fraud", source="chargeback", labelled_at=1_700_000_000)
    RedisLabelInbox(redis_client, SIGNER).accept([(label, "corr-1234")])
    [(_, entry)] = redis_client.xrange(LABELS)
    assert entry[b"event"] == (
        rb'{"payload":"{\"label\":{\"transaction_id\":\"t-1\",\"label\":\"fraud\",\"source\":\"chargeback\",'
        rb'\"labelled_at\":1700000000.0},\"correlation_id\":\"corr-1234\"}",'
        rb'"signature":"NpAgjVR216vQuxvEKfAOfhQg8NuYTKH2lj6l6zn5eKc="}'
    )
