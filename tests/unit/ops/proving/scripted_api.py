"""A server on loopback that answers as a test says, for the tools that send test traffic."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

READY = {"status": "ready", "checks": {"broker": {"ok": True, "detail": "reachable"}}, "environment": "development"}


def approve(transaction: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Answers with a decision."""
    return 200, {"transaction_id": transaction["transaction_id"], "decision": "approve", "score": 0.01}


class ScriptedApi(ThreadingHTTPServer):
    """Attributes: what it answers, and the requests that it has seen, each a transaction with its headers."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.readiness: Any = READY
        self.answer: Callable[[dict[str, Any]], tuple[int, dict[str, Any]]] = approve
        self.closes = False
        self.seen: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(200, self.server.readiness)

    def do_POST(self) -> None:
        transaction = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        self.server.seen.append({"path": self.path, "headers": dict(self.headers), **transaction})
        self._send(*self.server.answer(transaction))

    def _send(self, status: int, content: Any) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        # As a server does whose patience with an idle connection ends: without a word beforehand.
        self.close_connection = self.server.closes

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def scripted_api() -> Iterator[ScriptedApi]:
    """Yields a server for the length of a block."""
    with ScriptedApi() as api:
        thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield api
        finally:
            api.shutdown()
            thread.join()
