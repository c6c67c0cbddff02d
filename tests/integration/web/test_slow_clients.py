"""Clients that send a byte a second, or read none: they are cut off in time, and the others do not notice."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from security.roles import Role
from tests.integration.web.conftest import RunningApi, running_api
from tests.integration.web.requests import SCORE, post_head, raw, transaction
from tests.integration.workers.conftest import RunningWorker, Works, wait_until

TIMEOUT_SECONDS = 2
SLOW_CLIENTS = 200


@pytest.fixture(scope="module")
def hurried_api(works: Works) -> Iterator[RunningApi]:
    """The API in one process that waits two seconds for a client."""
    changes = {"REQUEST_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS), "SCORE_TIMEOUT_MS": "5000"}
    with running_api(works, **changes) as running:
        yield running


def test_two_hundred_slow_clients_are_cut_off_while_others_are_served(
    hurried_api: RunningApi, score_worker: RunningWorker
) -> None:
    assert score_worker.pid
    with ExitStack() as open_connections:
        client = open_connections.enter_context(hurried_api.client(Role.SERVICE))
        slow = [
            open_connections.enter_context(socket.create_connection(("127.0.0.1", hurried_api.port), timeout=30))
            for _ in range(SLOW_CLIENTS)
        ]
        body = post_head(hurried_api, b"", Content_Length="1000")
        for number, connection in enumerate(slow):
            connection.sendall(body if number % 2 else b"POST /predictions/score HTTP/1.1\r\nHost: x\r\n")
        served = 0
        started = time.monotonic()
        # A byte each second keeps every single read within any limit; the whole takes too long all the same.
        while time.monotonic() < started + 3 * TIMEOUT_SECONDS:
            for number, connection in enumerate(slow):
                _send_quietly(connection, b" " if number % 2 else b"A")
            for _ in range(5):
                served += client.post(SCORE, transaction()).status == 200
            time.sleep(0.5)
        assert served >= 5 * 3
        ends = [_answer_until_the_end(connection) for connection in slow]
    assert all(end is not None for end in ends)
    bodies = [end for end in ends[1::2] if end]
    assert all(end.startswith(b"HTTP/1.1 408 ") for end in bodies)
    assert hurried_api.status("/health/live") == 200


def _send_quietly(connection: socket.socket, data: bytes) -> None:
    try:
        connection.sendall(data)
    except OSError:
        return  # it was cut off


def _answer_until_the_end(connection: socket.socket) -> bytes | None:
    """Returns what came back, None if the server keeps the connection open."""
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except TimeoutError:
        return None
    except OSError:
        return received
    return received


def test_a_body_that_does_not_come_is_answered_in_time(hurried_api: RunningApi) -> None:
    for head in (
        post_head(hurried_api, b"", Content_Length="1000"),
        post_head(hurried_api, b"", Content_Length="9999999999"),
        post_head(hurried_api, b"", Transfer_Encoding="chunked"),
    ):
        started = time.monotonic()
        answer = raw(hurried_api, head, b"{")
        assert answer.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 413 "))
        assert time.monotonic() - started < 15 * TIMEOUT_SECONDS


def test_a_client_that_takes_no_answers_is_cut_off(hurried_api: RunningApi) -> None:
    ask = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", hurried_api.port))
        connection.sendall(ask * 200)
        wait_until(
            lambda: "did not take its answer in time" in hurried_api.log.read_text(), what="the end of the connection"
        )
    assert hurried_api.status("/health/live") == 200
