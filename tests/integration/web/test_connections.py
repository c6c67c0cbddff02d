"""Connections and bodies: how long they are kept, what they may cost, and how a stop is announced."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import orjson
import pytest

from ops.processes.spawn import spawn, stop
from security.roles import Role
from tests.integration.web.conftest import RunningApi, running_api
from tests.integration.web.requests import post_head, raw
from tests.integration.workers.conftest import Works, wait_until

ONE_BYTE = b"1\r\n \r\n"
END = b"0\r\n\r\n"
ANONYMOUS = b"Host: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def patient_api(works: Works) -> Iterator[RunningApi]:
    """The API in one process, where a request has a second and a connection may rest for a minute."""
    changes = {"REQUEST_TIMEOUT_SECONDS": "1", "WEB_KEEPALIVE_SECONDS": "60", "WEB_DRAIN_SECONDS": "60"}
    with running_api(works, **changes, SCORE_TIMEOUT_MS="5000") as running:
        yield running


def cpu_seconds(api: RunningApi) -> float:
    """Returns the CPU time of the API's worker processes so far."""
    children = _children(str(api.process.pid))
    seconds = 0.0
    for child in children + [grandchild for parent in children for grandchild in _children(parent)]:
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def _children(process_id: str) -> list[str]:
    return Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()


def test_a_connection_rests_longer_than_a_request_may_take(patient_api: RunningApi) -> None:
    connection = patient_api.connect()
    for _ in range(3):
        connection.request("GET", "/health/live")
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, answer.getheader("Connection")) == (200, "keep-alive")
        first = connection.sock
        time.sleep(2.5)
    assert connection.sock is first  # http.client would have opened another one
    connection.close()


@pytest.mark.parametrize("path", [b"/predictions/score", b"/predictions/score/batch", b"/nope", b"/health/live"])
def test_nobody_without_a_token_buys_work_with_tiny_chunks(patient_api: RunningApi, path: bytes) -> None:
    """Read chunk by chunk, each of these uploads would cost five seconds of CPU and more."""
    before = cpu_seconds(patient_api)
    head, _, body = raw(patient_api, b"POST " + path + b" HTTP/1.1\r\n" + ANONYMOUS, ONE_BYTE * 200_000, END).partition(
        b"\r\n\r\n"
    )
    assert head.split(b" ")[1] in {b"401", b"404", b"405"}
    assert b"Connection: close" in head
    assert orjson.loads(body)["title"]
    assert cpu_seconds(patient_api) - before < 2


def test_a_body_in_too_many_chunks_is_refused_with_a_sentence(patient_api: RunningApi) -> None:
    before = cpu_seconds(patient_api)
    head = post_head(patient_api, b" " * 50_000, Transfer_Encoding="chunked")
    answer = raw(patient_api, head, ONE_BYTE * 50_000, END)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert orjson.loads(answer.rpartition(b"\r\n\r\n")[2])["detail"].startswith("The body came in too many chunks;")
    assert cpu_seconds(patient_api) - before < 3


def test_a_body_in_some_hundred_small_chunks_is_read(patient_api: RunningApi) -> None:
    head = post_head(patient_api, b" " * 800, Transfer_Encoding="chunked")
    answer = raw(patient_api, head, ONE_BYTE * 800, END)
    assert orjson.loads(answer.rpartition(b"\r\n\r\n")[2])["type"] == "/docs#problem-malformed-json"


def test_a_small_body_left_unread_keeps_its_connection(patient_api: RunningApi) -> None:
    connection: HTTPConnection = patient_api.connect()
    for _ in range(2):
        connection.request("POST", "/predictions/score", body=b" " * 5000)
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, answer.getheader("Connection")) == (401, "keep-alive")
        first = connection.sock
    assert connection.sock is first
    connection.close()


CODINGS = [
    ("Transfer-Encoding: gzip, chunked", 501),
    ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 501),
    ("Transfer-Encoding: deflate, chunked", 501),
    ("Transfer-Encoding: compress,chunked", 501),
    ("Transfer-Encoding: identity, chunked", 501),
    ("Transfer-Encoding: br, chunked", 501),
    ("Transfer-Encoding: chunked, gzip", 400),
    ("Transfer-Encoding: gzip", 400),
    ("Transfer-Encoding: chunked, chunked", 400),
    ("Expect: a-miracle\r\nContent-Length: 1", 417),
]


@pytest.mark.parametrize(("header", "status"), CODINGS, ids=[header for header, _ in CODINGS])
def test_a_coding_that_would_not_be_undone_is_refused(patient_api: RunningApi, header: str, status: int) -> None:
    head = f"POST /labels HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode()
    answer = raw(patient_api, head, b"1\r\n{\r\n0\r\n\r\n")
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert orjson.loads(answer.rpartition(b"\r\n\r\n")[2])["status"] == status


def test_chunked_alone_is_read_in_any_case(patient_api: RunningApi) -> None:
    answer = raw(patient_api, post_head(patient_api, b" ", Transfer_Encoding="CHUNKED"), ONE_BYTE, END)
    assert b"malformed-json" in answer


@pytest.mark.parametrize("target", ["//admin/queues", "/%61dmin/queues", "/admin%2Fqueues", "/x/../admin/queues"])
def test_another_spelling_of_a_path_reaches_no_route(patient_api: RunningApi, target: str) -> None:
    with patient_api.client(Role.ADMIN) as client:
        assert client.get("/admin/queues").status == 200
        assert client.get(target).status == 404


def test_a_second_api_that_does_not_get_the_port_takes_no_metrics_away(works: Works, patient_api: RunningApi) -> None:
    folder = patient_api.settings.metrics_path
    files = {file.name for file in folder.glob("*.db")}
    assert files
    env = works.env | {"WEB_PORT": str(patient_api.port), "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    log = works.folder / "second-api.log"
    with log.open("wb") as output:
        second = spawn([sys.executable, "-m", "ops", "web"], env=os.environ | env, output=output)
    try:
        assert second.wait(120) != 0, log.read_text()
    finally:
        stop(second)
    assert {file.name for file in folder.glob("*.db")} >= files


def test_a_stop_is_announced_before_the_listener_closes(works: Works) -> None:
    """Balancers turn away while new connections are still served; an interrupt ends the wait."""
    with running_api(works, WEB_DRAIN_SECONDS="300") as api:
        kept = api.connect()
        kept.request("GET", "/health/live")
        kept.getresponse().read()
        api.process.send_signal(signal.SIGTERM)

        def serving() -> bool:
            with closing(api.connect()) as connection:
                connection.request("GET", "/health/ready")
                return bool(orjson.loads(connection.getresponse().read())["checks"]["serving"]["ok"])

        wait_until(lambda: not serving(), what="readiness to tell of the stop")
        assert api.status("/health/ready") == 503
        assert api.status("/health/live") == 200
        with closing(api.connect()) as connection:
            connection.request("GET", "/health/live")
            answer = connection.getresponse()
            answer.read()
            assert answer.getheader("Connection") == "close"
        api.process.send_signal(signal.SIGTERM)
        assert api.status("/health/live") == 200
        api.process.send_signal(signal.SIGINT)
        assert api.process.wait(30) == 0
        kept.close()
