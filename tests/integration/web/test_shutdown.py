"""What a stop of the API leaves to its clients: every request it took is answered."""

import os
import signal
import threading
from pathlib import Path

from ops.client import NoAnswerError
from tests.integration.web.conftest import RunningApi, running_api
from tests.integration.web.requests import SCORE, transaction
from tests.integration.workers.conftest import RunningWorker, Works, wait_until

_CLIENTS = 40  # more than one message holds: some are in flight, the others wait for the next


def under_way(api: RunningApi) -> int:
    """Returns the connections to the API on which a request was sent and read."""
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    # Columns: local address, remote address, state (01 is established), bytes not sent and not read.
    unread = [line[4].rpartition(":")[2] for line in lines if line[1].endswith(f":{api.port:04X}") and line[3] == "01"]
    return len(unread) if set(unread) == {"00000000"} else 0


def test_at_a_stop_every_request_under_way_is_answered(works: Works, score_worker: RunningWorker) -> None:
    statuses: list[int] = []

    def send() -> None:
        with api.client(timeout_seconds=20) as client:
            statuses.append(client.post(SCORE, transaction()).status)

    with running_api(works, SCORE_TIMEOUT_MS="10000") as api:
        with api.client() as client:
            assert client.post(SCORE, transaction()).status == 200
        os.kill(score_worker.pid, signal.SIGSTOP)
        try:
            clients = [threading.Thread(target=send) for _ in range(_CLIENTS)]
            for thread in clients:
                thread.start()
            wait_until(lambda: under_way(api) >= _CLIENTS, what="every request to be read")
            api.process.send_signal(signal.SIGTERM)
            wait_until(lambda: api.status("/health/live") == 0, what="new connections to be refused")
        finally:
            os.kill(score_worker.pid, signal.SIGCONT)
        for thread in clients:
            thread.join(20)
        assert statuses == [200] * _CLIENTS
        assert api.process.wait(20) == 0


def test_a_stop_under_load_loses_no_request_that_was_taken(works: Works, score_worker: RunningWorker) -> None:
    """Clients count what they were answered, the API what it took; a request to a closed connection was not taken."""
    answered: list[int] = []
    stopped = threading.Event()

    def send() -> None:
        with api.client() as client:
            while not stopped.is_set():
                try:
                    answered.append(client.post(SCORE, transaction()).status)
                except NoAnswerError:
                    return

    assert score_worker.pid
    with running_api(works, SCORE_TIMEOUT_MS="10000") as api:
        clients = [threading.Thread(target=send) for _ in range(16)]
        for thread in clients:
            thread.start()
        wait_until(lambda: len(answered) >= 100, what="some traffic")
        api.process.send_signal(signal.SIGTERM)
        for thread in clients:
            thread.join(30)
        stopped.set()
        assert not any(thread.is_alive() for thread in clients)
        assert api.process.wait(20) == 0
        assert set(answered) == {200}
        taken = api.log.read_text().count(f'"message":"POST {SCORE} ')
        assert taken == len(answered)
