import threading
import time
from dataclasses import replace

import orjson
import pytest
import redis

from ml.domain.errors import StoreUnavailableError
from ml.domain.scoring_batch import ResultStatus, Undecided
from ml.stores.decisions.decision_seal import DecisionSeal
from ml.stores.decisions.decisions import CommitOutcome, Reply
from ml.stores.decisions.decisions_redis import RedisDecisionStore
from ml.stores.decisions.keys_redis import decision_key
from ml.stores.outbox.keys_redis import ANSWERED_TTL_SECONDS, OUTBOX, answered_key, awaiting_key
from security.messages.message_signer import MessageSigner
from security.messages.stored_seal import close, split
from tests.contracts.decision_store import DecisionStoreContract, new_decision
from tests.seals import DECISION_SEAL, EVENT_SEAL, MESSAGE_KEY, STRANGERS_DECISION_SEAL

_NO_JSON = (
    *('"a":NaN', '"a":-Infinity', '"a":[inf]', '"a":0x1F', '"a":01', '"a":1.', '"a":.5', '"a":1e', '"a":1e999'),
    *('"a":"\xff"', '"a":"\xc0\xaf"', '"a":"\xe2\x82"', '"a":"\xed\xa0\x80"', '"a":"\xf5\x80\x80\x80"', '"\xe9":1'),
)
"""Members that cjson takes and no reader of the reply; each character is one byte."""


def make_store(
    client: redis.Redis, *, outbox_limit: int = 1000, seal: DecisionSeal = DECISION_SEAL
) -> RedisDecisionStore:
    return RedisDecisionStore(
        client, record_ttl_seconds=60, outbox_limit=outbox_limit, seal=seal, event_seal=EVENT_SEAL
    )


