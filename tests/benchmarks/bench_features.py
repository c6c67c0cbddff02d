"""Measures the features' cost per batch: `python tests/benchmarks/bench_features.py [--redis URL]`.

Prints medians of the kernel alone on full rings, of the memory store, of the Redis store if a URL is given, and of the
offline executor per row. On a shared machine compare ratios, not absolute figures.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import redis

sys.path.insert(0, str(Path(__file__).parents[2]))

from ml.features.definition import CUSTOMER_RING_CAPACITY, TERMINAL_RING_CAPACITY
from ml.features.history import encode
from ml.features.offline import compute_features
from ml.features.online import compute_online
from ml.simulator import simulate
from ml.stores.features import FeatureStore
from ml.stores.features_memory import MemoryFeatureStore
from ml.stores.features_redis import RedisFeatureStore
from ml.stores.server_redis import ServerCommands
from ml.transaction import Transaction


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redis", help="URL of a Redis that may be written to")
    arguments = parser.parse_args()
    table = simulate(customers=300, terminals=300, days=60, seed=1)
    transactions = list(table.to_transactions())

    pairs = [encode(item) for item in transactions]
    entries = [pair[0] for pair in pairs]
    customer = b"".join(entries[:CUSTOMER_RING_CAPACITY])
    terminal = b"".join(pair[1] for pair in pairs[:TERMINAL_RING_CAPACITY])
    print("kernel with decoding, full rings")
    for rows in (1, 8, 32):
        part = entries[-rows:]
        report(rows, lambda part=part: compute_online(part, [customer] * len(part), [terminal] * len(part)))

    stores: dict[str, FeatureStore] = {"memory store": MemoryFeatureStore()}
    if arguments.redis:
        stores["redis store"] = RedisFeatureStore(ServerCommands(redis.Redis.from_url(arguments.redis)))
    for name, store in stores.items():
        print(name)
        for first in range(0, 20_000, 32):
            store.observe(transactions[first : first + 32])
        for rows in (1, 8, 32):
            report(rows, batches(store, transactions[20_000:], rows))

    rows_offline = np.arange(len(table) - 20_000, len(table))
    started = time.perf_counter()
    compute_features(table, rows_offline)
    print(f"offline: {(time.perf_counter() - started) / len(rows_offline) * 1e6:.1f} µs per row")


def batches(store: FeatureStore, transactions: list[Transaction], rows: int) -> Callable[[], object]:
    position = 0

    def observe() -> object:
        nonlocal position
        position = (position + rows) % (len(transactions) - rows)
        return store.observe(transactions[position : position + rows])

    return observe


def report(rows: int, call: Callable[[], object], *, repeats: int = 300) -> None:
    call()
    times, cpu = [], time.process_time()
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    cpu = (time.process_time() - cpu) / repeats
    print(f"  {rows:>3} rows: median {statistics.median(times) * 1e6:7.0f} µs, CPU {cpu * 1e6:7.0f} µs")


if __name__ == "__main__":
    main()
