"""A worker that is alive and connected but takes no messages."""

import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from ml.domain.transaction import Transaction
from ml.stores.outbox.keys_redis import OUTBOX
from tests.integration.workers.conftest import Works, wait_until
from workers.health.probe_line_redis import REPLACED
from workers.health.watch import STUCK_EXIT_CODE


class HalfOpenProxy:
    """Forwards connections; those there are can be left half open, silent in both directions, while new ones work."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._silenced: set[socket.socket] = set()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def silence_present_connections(self) -> None:
        self._silenced.update(self._open)

    def close(self) -> None:
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._open += [near, far]
            threading.Thread(target=self._forward, args=(near, far), daemon=True).start()

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        other = {near: far, far: near}
        while near not in self._silenced:
            try:
                readable, _, _ = select.select([near, far], [], [], 0.1)
                for end in readable:
                    data = end.recv(65536)
                    if near in self._silenced:
                        return  # both ends stay open, and nobody reads them
                    if not data:
                        raise ConnectionError
                    other[end].sendall(data)
            except (OSError, ValueError):
                near.close()
                far.close()
                return


@pytest.fixture
def proxy(works: Works) -> Iterator[HalfOpenProxy]:
    parts = urlsplit(works.settings.redis_url)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = HalfOpenProxy((parts.hostname, parts.port))
    yield proxy
    proxy.close()


def test_a_worker_on_a_half_open_connection_ends_itself_and_a_healthy_one_is_left_alone(
    works: Works, proxy: HalfOpenProxy, make_transaction: Callable[..., Transaction]
) -> None:
    database = urlsplit(works.settings.redis_url).path
    through = {"BROKER_URL": f"redis://127.0.0.1:{proxy.port}{database}"}
    # Longer than the test: nothing but the watchdog finds out.
    blind = {"REDIS_SOCKET_TIMEOUT_SECONDS": "300", "WATCHDOG_SECONDS": "0.5", "WATCHDOG_PATIENCE_SECONDS": "3"}
    victim_home = Works(works.folder, works.env | through | blind, works.settings)
    works.client.delete(REPLACED)
    # The two even share a node name: an answer of the one could hide that the other is frozen.
    with works.worker("score") as healthy, victim_home.worker("score") as victim:
        wait_until(lambda: victim.metric("worker_probe_seconds") > 0, what="an answered probe")
        assert victim.metric('celery_worker_up{queue="score"}') == 1
        proxy.silence_present_connections()
        assert victim.get("/health/live")[0] == 200
        ended = os.waitid(os.P_PID, victim.pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        assert ended.si_status == STUCK_EXIT_CODE
        assert "takes no messages any more" in victim.log.read_text()
        assert works.client.hget(REPLACED, "score") == b"1"
        assert healthy.get("/health/live")[0] == 200
        assert works.score(make_transaction())[0]["status"] == "scored"


def test_a_probe_leaves_no_trace_among_decisions(works: Works) -> None:
    def traces() -> set[bytes]:
        kinds = ("customer", "terminal", "decision", "answered")
        return {key for kind in kinds for key in works.client.scan_iter(f"shrike:{kind}:*")}

    entries, before = works.client.xlen(OUTBOX), traces()
    often = Works(works.folder, works.env | {"WATCHDOG_SECONDS": "0.1"}, works.settings)
    with often.worker("score") as worker:

        def answered() -> float:
            return worker.metric('celery_task_total{state="success",task="worker.probe"}')

        wait_until(lambda: answered() >= 3, what="some probes")
        assert worker.metric("model_decisions_total") == 0
        assert worker.metric("fraud_inference_requests_total") == 0
        assert worker.metric("fraud_inference_request_latency_seconds_count") == 0
        assert worker.metric('celery_queue_wait_seconds_count{queue="score"}') == 0
    assert works.client.xlen(OUTBOX) == entries
    assert traces() <= before
