"""The real API: gunicorn with gevent as a process, on the shared servers."""

import os
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from subprocess import Popen
from uuid import uuid4

import pytest

from ops.client import Client
from ops.processes.ports import free_port
from ops.processes.spawn import spawn, stop
from security.roles import Role
from security.tokens.token_issuer import issue_token
from settings import Settings
from tests.integration.workers.conftest import Works, score_worker, settings_of, wait_until, works

__all__ = ["score_worker", "works"]


@dataclass
class RunningApi:
    """The API's gunicorn master and what it takes to talk to it."""

    process: "Popen[bytes]"
    port: int
    log: Path
    settings: Settings
    authority: Path | None = None
    certificate: tuple[Path, Path] | None = None

    def client(self, *roles: Role, subject: str | None = None, timeout_seconds: float = 10) -> Client:
        """Returns a client with a subject, and so a rate limit, of its own."""
        token = issue_token(self.settings, subject=subject or f"test-{uuid4().hex[:8]}", roles=roles or (Role.SERVICE,))
        key = self.settings.hmac_key
        assert key is not None
        return Client(
            f"http://127.0.0.1:{self.port}",
            hmac_key=key.get_secret_value().encode(),
            token=token,
            timeout_seconds=timeout_seconds,
        )

    def connect(self) -> HTTPConnection:
        """Returns a connection, over TLS if the API has a certificate; its own is the only one trusted."""
        if self.settings.tls_certificate_file is None:
            return HTTPConnection("127.0.0.1", self.port, timeout=15)
        context = ssl.create_default_context(cafile=str(self.authority or self.settings.tls_certificate_file))
        if self.certificate is not None:
            context.load_cert_chain(*self.certificate)
        return HTTPSConnection("127.0.0.1", self.port, timeout=15, context=context)

    def status(self, path: str) -> int:
        """Returns the status of an unsigned GET; 0 if nobody answers."""
        connection = self.connect()
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()


@contextmanager
def running_api(
    works: Works, authority: Path | None = None, *, client: tuple[Path, Path] | None = None, **changes: str
) -> Iterator[RunningApi]:
    """Starts the API with the works' keys and servers and some settings of its own."""
    port, log = free_port(), works.folder / f"web-{uuid4().hex[:8]}.log"
    metrics = works.folder / f"metrics-{port}"
    env = works.env | {
        "WEB_PORT": str(port),
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "RATE_LIMIT_CAPACITY": "0",
        "DEVICE_RATE_LIMIT_CAPACITY": "0",
        "WEB_DRAIN_SECONDS": "0",
        **changes,
    }
    settings = settings_of(env)
    with log.open("wb") as output:
        process = spawn([sys.executable, "-m", "ops", "web"], env=os.environ | env, output=output)
    api = RunningApi(process, port, log, settings, authority, client)
    try:
        wait_until(lambda: api.status("/health/live") == 200, seconds=180, what=f"the API, see {log}")
        yield api
    finally:
        stop(process, grace_seconds=25)


@pytest.fixture(scope="module")
def api(works: Works) -> Iterator[RunningApi]:
    """The API in two processes, with a deadline that a busy machine can keep."""
    with running_api(works, WEB_PROCESSES="2", SCORE_TIMEOUT_MS="3000") as running:
        yield running
