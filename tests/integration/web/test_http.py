import socket

import orjson
import pytest

from tests.integration.web.conftest import RunningApi
from tests.integration.web.requests import post_head, raw

BROKEN: list[tuple[str, bytes, int]] = [
    ("no HTTP", b"hello\r\n\r\n", 400),
    ("lower-case method", b"get /health/live HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("underscore in a header", b"GET /health/live HTTP/1.1\r\nHost: x\r\nX_A: 1\r\n\r\n", 400),
    ("folded header", b"GET /health/live HTTP/1.1\r\nHost: x\r\nA: 1\r\n 2\r\n\r\n", 400),
    ("space before colon", b"GET /health/live HTTP/1.1\r\nHost: x\r\nA : 1\r\n\r\n", 400),
    ("two lengths", b"POST /labels HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12", 400),
    ("signed length", b"POST /labels HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n1", 400),
    ("long line", b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    ("long header", b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 9000 + b"\r\n\r\n", 431),
    ("many headers", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"A%d: 1\r\n" % n for n in range(90)) + b"\r\n", 431),
]


@pytest.mark.parametrize(("request_bytes", "status"), [pair[1:] for pair in BROKEN], ids=[pair[0] for pair in BROKEN])
def test_broken_http_is_answered_with_a_problem(api: RunningApi, request_bytes: bytes, status: int) -> None:
    head, _, body = raw(api, request_bytes).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), head
    assert b"application/problem+json" in head
    assert orjson.loads(body)["status"] == status
    assert b"gunicorn" not in head + body


def test_no_answer_names_its_server(api: RunningApi) -> None:
    for path in (b"/health/live", b"/nope"):
        answer = raw(api, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"\r\nServer:" not in answer
        assert b"nosniff" in answer


def test_a_chunked_body_over_the_limit_is_too_large(api: RunningApi) -> None:
    part = b"1000\r\n" + b" " * 4096 + b"\r\n"
    answer = raw(api, post_head(api, b"", Transfer_Encoding="chunked") + part * 17 + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_of_exactly_the_limit_is_read(api: RunningApi) -> None:
    for extra, status in ((0, b"400"), (1, b"413"), (500_000, b"413")):
        body = b" " * (64 * 1024 + extra)
        answer = raw(api, post_head(api, body, Content_Length=str(len(body))) + body)
        assert answer.split(b" ", 2)[1] == status


@pytest.mark.parametrize("chunks", [b"zz\r\n1\r\n", b"5\r\nab", b"1\r\nabc\r\n0\r\n\r\n", b"-1\r\n\r\n"])
def test_broken_chunks_are_a_client_error(api: RunningApi, chunks: bytes) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=15) as connection:
        connection.sendall(post_head(api, b"", Transfer_Encoding="chunked") + chunks)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer


def test_a_client_that_leaves_in_the_middle_of_its_body_hurts_nobody(api: RunningApi) -> None:
    before = api.log.read_text().count("Traceback")
    with socket.create_connection(("127.0.0.1", api.port), timeout=15) as connection:
        connection.sendall(post_head(api, b"", Content_Length="1000") + b"{")
    assert api.status("/health/live") == 200
    assert api.log.read_text().count("Traceback") == before
