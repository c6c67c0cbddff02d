import json
import os
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest
import redis
from pymongo.database import Database

from ml.domain.transaction import fingerprint_of
from ml.stores.decisions.decisions import NewDecision, Reply
from ml.stores.decisions.decisions_redis import RedisDecisionStore
from ml.stores.decisions.keys_redis import decision_key
from ml.stores.outbox.keys_redis import OUTBOX, answered_key
from ml.stores.outbox.outbox import SINKS
from ml.stores.outbox.outbox_redis import RedisOutbox
from tests.seals import DECISION_SEAL, EVENT_SEAL, MESSAGE_KEY


class TestOutboxCommand:
    @pytest.fixture(autouse=True)
    def _outbox(self, redis_client: redis.Redis) -> None:
        self.client = redis_client
        self.servers: dict[str, str] = {}
        connection = redis_client.connection_pool.connection_kwargs
        self.url = f"redis://{connection['host']}:{connection['port']}/{connection['db']}"
        self.explain = RedisOutbox(
            redis_client, stream=OUTBOX, group="explain", groups=SINKS, consumer="w", claim_idle_ms=1000
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        result = subprocess.run(
            [sys.executable, "-m", "ops", "outbox", *arguments],
            env=os.environ | {"REDIS_URL": self.url, "MESSAGE_KEY": MESSAGE_KEY} | self.servers,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == code, result.stderr
        return result.stdout if "--json" in arguments else result.stdout + result.stderr

    def bury(self, *names: str) -> None:
        for name in names:
            self.client.xadd(OUTBOX, {"id": name, "event": b"{}"})
        for entry in self.explain.read_new(10):
            self.explain.bury(entry, "refused by the test")

    def test_shows_lists_and_redrives(self) -> None:
        self.bury("t-1", "t-2")
        status = json.loads(self.run("status", "--json"))
        assert status["explain"]["dead_letters"] == 2
        assert status["publish"]["entries"] == 2
        assert "explain" in self.run("status")
        listed = json.loads(self.run("dead-letters", "explain", "--json"))
        assert [letter["transaction_id"] for letter in listed] == ["t-1", "t-2"]
        assert "refused by the test" in self.run("dead-letters", "explain")
        assert "1 put back" in self.run("redrive", "explain", listed[0]["letter_id"])
        assert [entry.transaction_id for entry in self.explain.read_new(5)] == ["t-1"]
        assert "1 put back" in self.run("redrive", "explain", "--all")
        assert "no dead letters" in self.run("dead-letters", "explain")
        assert "explain has no dead letters, so nothing is put back." in self.run("redrive", "explain", "--all")

    def test_redrives_by_transaction_as_well_and_prints_json(self) -> None:
        self.bury("t-1", "t-2", "t-3")
        assert json.loads(self.run("redrive", "explain", "t-2", "--json")) == {"group": "explain", "put_back": 1}
        assert "no dead letter t-9" in self.run("redrive", "explain", "t-1", "t-9", code=1)
        assert self.explain.lag().dead_letters == 2

    def answer(self, *names: str) -> None:
        decisions = RedisDecisionStore(
            self.client, record_ttl_seconds=60, outbox_limit=100, seal=DECISION_SEAL, event_seal=EVENT_SEAL
        )
        for name in names:
            transaction = {"transaction_id": name, "customer_id": "c", "timestamp": 1, "channel": "pos"}
            decision = {"transaction_id": name, "model_version": "v", "scored_at": "2026-01-01T00:00:00.000Z"}
            raw = (orjson.dumps(decision), orjson.dumps(transaction), b"{}")
            decisions.commit([NewDecision(name, fingerprint_of(transaction), *raw)], Reply(None, "b", {}))
        # Only minutes that are over are looked at.
        minute = int(time.time() // 60)
        for past in (minute - 1, minute):
            if self.client.exists(answered_key(past)):
                self.client.rename(answered_key(past), answered_key(past - 2))

    def test_reconciles_over_a_window_and_its_exit_code_shows(
        self, mongo_url: str, mongo_database: Database, kafka_bootstrap: str
    ) -> None:
        self.servers = {
            "MONGO_URL": mongo_url,
            "MONGO_DATABASE": mongo_database.name,
            "KAFKA_BOOTSTRAP": kafka_bootstrap,
            "KAFKA_TOPIC_SCORED": f"scored-{mongo_database.name}",
        }
        assert "explain" in self.run("reconcile", code=0)
        self.answer("t-1", "t-2")
        for sink in SINKS:  # both sinks said that they have them, and neither does
            view = RedisOutbox(self.client, stream=OUTBOX, group=sink, groups=SINKS, consumer="w", claim_idle_ms=1000)
            view.acknowledge(view.read_new(10))
        reports = json.loads(self.run("reconcile", "--window", "10", "--json", code=3))
        assert [(report["sink"], report["answered"], report["repaired"]) for report in reports] == [
            ("explain", 2, 2),
            ("publish", 2, 2),
        ]
        again = json.loads(self.run("reconcile", "--json", code=0))
        assert [(report["waiting"], report["repaired"]) for report in again] == [(2, 0), (2, 0)]
        self.client.delete(*map(decision_key, ("t-1", "t-2")))
        view = RedisOutbox(self.client, stream=OUTBOX, group="explain", groups=SINKS, consumer="w", claim_idle_ms=1000)
        view.acknowledge(view.read_new(10))
        lost = json.loads(self.run("reconcile", "--json", code=4))
        assert lost[0]["lost"] == 2

    def test_reconciling_without_a_server_is_one_sentence_and_stops_no_other_sink(self) -> None:
        self.answer("t-1")
        self.explain.acknowledge(self.explain.read_new(1))
        self.servers = {
            "MONGO_URL": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200",
            "KAFKA_BOOTSTRAP": "127.0.0.1:1",
        }
        output = self.run("reconcile", code=1)
        assert "explain was not compared: MongoDB did not answer; is it running, and is MONGO_URL right?\n" in output
        assert output.splitlines()[1].split()[:4] == ["publish", "1", "0", "1"]
        assert "No such option" in self.run("reconcile", "--windows", "5", code=2)

    def test_a_dead_shard_is_named_and_the_others_are_shown_and_worked_on(
        self, mongo_url: str, mongo_database: Database, kafka_bootstrap: str
    ) -> None:
        base = self.url.rsplit("/", 1)[0]
        self.servers = {
            "MONGO_URL": mongo_url,
            "MONGO_DATABASE": mongo_database.name,
            "KAFKA_BOOTSTRAP": kafka_bootstrap,
            "SCORE_SHARD_URLS": json.dumps({"s1": self.url, "s2": "redis://127.0.0.1:1/0"}),
        }
        self.url = f"{base}/6"
        self.answer("t-1")
        self.explain.acknowledge(self.explain.read_new(1))
        status = json.loads(self.run("status", "--json", code=1))
        assert status["s1/publish"]["entries"] == 1
        assert set(status["s2/explain"]) == {"unavailable"}
        line = next(line for line in self.run("status", code=1).splitlines() if line.startswith("s2/publish"))
        assert line.endswith("Redis did not answer; is it running, and is SCORE_SHARD_URLS right?")
        reports = {report["sink"]: report for report in json.loads(self.run("reconcile", "--json", code=1))}
        assert reports["s1/explain"]["repaired"] == 1
        assert "SCORE_SHARD_URLS" in reports["s2/publish"]["unavailable"]

    def test_refuses_what_makes_no_sense_in_a_sentence(self) -> None:
        assert "Name letters, or say --all." in self.run("redrive", "explain", code=2)
        assert "no dead letter 9-9" in self.run("redrive", "explain", "9-9", code=1)
        assert "Invalid value" in self.run("dead-letters", "elsewhere", code=2)

    def test_says_what_it_works_on_and_touches_nothing_that_nobody_named(self, tmp_path: Path) -> None:
        assert f"Works on Redis {self.url}, as REDIS_URL says." in self.run("status")
        self.servers = {"REDIS_URL": "", "VAR_DIR": str(tmp_path)}
        for arguments in (["status"], ["dead-letters", "explain"], ["redrive", "explain", "--all"], ["reconcile"]):
            output = self.run(*arguments, code=1)
            assert output.startswith(f"No stack runs in {tmp_path}, and the settings name no other: ")

    def test_an_unreachable_server_is_one_sentence(self) -> None:
        self.url = "redis://127.0.0.1:1/0"
        output = self.run("status", code=1)
        assert "Redis" in output
        assert "Traceback" not in output
