import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ops.commands.requests.request import command
from ops.credentials.development_keys import make_development_keys


class Api(HTTPServer):
    """Answers every request with what it was."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Echo)
        self.status = 200
        self.seen: list[dict] = []


class _Echo(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        seen = {
            "method": self.command,
            "path": self.path,
            "body": self.rfile.read(length).decode(),
            "signed": "X-Request-Signature" in self.headers,
            "token": self.headers["Authorization"].startswith("Bearer "),
        }
        self.server.seen.append(seen)
        content = json.dumps(seen).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 - the base class looks for this name

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    thread = threading.Thread(target=api.serve_forever)
    thread.start()
    yield api
    api.shutdown()
    thread.join()
    api.server_close()


@pytest.fixture(autouse=True)
def _keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_development_keys(tmp_path / "var" / "keys", replace=False)


def send(api: Api, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--url", f"http://127.0.0.1:{api.server_port}"])


def test_sends_a_signed_request_and_prints_the_answer(api: Api) -> None:
    result = send(api, "POST", "/predictions/score", "--data", '{"a": 1}')
    assert result.exit_code == 0
    assert json.loads(result.output) == api.seen[0]
    assert api.seen[0] == {
        "method": "POST",
        "path": "/predictions/score",
        "body": '{"a": 1}',
        "signed": True,
        "token": True,
    }


def test_reads_the_body_from_a_file(api: Api, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text("{}")
    assert send(api, "POST", "/labels", "--data", "@body.json").exit_code == 0
    assert api.seen[0]["body"] == "{}"


def test_a_refusal_is_printed_and_makes_the_exit_code(api: Api) -> None:
    api.status = 403
    result = send(api, "GET", "/admin/queues", "--include")
    assert result.exit_code == 1
    assert result.output.startswith("403\n")


def test_a_path_without_a_slash_is_refused(api: Api) -> None:
    result = send(api, "GET", "admin")
    assert result.exit_code == 2
    assert "PATH starts with a slash." in result.output


def test_without_a_stack_and_a_named_api_nothing_is_sent() -> None:
    result = CliRunner().invoke(command, ["GET", "/admin/queues"])
    assert result.exit_code == 1
    assert "No stack runs in var, and no API is named" in str(result.exception)
