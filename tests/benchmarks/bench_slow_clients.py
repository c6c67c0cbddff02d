"""What 200 clients of a byte a second cost the others: `pytest -s tests/benchmarks/bench_slow_clients.py`.

One web process and one scoring worker; a client scores 50 transactions a second, alone and beside the slow ones in
turns. Latencies are from the moment a request is due.
"""

import socket
import statistics
import threading
import time
from contextlib import ExitStack

from security.roles import Role
from tests.integration.web.conftest import RunningApi, running_api, score_worker, works
from tests.integration.web.requests import SCORE, post_head, transaction
from tests.integration.workers.conftest import RunningWorker, Works

__all__ = ["score_worker", "works"]

SLOW_CLIENTS = 200
PER_SECOND = 50
ROUND_SECONDS = 12
ROUNDS = 3


def measure(api: RunningApi) -> list[float]:
    """Returns the latencies of one round, milliseconds."""
    latencies = []
    with api.client(Role.SERVICE) as client:
        started = time.monotonic()
        for number in range(PER_SECOND * ROUND_SECONDS):
            due = started + number / PER_SECOND
            time.sleep(max(0.0, due - time.monotonic()))
            assert client.post(SCORE, transaction()).status == 200
            latencies.append((time.monotonic() - due) * 1000)
    return latencies


def besiege(api: RunningApi, over: threading.Event) -> None:
    """Keeps 200 connections open that send a byte a second; one that is cut off comes again."""
    head = post_head(api, b"", Content_Length="1000")
    with ExitStack() as closing:
        slow: list[socket.socket | None] = [None] * SLOW_CLIENTS
        while not over.wait(1.0):
            for number, known in enumerate(slow):
                try:
                    connection = known or closing.enter_context(socket.create_connection(("127.0.0.1", api.port), 5))
                    slow[number] = connection
                    if known is None:
                        connection.sendall(head if number % 2 else b"GET /health/live HTTP/1.1\r\nHost: x\r\nA: ")
                    connection.sendall(b" " if number % 2 else b"a")
                except OSError:
                    slow[number] = None


def percentiles(latencies: list[float]) -> str:
    """Returns p50, p95 and p99."""
    cuts = statistics.quantiles(latencies, n=100)
    return f"p50 {cuts[49]:.1f}  p95 {cuts[94]:.1f}  p99 {cuts[98]:.1f} ms"


def test_slow_clients(works: Works, score_worker: RunningWorker) -> None:
    assert score_worker.pid
    alone: list[float] = []
    beside: list[float] = []
    with running_api(works, SCORE_TIMEOUT_MS="5000") as api:
        measure(api)
        for _ in range(ROUNDS):
            alone += measure(api)
            over = threading.Event()
            siege = threading.Thread(target=besiege, args=(api, over))
            siege.start()
            time.sleep(2)
            beside += measure(api)
            over.set()
            siege.join()
    print(f"\nalone                  {percentiles(alone)}\nbeside {SLOW_CLIENTS} slow clients {percentiles(beside)}")
