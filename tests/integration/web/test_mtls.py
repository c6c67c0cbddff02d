"""Client certificates instead of tokens: real TLS, real gunicorn."""

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from ops.commands.requests.request import command as request_command
from ops.credentials.development_certificates import client_uri, make_development_certificates
from security.roles import Role
from tests.integration.web.conftest import RunningApi, running_api
from tests.integration.web.requests import SCORE, transaction
from tests.integration.workers.conftest import Works

SUBJECTS = {"service": "shop", "admin": "operator"}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Development certificates."""
    folder = tmp_path_factory.mktemp("mtls") / "tls"
    make_development_certificates(folder, server_names=[], replace=False)
    return folder


@pytest.fixture(scope="module")
def mtls_api(works: Works, tls: Path) -> Iterator[RunningApi]:
    """The API that lets certificates in and nothing else."""
    identities = {f"URI:{client_uri(role)}": [subject, [role]] for role, subject in SUBJECTS.items()}
    changes = {
        "TLS_CERTIFICATE_FILE": str(tls / "server.pem"),
        "TLS_KEY_FILE": str(tls / "server.key"),
        "TLS_CLIENT_CA_FILE": str(tls / "ca.pem"),
        "MTLS_ONLY": "true",
        "MTLS_IDENTITIES": json.dumps(identities),
        "RATE_LIMIT_CAPACITY": "5",
        "RATE_LIMIT_REFILL_PER_MINUTE": "0.001",
        "RATE_LIMIT_OVERRIDES": json.dumps({"operator": [0, 0]}),
    }
    works.client.delete("admission:subject:shop")
    with running_api(works, tls / "ca.pem", **changes) as running:
        yield running


def ask(
    api: RunningApi, tls: Path, *, client: str | None, method: str = "GET", path: str, body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:  # fmt: skip
    context = ssl.create_default_context(cafile=str(tls / "ca.pem"))
    if client is not None:
        context.load_cert_chain(tls / f"{client}.pem", tls / f"{client}.key")
    connection = HTTPSConnection("127.0.0.1", api.port, timeout=15, context=context)
    try:
        content = None if body is None else orjson.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json"} | dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, orjson.loads(answer.read() or b"{}")
    finally:
        connection.close()


def test_a_mapped_certificate_has_its_roles_and_no_others(mtls_api: RunningApi, tls: Path) -> None:
    assert ask(mtls_api, tls, client="admin", path="/admin/queues")[0] == 200
    status, problem = ask(mtls_api, tls, client="service", path="/admin/queues")
    assert (status, problem["detail"]) == (
        403,
        "MTLS_IDENTITIES does not give this certificate the role that this route requires.",
    )
    assert ask(mtls_api, tls, client="admin", method="POST", path=SCORE, body=transaction())[0] == 403


def test_an_unmapped_certificate_and_none_are_refused(mtls_api: RunningApi, tls: Path) -> None:
    for client in ("read", "internal", None):
        status, problem = ask(mtls_api, tls, client=client, path="/admin/queues")
        assert (status, problem["type"]) == (401, "/docs#problem-unauthenticated")
        assert problem["title"] == "Certificate refused"
        missing = "TLS client certificates, and this connection shows none."
        assert (missing if client is None else "or belongs to no caller of this API.") in problem["detail"]
        assert "token" not in problem["detail"]
    assert ask(mtls_api, tls, client=None, path="/health/live")[0] == 200


def test_no_token_signature_or_header_stands_for_a_certificate(mtls_api: RunningApi, tls: Path) -> None:
    token = mtls_api.client(Role.ADMIN)._token
    pem = (tls / "admin.pem").read_text().replace("\n", "%0A")
    uri = client_uri("admin")
    spoofed = {
        "Authorization": f"Bearer {token}",
        "X-Client-Cert": pem,
        "X-SSL-Client-Cert": pem,
        "SSL-Client-Cert": pem,
        "X-SSL-Client-Verify": "SUCCESS",
        "X-SSL-Client-S-DN": "CN=operator",
        "X-Forwarded-Client-Cert": f"URI={uri}",
        "X-Forwarded-Proto": "https",
        "Client-Cert": ":" + "".join((tls / "admin.pem").read_text().splitlines()[1:-1]) + ":",
    }
    assert ask(mtls_api, tls, client=None, path="/admin/queues", headers=spoofed)[0] == 401
    assert ask(mtls_api, tls, client="service", path="/admin/queues", headers=spoofed)[0] == 403


def test_a_certificate_of_another_authority_ends_the_connection(
    mtls_api: RunningApi, tls: Path, tmp_path: Path
) -> None:
    make_development_certificates(tmp_path / "tls", server_names=[], replace=False)
    context = ssl.create_default_context(cafile=str(tls / "ca.pem"))
    context.load_cert_chain(tmp_path / "tls" / "admin.pem", tmp_path / "tls" / "admin.key")
    connection = HTTPSConnection("127.0.0.1", mtls_api.port, timeout=15, context=context)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _live(connection)
    connection.close()


def _live(connection: HTTPSConnection) -> int:
    connection.request("GET", "/health/live")
    return connection.getresponse().status


def test_the_rate_limit_holds_for_the_mapped_subject(mtls_api: RunningApi, tls: Path) -> None:
    def label() -> int:
        return ask(mtls_api, tls, client="service", method="POST", path="/labels", body={})[0]

    statuses = [label() for _ in range(10)]
    assert statuses.count(422) <= 5
    assert statuses[-1] == 429


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken(mtls_api: RunningApi, tls: Path, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=str(tls / "ca.pem"))
    context.minimum_version = context.maximum_version = version
    connection = HTTPSConnection("127.0.0.1", mtls_api.port, timeout=15, context=context)
    connection.request("GET", "/health/live")
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Strict-Transport-Security")) == (200, "max-age=31536000")
    connection.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_not(mtls_api: RunningApi, tls: Path) -> None:
    context = ssl.create_default_context(cafile=str(tls / "ca.pem"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    connection = HTTPSConnection("127.0.0.1", mtls_api.port, timeout=15, context=context)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connection.request("GET", "/health/live")
    connection.close()


def test_a_handshake_that_does_not_come_is_cut_off(works: Works, tls: Path) -> None:
    import socket

    files = {"TLS_CERTIFICATE_FILE": str(tls / "server.pem"), "TLS_KEY_FILE": str(tls / "server.key")}
    changes = {"REQUEST_TIMEOUT_SECONDS": "1", "TLS_CLIENT_CA_FILE": str(tls / "ca.pem")}
    with running_api(works, tls / "ca.pem", **files, **changes, TLS_CLIENT_CERTIFICATES="optional") as api:
        with socket.create_connection(("127.0.0.1", api.port), timeout=15) as silent:
            started = time.monotonic()
            assert silent.recv(1) == b""
            assert time.monotonic() - started < 10
        assert api.status("/health/live") == 200


def test_where_certificates_are_required_nobody_connects_without(works: Works, tls: Path) -> None:
    changes = {
        "TLS_CERTIFICATE_FILE": str(tls / "server.pem"),
        "TLS_KEY_FILE": str(tls / "server.key"),
        "TLS_CLIENT_CA_FILE": str(tls / "ca.pem"),
        "TLS_CLIENT_CERTIFICATES": "required",
    }
    with running_api(works, tls / "ca.pem", client=(tls / "service.pem", tls / "service.key"), **changes) as api:
        assert ask(api, tls, client="internal", path="/health/live")[0] == 200
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(api, tls, client=None, path="/health/live")


def request(api: RunningApi, *arguments: str) -> Result:
    url = f"https://127.0.0.1:{api.port}"
    return CliRunner().invoke(request_command, ["GET", "/admin/queues", "--url", url, *arguments])


def test_the_command_shows_a_certificate_and_names_what_a_private_authority_needs(
    mtls_api: RunningApi, tls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where there are no keys: the certificate goes alone
    pair = ["--cert", str(tls / "admin.pem"), "--key", str(tls / "admin.key")]
    result = request(mtls_api, "--ca", str(tls / "ca.pem"), *pair)
    assert result.exit_code == 0, result.output
    (tmp_path / "both.pem").write_bytes((tls / "admin.pem").read_bytes() + (tls / "admin.key").read_bytes())
    assert request(mtls_api, "--ca", str(tls / "ca.pem"), "--cert", "both.pem").exit_code == 0
    untrusted = request(mtls_api, *pair)
    assert "the server's certificate is not trusted" in str(untrusted.exception)
    assert "name its authority by --ca FILE or SSL_CERT_FILE=FILE." in str(untrusted.exception)
    stranger = request(mtls_api, "--cert", str(tls / "admin.pem"), "--key", str(tls / "server.key"))
    assert "it holds no PEM certificate, or not with this key" in str(stranger.exception)
    assert request(mtls_api, "--key", str(tls / "admin.key")).exit_code == 2
