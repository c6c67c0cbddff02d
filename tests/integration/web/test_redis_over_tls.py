"""The platform on a Redis that speaks TLS and asks for client certificates: Debian's `redis-server`."""

import os
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from celery import Celery
from redis.exceptions import ConnectionError as RedisConnectionError

from ml.stores.outbox.keys_redis import OUTBOX
from ops.credentials.development_certificates import make_development_certificates
from ops.processes.ports import accepts, free_port, wait_until
from ops.processes.spawn import spawn, stop
from security.roles import Role
from settings import Settings
from tasks.wiring.clients_redis import Wait, connect_redis
from tests.debian_tools import debian_tool
from tests.integration.web.conftest import running_api
from tests.integration.web.requests import SCORE, transaction
from tests.integration.workers.conftest import Works
from tests.integration.workers.conftest import wait_until as wait_for


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("redis-tls") / "tls"
    make_development_certificates(folder, server_names=[], replace=False)
    return folder


@pytest.fixture(scope="module")
def secure_url(tls: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Redis without a plain port."""
    server = debian_tool("redis-server", package="redis-server")
    port, folder = free_port(), tmp_path_factory.mktemp("redis-data")
    command = [
        server,
        *("--bind", "127.0.0.1", "--port", "0", "--tls-port", str(port), "--tls-auth-clients", "yes"),
        *("--tls-cert-file", str(tls / "server.pem"), "--tls-key-file", str(tls / "server.key")),
        *("--tls-ca-cert-file", str(tls / "ca.pem"), "--tls-protocols", "TLSv1.2 TLSv1.3"),
        *("--dir", str(folder), "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"),
        *("--daemonize", "no"),
    ]
    log = folder / "redis.log"
    with log.open("wb") as output:
        process = spawn(command, output=output)
    try:
        wait_until(lambda: accepts(port), process, name="redis-server", log=log)
        yield f"rediss://127.0.0.1:{port}/0"
    finally:
        stop(process)


@pytest.fixture(scope="module")
def secure_works(works: Works, tls: Path, secure_url: str) -> Works:
    """The works on that Redis."""
    env = works.env | {
        "METRICS_PORT_BASE": "0",
        "REDIS_URL": secure_url,
        "REDIS_CA_FILE": str(tls / "ca.pem"),
        "REDIS_CERTIFICATE_FILE": str(tls / "internal.pem"),
        "REDIS_KEY_FILE": str(tls / "internal.key"),
    }
    return Works(works.folder, env, Settings(_env_file=None, **{name.lower(): value for name, value in env.items()}))


def test_a_transaction_is_scored_over_tls_and_everything_is_stored_there(secure_works: Works) -> None:
    with secure_works.worker("score") as worker, running_api(secure_works, SCORE_TIMEOUT_MS="5000") as api:
        with api.client(Role.SERVICE) as client:
            sent = transaction()
            answer = client.post(SCORE, sent)
            assert answer.status == 200, answer
            assert client.post(SCORE, sent).json()["score"] == answer.json()["score"]
        with api.client(Role.ADMIN) as administrator:
            assert administrator.get("/admin/queues").status == 200
        assert worker.get("/health/ready")[0] == 200
    # All of it came over TLS: the server has no other port, and asks each client for its certificate.
    assert secure_works.client.xlen(OUTBOX) >= 1
    assert secure_works.client.config_get("port") == {"port": "0"}


def test_beat_keeps_its_lock_over_tls(secure_works: Works, tmp_path: Path) -> None:
    log = tmp_path / "beat.log"
    with log.open("wb") as output:
        process = spawn([sys.executable, "-m", "ops", "beat"], env=os.environ | secure_works.env, output=output)
    try:
        wait_for(lambda: bool(secure_works.client.keys("shrike:redbeat:*lock*")), what=f"beat's lock, see {log}")
    finally:
        stop(process)


@pytest.mark.parametrize("missing", ["redis_certificate_file", "redis_ca_file"])
def test_without_certificate_or_authority_nobody_gets_in(secure_works: Works, missing: str) -> None:
    changes = {missing: None} | ({"redis_key_file": None} if missing == "redis_certificate_file" else {})
    settings = secure_works.settings.model_copy(update=changes)
    with pytest.raises(RedisConnectionError):
        connect_redis(settings, wait=Wait(5.0, retries=0)).ping()


def test_a_server_of_another_name_or_authority_is_refused(secure_works: Works, tmp_path: Path) -> None:
    settings = secure_works.settings
    elsewhere = settings.model_copy(update={"redis_url": settings.redis_url.replace("127.0.0.1", "127.0.0.2")})
    with pytest.raises(RedisConnectionError):
        connect_redis(elsewhere, wait=Wait(5.0, retries=0)).ping()
    make_development_certificates(tmp_path / "tls", server_names=[], replace=False)
    distrustful = settings.model_copy(update={"redis_ca_file": tmp_path / "tls" / "ca.pem"})
    with pytest.raises(RedisConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        connect_redis(distrustful, wait=Wait(5.0, retries=0)).ping()


def test_the_plain_protocol_is_not_spoken(secure_works: Works) -> None:
    client = redis.Redis.from_url(secure_works.settings.redis_url.replace("rediss", "redis"), retry=None)
    with client, pytest.raises(redis.exceptions.RedisError):
        client.ping()


def test_celerys_own_connections_use_the_same_certificates(secure_works: Works) -> None:
    options = secure_works.settings.redis_tls_options(secure_works.settings.redis_url)
    assert options["ssl_cert_reqs"] == ssl.CERT_REQUIRED
    app = Celery("test", broker=secure_works.settings.redis_url, broker_use_ssl=options)
    with app.connection() as connection:
        connection.ensure_connection(max_retries=1)
        assert connection.connected
