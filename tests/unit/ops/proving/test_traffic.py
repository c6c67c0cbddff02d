import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ops.client import Client, NoAnswerError
from ops.processes.ports import free_port
from ops.proving.traffic import Shot, fire, percentile
from security.signatures.client_keys import shared_key
from security.signatures.request_signatures import SignatureForm, SignatureVerifier

KEY = b"k" * 31 + b"-"


class Recorder(BaseHTTPRequestHandler):
    """Answers every request after a pause and remembers what it was sent."""

    protocol_version = "HTTP/1.1"
    pause_seconds = 0.0
    refusals = 0
    seen: list[tuple[str, dict[str, str], bytes, int]] = []  # noqa: RUF012 - cleared by the fixture

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, dict(self.headers.items()), body, self.client_address[1]))
        time.sleep(self.pause_seconds)
        Recorder.refusals, is_busy = max(0, self.refusals - 1), self.refusals > 0
        self.send_response(503 if is_busy else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_GET(self) -> None:
        self.headers["Content-Length"] = "0"
        self.do_POST()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server_url() -> Iterator[str]:
    Recorder.seen.clear()
    Recorder.pause_seconds, Recorder.refusals = 0.0, 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def make_client(url: str) -> Client:
    return Client(url, hmac_key=KEY, token="token")


def test_a_signed_request_passes_the_verifier(server_url: str) -> None:
    with make_client(server_url) as client:
        client.post("/predictions/score?x=1", {"a": 1})
    path, headers, body, _ = Recorder.seen[0]
    verified = SignatureVerifier(shared_key(KEY)).verify(
        method="POST",
        path=path,
        timestamp_header=headers["X-Request-Timestamp"],
        signature_header=headers["X-Request-Signature"],
        body=body,
    )
    assert verified.form is SignatureForm.HEADER
    assert headers["Authorization"] == "Bearer token"


def test_equal_requests_in_one_second_get_different_signatures(server_url: str) -> None:
    with make_client(server_url) as client:
        for _ in range(5):
            client.get("/explanations/a")
    assert len({headers["X-Request-Signature"] for _, headers, _, _ in Recorder.seen}) == 5


def test_a_client_keeps_its_connection(server_url: str) -> None:
    with make_client(server_url) as client:
        for _ in range(3):
            assert client.get("/a").is_ok
    assert len({port for *_, port in Recorder.seen}) == 1


def test_an_absent_server_is_one_sentence() -> None:
    with make_client(f"http://127.0.0.1:{free_port()}") as client, pytest.raises(NoAnswerError, match="no answer"):
        client.get("/a")


def test_requests_leave_on_time_although_answers_are_late(server_url: str) -> None:
    Recorder.pause_seconds = 0.2
    shots = [Shot("valid", "/a", str(number).encode()) for number in range(20)]
    start = time.monotonic()
    outcomes = fire(shots, rate=100, make_client=lambda: make_client(server_url))
    # One after the other they would take 4 s; sent on time they take 0.2 s plus the answer's 0.2 s.
    assert time.monotonic() - start < 3.8
    assert [outcome.shot for outcome in outcomes] == shots
    assert all(outcome.answer is not None and outcome.answer.is_ok for outcome in outcomes)


def test_latency_counts_from_the_intended_moment(server_url: str) -> None:
    Recorder.pause_seconds = 0.1
    shots = [Shot("valid", "/a", str(number).encode()) for number in range(4)]
    outcomes = fire(shots, rate=1000, make_client=lambda: make_client(server_url), senders=1)
    # The only sender is busy for 0.1 s a request, so the fourth has waited for three others.
    assert outcomes[-1].latency_seconds > 0.39


def test_an_unsigned_shot_carries_no_signature(server_url: str) -> None:
    fire([Shot("unsigned", "/a", b"{}", is_signed=False)], rate=10, make_client=lambda: make_client(server_url))
    assert "X-Request-Signature" not in Recorder.seen[0][1]


def test_shots_with_equal_body_and_time_are_a_replay(server_url: str) -> None:
    shot = Shot("valid", "/a", b"{}", timestamp=1_700_000_000)
    fire([shot, shot], rate=100, make_client=lambda: make_client(server_url))
    first, second = (headers["X-Request-Signature"] for _, headers, _, _ in Recorder.seen)
    assert first == second


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (1.0, 100.0)])
def test_percentile_is_the_nearest_rank(share: float, value: float) -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], share) == value
