"""What a Redis that dies leaves of what was answered."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from ml.domain.transaction import Transaction
from ml.stores.decisions.keys_redis import decision_key
from ml.stores.outbox.keys_redis import OUTBOX
from ops.embedded.valkey import valkey
from settings import Settings
from tests.integration.web.test_outages import pid_on_port
from tests.integration.workers.conftest import Works

MakeTransaction = Callable[..., Transaction]


@pytest.mark.parametrize(("durability", "appendfsync"), [("aof-everysec", "everysec"), ("aof-fsync", "always")])
def test_redis_killed_right_after_an_answer_has_it_when_it_is_back(
    works: Works, make_transaction: MakeTransaction, tmp_path: Path, durability: str, appendfsync: str
) -> None:
    port, answered = 0, []
    for _ in range(2):
        with valkey(tmp_path, port=port, appendfsync=appendfsync) as url:
            port = int(url.rsplit(":", 1)[1].split("/")[0])
            env = works.env | {"REDIS_URL": url, "DURABILITY": durability}
            elsewhere = Works(
                works.folder, env, Settings(_env_file=None, **{name.lower(): value for name, value in env.items()})
            )
            for decision in answered:
                assert elsewhere.client.exists(decision_key(decision["transaction_id"]))
            with elsewhere.worker("score"):
                answered += [elsewhere.score(make_transaction())[0]["decision"] for _ in range(5)]
                os.kill(pid_on_port(port), signal.SIGKILL)
    with valkey(tmp_path, port=port, appendfsync=appendfsync):
        assert elsewhere.client.xlen(OUTBOX) == len(answered) == 10
        for decision in answered:
            assert elsewhere.client.exists(decision_key(decision["transaction_id"]))


def test_a_redis_that_comes_back_empty_while_no_worker_runs_is_not_scored_with(
    works: Works, make_transaction: MakeTransaction, tmp_path: Path
) -> None:
    port, statuses = 0, []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        with valkey(tmp_path / name, port=port) as url:
            port = int(url.rsplit(":", 1)[1].split("/")[0])
            own = Works(tmp_path, works.env | {"REDIS_URL": url}, works.settings.model_copy(update={"redis_url": url}))
            with own.worker("score", until="/health/live") as worker:
                statuses += [result["status"] for result in own.score(make_transaction(), make_transaction())]
                lost = worker.metric("redis_data_lost_total")
    assert statuses == ["scored", "scored", "safe_mode", "safe_mode"]
    assert lost == 1
