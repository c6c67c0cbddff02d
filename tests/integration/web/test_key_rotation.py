"""Token keys are replaced while gunicorn runs: behind a URL, and in a file."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tests.integration.web.conftest import RunningApi, running_api
from tests.integration.workers.conftest import Works, wait_until

KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("old", "new", "stranger")}


def jwks(*names: str) -> bytes:
    entries = [ECAlgorithm.to_jwk(KEYS[name].public_key(), as_dict=True) | {"kid": name} for name in names]
    return json.dumps({"keys": entries}).encode()


class Provider(ThreadingHTTPServer):
    """An identity provider's key set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _KeySet)
        self.document = jwks("old")
        self.readings = 0
        self.is_down = False


class _KeySet(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        self.server.readings += 1
        self.send_response(503 if self.server.is_down else 200)
        self.end_headers()
        self.wfile.write(self.server.document)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        thread = threading.Thread(target=provider.serve_forever)
        thread.start()
        yield provider
        provider.shutdown()
        thread.join()


def token(signer: str, *, key_id: str | None = None) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {"iss": "shrike", "aud": "shrike-api", "sub": "scraper", "jti": uuid4().hex}
    claims |= {"iat": now, "exp": now + 600, "roles": ["admin"]}
    return jwt.encode(claims, KEYS[signer], algorithm="ES256", headers={"kid": key_id or signer})


def status(api: RunningApi, bearer: str) -> int:
    connection = api.connect()
    try:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {bearer}"})
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_key_set_behind_a_url_is_followed_without_a_restart(works: Works, provider: Provider) -> None:
    url = f"http://127.0.0.1:{provider.server_port}/jwks.json"
    changes = {"JWT_ALGORITHM": "ES256", "JWT_JWKS_URL": url, "JWT_JWKS_REFRESH_SECONDS": "2"}
    with running_api(works, **changes) as api:
        old = token("old")
        wait_until(lambda: status(api, old) == 200, seconds=10, what="the first reading")
        assert status(api, token("stranger", key_id="old")) == 401
        provider.document = jwks("old", "new")
        wait_until(lambda: status(api, token("new")) == 200, seconds=10, what="the new key")
        assert status(api, old) == 200  # both live, and what was verified is remembered anew
        provider.document = jwks("new")
        wait_until(lambda: status(api, old) == 401, seconds=10, what="the end of the old key")
        # Nobody gets in through a provider that is down or talks nonsense, and nobody is locked out at once.
        for provider.is_down, provider.document in ((True, b""), (False, b"{")):
            before = provider.readings
            wait_until(lambda before=before: provider.readings > before + 1, seconds=15, what="two readings")
            assert status(api, token("new")) == 200
            assert status(api, token("stranger")) == status(api, old) == 401


def test_without_its_first_key_set_the_api_accepts_nobody(works: Works, provider: Provider) -> None:
    provider.is_down = True
    url = f"http://127.0.0.1:{provider.server_port}/jwks.json"
    with running_api(works, JWT_ALGORITHM="ES256", JWT_JWKS_URL=url) as api:
        assert status(api, token("old")) == 503
        provider.is_down = False
        wait_until(lambda: status(api, token("old")) == 200, seconds=10, what="the first reading")


def test_unknown_key_ids_do_not_make_the_provider_busy(works: Works, provider: Provider) -> None:
    url = f"http://127.0.0.1:{provider.server_port}/jwks.json"
    with running_api(works, JWT_ALGORITHM="ES256", JWT_JWKS_URL=url) as api:
        wait_until(lambda: status(api, token("old")) == 200, seconds=10, what="the first reading")
        started, before = time.monotonic(), provider.readings
        for number in range(100):
            assert status(api, token("stranger", key_id=f"guess-{number}")) == 401
        assert provider.readings - before <= 2 + (time.monotonic() - started) / 5


def test_a_key_set_in_a_file_is_followed_without_a_restart(works: Works, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(jwks("old"))
    with running_api(works, JWT_ALGORITHM="ES256", JWT_JWKS_FILE=str(file)) as api:
        old = token("old")
        wait_until(lambda: status(api, old) == 200, seconds=10, what="the first reading")
        file.write_bytes(jwks("new"))
        wait_until(lambda: status(api, old) == 401, seconds=10, what="the end of the old key")
        assert status(api, token("new")) == 200
