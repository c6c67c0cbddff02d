import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from security.errors import KeyUnusableError
from security.tokens import jwks_origins
from security.tokens.jwks import MAX_DOCUMENT_BYTES
from security.tokens.jwks_origins import JwksFile, JwksUrl


class Server(ThreadingHTTPServer):
    """Answers every request with what the test wrote into it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status, self.body, self.headers = 200, b"{}", dict[str, str]()
        self.paths: list[str] = []
        self.stopped = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/jwks.json?a=1"


class _Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.server.body is Drops:
            while not self.server.stopped.wait(0.01):
                try:
                    self.wfile.write(b" ")
                except OSError:
                    return
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


Drops = b"drops"
"""A body that never ends, a byte at a time."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.stopped.set()
        server.shutdown()
        thread.join()


def test_returns_what_the_url_answers(server: Server) -> None:
    server.body = b'{"keys": []}'
    assert JwksUrl(server.url)() == b'{"keys": []}'
    assert server.paths == ["/jwks.json?a=1"]


@pytest.mark.parametrize("status", [204, 301, 302, 304, 404, 500])
def test_any_other_status_is_a_failure_and_no_redirect_is_followed(server: Server, status: int) -> None:
    server.status, server.headers, server.body = status, {"Location": "/elsewhere"}, b""
    with pytest.raises(KeyUnusableError, match=str(status)):
        JwksUrl(server.url)()
    assert len(server.paths) == 1


def test_an_endless_answer_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.body = b" " * (MAX_DOCUMENT_BYTES + 1)
    with pytest.raises(KeyUnusableError, match="more than"):
        JwksUrl(server.url)()
    server.body = Drops
    monkeypatch.setattr(jwks_origins, "_WHOLE_TIMEOUT_SECONDS", 0.1)
    with pytest.raises(KeyUnusableError, match="longer than"):
        JwksUrl(server.url)()


def test_a_server_that_is_not_there_is_a_failure() -> None:
    with pytest.raises(KeyUnusableError, match="ConnectionRefusedError"):
        JwksUrl("http://127.0.0.1:1/")()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b", "https://", "//host/a", "https://u:p@host/a", "a"])
def test_what_is_no_web_address_stops_the_start(url: str) -> None:
    with pytest.raises(KeyUnusableError, match="JWT_JWKS_URL"):
        JwksUrl(url)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusableError, match=r"none\.json cannot be read"):
        JwksFile(tmp_path / "none.json")()
    for content in (None, b"no certificate"):
        ca_file = tmp_path / "ca.pem"
        if content is not None:
            ca_file.write_bytes(content)
        with pytest.raises(KeyUnusableError, match="JWT_JWKS_CA_FILE"):
            JwksUrl("https://host/a", ca_file=ca_file)
