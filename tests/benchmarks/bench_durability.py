"""Measures what waiting for the disk costs a commit: `python tests/benchmarks/bench_durability.py [--rounds 5]`.

Each round commits batches of 1 and of 32 decisions on four servers in turn: as answers are kept by default, with the
server writing at once, and as DURABILITY=aof-fsync keeps them on a server that writes at once or once a second. The
figure is the median over the rounds of each round's median, in milliseconds until the reply is on its list.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import orjson
import redis

from tests.seals import DECISION_SEAL, EVENT_SEAL

sys.path.insert(0, str(Path(__file__).parents[2]))

from ml.stores.decisions.decisions import DecisionStore, NewDecision, Reply
from ml.stores.decisions.decisions_fsynced_redis import RedisFsyncedDecisions
from ml.stores.decisions.decisions_redis import RedisDecisionStore
from ml.stores.redis.fsync_redis import RedisFsync
from ops.embedded.valkey import valkey

BATCHES = (1, 32)
COMMITS = 200
SLOW_COMMITS = 3
"""Of the way that takes up to a second each."""

EVENT_BYTES = 3_000
"""About the size of an outbox event of a real decision."""


@dataclass(frozen=True)
class Way:
    """One way to keep answers."""

    name: str
    appendfsync: str
    waits: bool

    @property
    def commits(self) -> int:
        return SLOW_COMMITS if self.waits and self.appendfsync == "everysec" else COMMITS


WAYS = (
    Way("aof-everysec, appendfsync everysec (default)", "everysec", waits=False),
    Way("aof-everysec, appendfsync always", "always", waits=False),
    Way("aof-fsync, appendfsync always", "always", waits=True),
    Way("aof-fsync, appendfsync everysec", "everysec", waits=True),
)


def store(way: Way, client: "redis.Redis") -> DecisionStore:
    records = RedisDecisionStore(
        client, record_ttl_seconds=600, outbox_limit=10**9, seal=DECISION_SEAL, event_seal=EVENT_SEAL
    )
    return RedisFsyncedDecisions(records, client, RedisFsync(client, patience_seconds=4)) if way.waits else records


def batch(rows: int) -> list[NewDecision]:
    filler = orjson.dumps({"filler": "x" * EVENT_BYTES})
    decision, transaction = orjson.dumps({"filler": "x" * 900}), orjson.dumps({"filler": "x" * 300})
    return [NewDecision(uuid4().hex, "f" * 32, decision, transaction, filler) for _ in range(rows)]


def milliseconds(decisions: DecisionStore, rows: int, commits: int) -> Iterator[float]:
    for _ in range(commits):
        entries = batch(rows)
        started = time.perf_counter()
        decisions.commit(entries, Reply("shrike:reply:bench", "b", {}))
        yield (time.perf_counter() - started) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the servers keep their files: the disk that is measured")
    options = parser.parse_args()
    medians: dict[tuple[str, int], list[float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        clients = {}
        for appendfsync in ("everysec", "always"):
            (folder / appendfsync).mkdir()
            url = stack.enter_context(valkey(folder / appendfsync, appendfsync=appendfsync))
            clients[appendfsync] = stack.enter_context(redis.Redis.from_url(url))
        for _ in range(options.rounds):
            for way in WAYS:
                for rows in BATCHES:
                    client = clients[way.appendfsync]
                    took = list(milliseconds(store(way, client), rows, way.commits))
                    medians.setdefault((way.name, rows), []).append(statistics.median(took))
                    client.flushdb()
    print(f"{'way':<48}{'1 row, ms':>12}{'32 rows, ms':>14}")
    for way in WAYS:
        figures = [statistics.median(medians[way.name, rows]) for rows in BATCHES]
        print(f"{way.name:<48}{figures[0]:>12.2f}{figures[1]:>14.2f}")


if __name__ == "__main__":
    main()
