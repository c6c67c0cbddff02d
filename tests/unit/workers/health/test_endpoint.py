from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from workers.health.endpoint import Endpoint


class Worker:
    def __init__(self) -> None:
        self.is_ready = False
        self.endpoint = Endpoint("127.0.0.1", 0, is_ready=lambda: self.is_ready)

    def get(self, path: str) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.endpoint.port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    worker.endpoint.start()
    yield worker
    worker.endpoint.stop()


def test_is_live_at_once_and_ready_when_the_worker_says_so(worker: Worker) -> None:
    assert worker.get("/health/live")[0] == 200
    assert worker.get("/health/ready")[0] == 503
    worker.is_ready = True
    assert worker.get("/health/ready")[0] == 200


def test_serves_metrics(worker: Worker) -> None:
    status, body = worker.get("/metrics")
    assert status == 200
    assert b"celery_queue_wait_seconds" in body


def test_knows_nothing_else(worker: Worker) -> None:
    assert worker.get("/")[0] == 404


def test_a_taken_port_is_an_error(worker: Worker) -> None:
    with pytest.raises(OSError, match="in use"):
        Endpoint("127.0.0.1", worker.endpoint.port, is_ready=lambda: True)
