import json
import os
import subprocess
import sys

import pytest
import redis

from ml.stores.keys_redis import OUTBOX, SINKS
from ml.stores.outbox_redis import RedisOutbox


class TestOutboxCommand:
    @pytest.fixture(autouse=True)
    def _outbox(self, redis_client: redis.Redis) -> None:
        self.client = redis_client
        connection = redis_client.connection_pool.connection_kwargs
        self.url = f"redis://{connection['host']}:{connection['port']}/{connection['db']}"
        self.explain = RedisOutbox(
            redis_client, stream=OUTBOX, group="explain", groups=SINKS, consumer="w", claim_idle_ms=1000
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        result = subprocess.run(
            [sys.executable, "-m", "ops", "outbox", *arguments],
            env=os.environ | {"REDIS_URL": self.url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == code, result.stderr
        return result.stdout + result.stderr

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

    def test_refuses_what_makes_no_sense_in_a_sentence(self) -> None:
        assert "Name letters, or say --all." in self.run("redrive", "explain", code=2)
        assert "no dead letter 9-9" in self.run("redrive", "explain", "9-9", code=1)
        assert "Invalid value" in self.run("dead-letters", "elsewhere", code=2)

    def test_an_unreachable_server_is_one_sentence(self) -> None:
        self.url = "redis://127.0.0.1:1/0"
        output = self.run("status", code=1)
        assert "Redis" in output
        assert "Traceback" not in output