class TestRedisDecisionStore(DecisionStoreContract):
    @pytest.fixture(autouse=True)
    def _store(self, redis_client: redis.Redis) -> None:
        self.client = redis_client
        self.store = make_store(redis_client)

    def replies(self, address: str) -> list[dict]:
        return [orjson.loads(item) for item in reversed(self.client.lrange(address, 0, -1))]

    def test_one_outbox_entry_per_transaction_however_often_it_is_retried(self) -> None:
        for batch in range(5):
            self.commit(new_decision("t-1"), new_decision("t-2"), batch_id=f"b-{batch}")
        entries = [fields[b"id"] for _, fields in self.client.xrange(OUTBOX)]
        assert entries == [b"t-1", b"t-2"]
        assert self.client.zrange(awaiting_key("explain"), 0, -1) == [b"t-1", b"t-2"]

    def test_asks_for_a_doorbell_only_while_none_is_queued(self) -> None:
        assert self.commit(new_decision("t-1")).doorbells == ("explain", "publish")
        assert self.commit(new_decision("t-2")).doorbells == ()

    def test_undecided_results_alone_ask_for_no_doorbell(self) -> None:
        assert self.commit(Undecided(ResultStatus.SAFE_MODE, "why")).doorbells == ()

    def test_records_and_replies_expire(self) -> None:
        self.commit(new_decision("t-1"))
        assert 0 < self.client.ttl(decision_key("t-1")) <= 60
        assert 0 < self.client.pttl("shrike:reply:test") <= 60_000

    def test_a_reply_without_an_address_leaves_no_list_behind(self) -> None:
        self.store.commit([new_decision("t-1"), Undecided(ResultStatus.FAILED)], Reply(None, "b-1", {}))
        lists = [key for key in self.client.scan_iter() if self.client.type(key) == b"list"]
        assert lists == [answered_key(int(time.time() // 60)).encode()]
        assert self.client.lrange(lists[0], 0, -1) == [b"t-1"]
        assert 0 < self.client.ttl(lists[0]) <= ANSWERED_TTL_SECONDS
        assert self.client.xlen(OUTBOX) == 1

    def test_text_beyond_ascii_survives(self) -> None:
        entry = new_decision("t-1")
        decision = orjson.dumps({"text": "größer als üblich €"})
        self.commit(replace(entry, decision=decision))
        assert self.store.find("t-1").decision == {"text": "größer als üblich €"}

    def test_a_full_outbox_refuses_new_decisions_and_repeats_old_ones(self) -> None:
        self.store = make_store(self.client, outbox_limit=2)
        self.commit(new_decision("t-1"), new_decision("t-2"))
        report = self.commit(new_decision("t-3"), new_decision("t-1"))
        assert report.outcomes == (CommitOutcome.OVERLOADED, CommitOutcome.REPEATED)
        assert self.replies("shrike:reply:test")[-1]["results"][0] == {"status": "overloaded"}
        assert self.client.xlen(OUTBOX) == 2

    @pytest.mark.parametrize("forged", ["decision", "transaction", "fingerprint", "stranger", "unsealed", "another's"])
    def test_a_record_that_was_altered_is_not_found(self, forged: str) -> None:
        entry, key = new_decision("t-1"), decision_key("t-1")
        self.commit(entry, new_decision("t-2"))
        record = self.client.get(key)
        wire = record[40 + len(entry.decision) :]
        head = record[: 40 + len(entry.decision)]
        altered = {
            "decision": record.replace(b'"score":0.5', b'"score":0.1'),
            "transaction": record.replace(b'"customer_id":"c"', b'"customer_id":"x"'),
            "fingerprint": b"0" * 32 + record[32:],
            "stranger": head
            + close(entry.transaction, STRANGERS_DECISION_SEAL.sign("t-1", entry.fingerprint, entry.decision)),
            "unsealed": head + split(wire)[0],
            "another's": self.client.get(decision_key("t-2")),
        }[forged]
        assert altered != record
        self.client.set(key, altered)
        assert self.store.find("t-1") is None
        assert [found is None for found in self.store.find_many(["t-1", "t-2"])] == [True, False]

    def test_a_repeated_answer_carries_the_records_seal(self) -> None:
        entry = new_decision("t-1", score=0.25)
        self.commit(entry)
        self.commit(new_decision("t-1", score=0.75))
        seal = DECISION_SEAL.sign("t-1", entry.fingerprint, entry.decision)
        assert [reply["results"][0]["seal"] for reply in self.replies("shrike:reply:test")] == [seal, seal]

    def test_a_record_of_a_version_that_sealed_nothing_is_believed_while_that_is_allowed(self) -> None:
        entry = new_decision("t-1")
        length = f"{len(entry.decision):08d}".encode()
        self.client.set(decision_key("t-1"), entry.fingerprint.encode() + length + entry.decision + entry.transaction)
        assert self.store.find("t-1") is None
        lenient = DecisionSeal(MessageSigner(MESSAGE_KEY.encode()), unsealed_until=time.time() + 60)
        found = make_store(self.client, seal=lenient).find("t-1")
        assert found is not None
        assert found.decision == orjson.loads(entry.decision)
        assert self.commit(entry).outcomes == (CommitOutcome.REPEATED,)
        assert "seal" not in self.replies("shrike:reply:test")[0]["results"][0]

    @pytest.mark.parametrize(
        "garbage",
        [
            "list",
            "",
            "{fingerprint}",
            "{fingerprint}00000000",
            "{fingerprint}99999999",
            "{fingerprint}-0000002{{}}",
            "{fingerprint}00000002{{",
            '{fingerprint}00000002{{}}{{"seal":"""""""""""""""""""""""""""""""""""""""""""""","a":1}}',
            '{fingerprint}00000009{{"a":"\n"}}',
            *(f"{{fingerprint}}{len(member) + 2:08d}{{{{{member}}}}}" for member in _NO_JSON),
        ],
    )
    def test_what_is_no_record_costs_its_transaction_alone(self, garbage: str) -> None:
        entry, key = new_decision("t-2"), decision_key("t-2")
        if garbage == "list":
            self.client.lpush(key, "x")
        else:
            self.client.set(key, garbage.format(fingerprint=entry.fingerprint).encode("latin-1"))
        before = self.client.dump(key)
        report = self.commit(new_decision("t-1"), entry, new_decision("t-3"))
        assert report.outcomes == (CommitOutcome.RECORDED, CommitOutcome.UNTRUSTED, CommitOutcome.RECORDED)
        (reply,) = self.replies("shrike:reply:test")
        assert [result["status"] for result in reply["results"]] == ["scored", ResultStatus.UNTRUSTED, "scored"]
        assert self.client.dump(key) == before
        assert [fields[b"id"] for _, fields in self.client.xrange(OUTBOX)] == [b"t-1", b"t-3"]
        self.client.delete(key)
        assert self.commit(entry).outcomes == (CommitOutcome.RECORDED,)

    @pytest.mark.parametrize(
        "members",
        [
            {"a": [1, -2.5, 1e-7, 1e22, 0, -0.0, 123456789012345678], "b": None, "c": True, "d": {"e": False}},
            {"a": 'NaN, 0x1F "quoted" \\ 01', "größer": "€ 𝄞 \u0800 \ud7ff \uffff \U0010ffff", "b": ["\\", '"', ""]},
        ],
    )
    def test_a_record_of_unusual_content_is_repeated(self, members: dict) -> None:
        entry = replace(new_decision("t-1"), decision=orjson.dumps(members))
        self.commit(entry)
        assert self.commit(entry).outcomes == (CommitOutcome.REPEATED,)
        assert self.replies("shrike:reply:test")[-1]["results"][0]["decision"] == members

    @pytest.mark.parametrize("key", [OUTBOX, awaiting_key("explain"), awaiting_key("publish")])
    def test_a_key_of_another_type_refuses_a_batch_before_anything_is_recorded(self, key: str) -> None:
        self.client.set(key, "x")
        with pytest.raises(StoreUnavailableError):
            self.commit(new_decision("t-1"), new_decision("t-2"))
        assert self.client.keys() == [key.encode()]
        self.client.delete(key)
        assert self.commit(new_decision("t-1")).outcomes == (CommitOutcome.RECORDED,)

    @pytest.mark.parametrize("key", ["shrike:reply:test", "answered"])
    def test_a_list_of_another_type_costs_only_itself(self, key: str) -> None:
        minute = int(self.client.time()[0] // 60)
        keys = [answered_key(minute + n) for n in range(2)] if key == "answered" else [key]
        for name in keys:
            self.client.set(name, "x")
        assert self.commit(new_decision("t-1")).outcomes == (CommitOutcome.RECORDED,)
        assert self.client.zrange(awaiting_key("publish"), 0, -1) == [b"t-1"]

    def test_a_stream_whose_ids_are_used_up_refuses_until_it_is_deleted(self) -> None:
        self.commit(new_decision("t-1"))
        self.client.xadd(OUTBOX, {"a": "b"}, id="18446744073709551615-18446744073709551615")
        with pytest.raises(StoreUnavailableError, match=r"greatest id.*docs/outbox\.md"):
            self.commit(new_decision("t-2"))
        assert self.store.find("t-2") is None
        assert self.commit(new_decision("t-1")).outcomes == (CommitOutcome.REPEATED,)
        self.client.delete(OUTBOX)
        assert self.commit(new_decision("t-2")).outcomes == (CommitOutcome.RECORDED,)
        assert self.client.zrange(awaiting_key("publish"), 0, -1) == [b"t-1", b"t-2"]

    def test_ids_that_end_within_a_batch_cost_only_the_rest(self) -> None:
        self.client.xadd(OUTBOX, {"a": "b"}, id="18446744073709551615-18446744073709551614")
        report = self.commit(new_decision("t-1"), new_decision("t-2"))
        assert report.outcomes == (CommitOutcome.RECORDED, CommitOutcome.OVERLOADED)
        assert self.store.find("t-2") is None

    def test_racing_retries_agree_on_one_decision(self) -> None:
        url = self.client.connection_pool.connection_kwargs
        scores = [index / 100 for index in range(16)]

        def race(score: float) -> None:
            client = redis.Redis(host=url["host"], port=url["port"], db=url["db"])
            reply = Reply(f"shrike:reply:{score}", "b", {})
            make_store(client).commit([new_decision("t-race", score=score)], reply)
            client.close()

        threads = [threading.Thread(target=race, args=(score,)) for score in scores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answers = {
            reply["results"][0]["decision"]["score"]
            for score in scores
            for reply in self.replies(f"shrike:reply:{score}")
        }
        assert len(answers) == 1
        assert self.client.xlen(OUTBOX) == 1

    def test_an_unreachable_server_is_unavailable(self) -> None:
        client = redis.Redis(port=1, socket_connect_timeout=0.2)
        with pytest.raises(StoreUnavailableError):
            make_store(client).find("t-1")

    def test_a_server_out_of_memory_is_unavailable_and_records_nothing(self) -> None:
        used = self.client.info("memory")["used_memory"]
        self.client.config_set("maxmemory", max(1, used // 2))
        try:
            with pytest.raises(StoreUnavailableError):
                self.commit(new_decision("t-1"))
        finally:
            self.client.config_set("maxmemory", 0)
        assert self.store.find("t-1") is None
        assert self.client.xlen(OUTBOX) == 0
