import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import redis
from numpy.typing import NDArray

from ml.data.datasets import load_transactions
from ml.data.table import NEVER, TransactionTable
from ml.features.entries import CUSTOMER_ENTRY
from ml.features.history import History
from ml.features.offline import compute_features
from ml.stores.features.features_redis import RedisFeatureStore, entity_key
from ml.stores.redis.server_redis import ServerCommands

ROOT = Path(__file__).parents[5]


def ops(*arguments: str, redis_url: str = "redis://127.0.0.1:1/0") -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "REDIS_URL": redis_url}
    return subprocess.run(
        [sys.executable, "-m", "ops", *arguments], capture_output=True, text=True, env=env, check=False
    )


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("history") / "history.parquet"
    result = ops("simulate", "--out", str(path), "--customers", "50", "--terminals", "60", "--days", "30")
    assert result.returncode == 0, result.stderr
    assert " transactions over 30 days, " in result.stdout
    return path


def test_scoring_after_a_backfill_equals_scoring_offline(history: Path, valkey_url: str) -> None:
    result = ops("backfill", "--data", str(history), "--until", "2026-01-25", "--replace", redis_url=valkey_url)
    assert result.returncode == 0, result.stderr
    assert "customers and terminals in" in result.stdout
    table = load_transactions(history).table
    moment = int(np.datetime64("2026-01-25", "s").astype(int))
    # The first payments of the next day: no label has become known in between that they could see.
    after = np.flatnonzero((table.epoch_seconds >= moment) & (table.epoch_seconds < moment + 86_400))[:20]
    known = table.label_known_at <= moment
    seen = table.select(np.arange(after[-1] + 1))
    expected = compute_features(_hiding(seen, known[: len(seen)]), after)
    with redis.Redis.from_url(valkey_url) as client:
        store = RedisFeatureStore(ServerCommands(client))
        online = store.observe(list(table.select(after).to_transactions()))
    np.testing.assert_allclose(online.vectors, expected.vectors, rtol=1e-9, atol=1e-9)


def test_a_backfill_keeps_live_histories_and_says_so_unless_it_is_told_to_replace_them(
    history: Path, valkey_url: str
) -> None:
    url = f"{valkey_url.rsplit('/', 1)[0]}/8"
    name = str(load_transactions(history).table.customer_id.names[0])
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        live = History(entries=bytes(CUSTOMER_ENTRY.itemsize)).pack()
        client.set(entity_key("customer", name), live)
        kept = ops("backfill", "--data", str(history), redis_url=url)
        assert kept.returncode == 0, kept.stderr
        assert "1 had a history already and keep it; --replace overwrites these too." in kept.stdout
        assert client.get(entity_key("customer", name)) == live
        replaced = ops("backfill", "--data", str(history), "--replace", redis_url=url)
        assert "had a history" not in replaced.stdout
        assert client.get(entity_key("customer", name)) != live
        client.flushdb()


def _hiding(table: TransactionTable, known: NDArray[np.bool_]) -> TransactionTable:
    return TransactionTable.build(**{**vars(table), "label_known_at": np.where(known, table.label_known_at, NEVER)})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("backfill", "--data", "missing.parquet"), "missing.parquet does not exist or is not a file.\n"),
        (("backfill", "--data", "pyproject.toml"), "pyproject.toml is neither a .parquet nor a .csv file.\n"),
        (("simulate", "--out", "no/such/folder/x.parquet"), "Error: The folder no/such/folder does not exist.\n"),
    ],
)
def test_an_unusable_path_is_one_sentence(arguments: tuple[str, ...], message: str) -> None:
    result = ops(*arguments)
    assert result.returncode == 1
    assert result.stderr.endswith(message)
    assert "Traceback" not in result.stderr


def test_an_unreachable_redis_is_one_sentence(history: Path) -> None:
    result = ops("backfill", "--data", str(history))
    message = "Redis did not answer; is it running, and is REDIS_URL right?\n"
    assert result.returncode == 1
    assert result.stderr.endswith(message)
    assert "Traceback" not in result.stderr


def test_a_malformed_moment_is_one_sentence(history: Path) -> None:
    result = ops("backfill", "--data", str(history), "--until", "tomorrow")
    assert (result.returncode, result.stderr) == (1, "Error: --until 'tomorrow' is not a time such as 2026-03-01.\n")
