"""Measures a batch of 32 on one server and on a cluster: `python tests/benchmarks/bench_features_cluster.py`.

Both live on loopback and see the same transactions, in rounds that take turns, so that a busy machine slows both.
Prints medians over all batches, and median and quartiles of the rounds' ratios.
"""

import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import redis

sys.path.insert(0, str(Path(__file__).parents[2]))

from ml.data.simulator import simulate
from ml.domain.transaction import Transaction
from ml.stores.features.features_redis import RedisFeatureStore
from ml.stores.redis.cluster_redis import ClusterCommands
from ml.stores.redis.server_redis import ServerCommands
from ops.embedded.valkey import valkey
from settings import Settings
from tasks.wiring.clients_redis import connect_redis_cluster
from tests.valkey_cluster import valkey_cluster

ROWS = 32
ROUNDS = 40
BATCHES_PER_ROUND = 25


def main() -> None:
    transactions = list(simulate(customers=2_000, terminals=2_000, days=10, seed=1).to_transactions())
    batches = [transactions[first : first + ROWS] for first in range(0, len(transactions) - ROWS, ROWS)]
    measured = ROUNDS * BATCHES_PER_ROUND
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "single").mkdir()
        client = stack.enter_context(redis.Redis.from_url(stack.enter_context(valkey(folder / "single"))))
        cluster = stack.enter_context(valkey_cluster(folder / "cluster", masters=3, replicas=0))
        settings = Settings(_env_file=None, feature_redis_url=cluster.url)
        urls = settings.feature_cluster_urls
        on_cluster = ClusterCommands(lambda: connect_redis_cluster(settings, urls), patience_seconds=5)
        stack.enter_context(closing(on_cluster))
        stores = {"server": RedisFeatureStore(ServerCommands(client)), "cluster": RedisFeatureStore(on_cluster)}
        for store in stores.values():
            for batch in batches[:-measured]:
                store.observe(batch)
        report(stores, batches[-measured:])


def report(stores: dict[str, RedisFeatureStore], batches: list[list[Transaction]]) -> None:
    times: dict[str, list[list[float]]] = {name: [] for name in stores}
    cpu = dict.fromkeys(stores, 0.0)
    for first in range(0, len(batches), BATCHES_PER_ROUND):
        order = list(stores) if first % (2 * BATCHES_PER_ROUND) else list(reversed(stores))
        for name in order:
            times[name].append([])
            started_cpu = time.process_time()
            for batch in batches[first : first + BATCHES_PER_ROUND]:
                started = time.perf_counter()
                stores[name].observe(batch)
                times[name][-1].append(time.perf_counter() - started)
            cpu[name] += time.process_time() - started_cpu
    for name, rounds in times.items():
        every = sorted(seconds for part in rounds for seconds in part)
        median, late = every[len(every) // 2] * 1e6, every[len(every) * 95 // 100] * 1e6
        print(f"{name:>8}: median {median:.0f} µs, p95 {late:.0f} µs, client CPU {cpu[name] / len(every) * 1e6:.0f} µs")
    pairs = zip(times["cluster"], times["server"], strict=True)
    ratios = [statistics.median(cluster) / statistics.median(server) for cluster, server in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"cluster / server: {middle:.2f} ({low:.2f} to {high:.2f} in the middle half of {len(ratios)} rounds)")


if __name__ == "__main__":
    main()
