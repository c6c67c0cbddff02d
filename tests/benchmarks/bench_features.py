"""Measures what the features cost: `python tests/benchmarks/bench_features.py [--redis URL] [--customers N] [--json]`.

- microseconds per batch: the kernel with decoding on full histories, with tiles and without; the memory store; the
  Redis store;
- CPU that Redis spends per transaction on full histories with tiles in batches of 32: its own CPU time over many
  batches (INFO cpu), and within the scripts (INFO commandstats);
- bytes per entity in Redis, key and overhead included (MEMORY USAGE), with N customers in the store: with the state
  that 60 simulated days leave behind, and with every part of every history full.

A Redis is started for the purpose unless a URL is given; what it holds of features is deleted. On a shared machine
compare ratios, not absolute figures.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import redis

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from ml.data.simulator import simulate
from ml.domain.durations import DAY_SECONDS, HOUR_SECONDS
from ml.domain.transaction import Transaction
from ml.features.entries import encode
from ml.features.history import SHAPES, EntityKind, History
from ml.features.offline import compute_features
from ml.features.online import compute_online
from ml.serving.backfill import entity_states
from ml.stores.features.features import AppliedLabel, EntityState, FeatureStore
from ml.stores.features.features_memory import MemoryFeatureStore
from ml.stores.features.features_redis import RedisFeatureStore, entity_key
from ml.stores.redis.server_redis import ServerCommands
from ops.embedded.valkey import valkey

BATCH = 32
KINDS: tuple[EntityKind, EntityKind] = ("customer", "terminal")
START = 1_767_225_600

Figures = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redis", help="URL of a Redis whose features may be deleted")
    parser.add_argument("--customers", type=int, default=10_000, help="customers to measure memory with")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    with server(arguments.redis) as url, redis.Redis.from_url(url) as client:
        figures = {
            "batch_microseconds": batches(client),
            "redis_cpu_microseconds_per_transaction": redis_cpu(client),
            "bytes_per_entity": {
                "after 60 simulated days": memory(client, arguments.customers, lived_states()),
                "all parts full": memory(client, arguments.customers, iter(full_states(labelled=True))),
            },
        }
    print(json.dumps(figures, indent=2) if arguments.json else as_text(figures))


@contextmanager
def server(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as started:
        yield started


def batches(client: "redis.Redis") -> Figures:
    """Returns medians per number of rows."""
    table = simulate(customers=300, terminals=300, days=60, seed=1)
    transactions = list(table.to_transactions())
    entries = [encode(item)[0] for item in transactions[-BATCH:]]
    plain, busy = plain_histories(), [state.history for state in full_states(labelled=True)]
    figures: Figures = {}
    for name, histories in (("kernel, full entries", plain), ("kernel, full entries and tiles", busy)):
        figures[name] = {rows: median(computing(entries[:rows], *histories)) for rows in (1, 8, BATCH)}
    stores: dict[str, FeatureStore] = {
        "memory store": MemoryFeatureStore(),
        "redis store": RedisFeatureStore(ServerCommands(client)),
    }
    for name, store in stores.items():
        for first in range(0, 20_000, BATCH):
            store.observe(transactions[first : first + BATCH])
        figures[name] = {rows: median(cycling(store, transactions[20_000:], rows)) for rows in (1, 8, BATCH)}
    forget(client)
    rows = np.arange(len(table) - 20_000, len(table))
    started = time.perf_counter()
    compute_features(table, rows)
    figures["offline, per row"] = {1: round((time.perf_counter() - started) / len(rows) * 1e6, 1)}
    return figures


def redis_cpu(client: "redis.Redis", *, entities: int = 64, rounds: int = 200) -> Figures:
    """Returns what new payments of entities with full histories cost, without and with labels on what is folded."""
    store = RedisFeatureStore(ServerCommands(client))
    figures: Figures = {}
    for name, labelled in (("no labels", False), ("every payment labelled", True)):
        states = full_states(labelled=labelled)
        store.load(
            EntityState(state.kind, f"{state.kind}-{number}", state.history)
            for state in states
            for number in range(entities)
        )
        at = START + 40 * DAY_SECONDS
        payments = [
            payment(f"new-{number}", at + number, f"customer-{number % entities}", f"terminal-{number * 7 % entities}")
            for number in range(rounds * BATCH)
        ]
        client.config_resetstat()
        before = cpu_seconds(client)
        for first in range(0, len(payments), BATCH):
            store.observe(payments[first : first + BATCH])
        spent = cpu_seconds(client) - before
        scripts = client.info("commandstats")["cmdstat_evalsha"]["usec"]  # type: ignore[index]
        figures[name] = {
            "all": round(spent / len(payments) * 1e6, 1),
            "in scripts": round(scripts / len(payments), 1),
        }
        forget(client)
    return figures


def memory(client: "redis.Redis", number: int, states: Iterator[EntityState]) -> Figures:
    """Returns bytes per entity with `number` of each kind in the store, the given states repeated under other names."""
    by_kind: dict[EntityKind, list[bytes]] = {kind: [] for kind in KINDS}
    for state in states:
        by_kind[state.kind].append(state.history)
    store = RedisFeatureStore(ServerCommands(client))
    figures: Figures = {}
    for kind, histories in by_kind.items():
        before = used_bytes(client)
        names = (f"{kind}-{place:08d}" for place in range(number))
        store.load(EntityState(kind, name, histories[place % len(histories)]) for place, name in enumerate(names))
        sample = [entity_key(kind, f"{kind}-{place:08d}") for place in range(0, number, max(1, number // 5_000))]
        with client.pipeline(transaction=False) as pipeline:
            for key in sample:
                pipeline.memory_usage(key)
            sizes = pipeline.execute()
        figures[kind] = {
            "number": number,
            "mean": round((used_bytes(client) - before) / number),
            "largest": max(sizes),
            "median": round(statistics.median(sizes)),
        }
        forget(client)
    return figures


def lived_states() -> Iterator[EntityState]:
    """Yields what 60 days of some thousand simulated customers and terminals leave behind."""
    yield from entity_states(simulate(customers=2_000, terminals=4_000, days=60, seed=1, label_delay_days=7.0))


def full_states(*, labelled: bool) -> list[EntityState]:
    """Returns a customer and a terminal with 40 days of payments every hour; labels come a day later."""
    store = MemoryFeatureStore()
    hourly = [payment(f"p{hour}", START + hour * HOUR_SECONDS, "c", "t") for hour in range(40 * 24)]
    newest = [payment(f"q{second}", START + 40 * DAY_SECONDS - 100 + second, "c", "t") for second in range(100)]
    for item in hourly + newest:
        store.observe([item])
        if labelled:
            store.apply_labels([AppliedLabel(item.transaction_id, "c", "t", False, item.epoch_seconds + DAY_SECONDS)])
    return [EntityState(kind, kind[0], store.state(kind, kind[0])) for kind in KINDS]


def plain_histories() -> tuple[bytes, bytes]:
    """Returns the histories of a customer and a terminal that are full but for their tiles."""
    histories = []
    for place, kind in enumerate(KINDS):
        payments = [payment(f"p{number}", START + number, "c", "t") for number in range(SHAPES.of(kind).newest)]
        histories.append(History(entries=b"".join(encode(item)[place] for item in payments)).pack())
    return histories[0], histories[1]


def payment(name: str, at: int, customer: str, terminal: str) -> Transaction:
    return Transaction(
        transaction_id=name,
        timestamp=float(at),
        customer_id=customer,
        terminal_id=terminal,
        amount="12.34",
        currency="EUR",
        channel="pos",
        country="DE",
        device_id="d1",
    )


def computing(entries: list[bytes], customer: bytes, terminal: bytes) -> Callable[[], object]:
    return lambda: compute_online(entries, [customer] * len(entries), [terminal] * len(entries))


def cycling(store: FeatureStore, transactions: list[Transaction], rows: int) -> Callable[[], object]:
    places = iter(range(0, 10**9, rows))

    def observe() -> object:
        position = next(islice(places, 1)) % (len(transactions) - rows)
        return store.observe(transactions[position : position + rows])

    return observe


def median(call: Callable[[], object], *, repeats: int = 300) -> int:
    """Returns microseconds."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return round(statistics.median(times) * 1e6)


def cpu_seconds(client: "redis.Redis") -> float:
    info: Any = client.info("cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"])


def used_bytes(client: "redis.Redis") -> int:
    info: Any = client.info("memory")
    return int(info["used_memory"])


def forget(client: "redis.Redis") -> None:
    for kind in KINDS:
        keys = list(client.scan_iter(f"shrike:{kind}:*", count=10_000))
        for first in range(0, len(keys), 10_000):
            client.delete(*keys[first : first + 10_000])


def as_text(figures: Figures) -> str:
    """Returns the figures as lines, one per innermost table."""
    lines = []
    for title, tables in figures.items():
        lines.append(title.replace("_", " "))
        for name, values in tables.items():
            nested = values if all(isinstance(value, dict) for value in values.values()) else {"": values}
            for part, row in nested.items():
                cells = ", ".join(f"{label} {value:,}" for label, value in row.items())
                lines.append(f"  {f'{name}, {part}' if part else name}: {cells}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
