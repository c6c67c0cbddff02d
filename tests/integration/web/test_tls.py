import datetime as dt
import socket
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.web.conftest import running_api
from tests.integration.workers.conftest import Works


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shrike test")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate_file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


def test_speaks_tls_with_the_configured_certificate(works: Works, certificate: tuple[Path, Path]) -> None:
    certificate_file, key_file = certificate
    files = {"TLS_CERTIFICATE_FILE": str(certificate_file), "TLS_KEY_FILE": str(key_file)}
    with running_api(works, **files) as api:
        connection = api.connect()
        connection.request("GET", "/health/live")
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Strict-Transport-Security")) == (200, "max-age=31536000")
        assert connection.sock.version() in {"TLSv1.2", "TLSv1.3"}
        connection.close()
        # A refused upload is thrown away under TLS as well, and its sender sees the answer.
        upload = api.connect()
        upload.connect()
        upload.sock.sendall(
            b"POST /nope HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 20_000
        )
        upload.sock.sendall(b"0\r\n\r\n")
        assert upload.sock.recv(100).startswith(b"HTTP/1.1 404 ")
        upload.close()
        with socket.create_connection(("127.0.0.1", api.port), timeout=15) as plain:
            plain.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            with suppress(ConnectionResetError):
                assert not plain.recv(100).startswith(b"HTTP/1.1 200")
        socket.create_connection(("127.0.0.1", api.port), timeout=15).close()
        assert api.status("/health/live") == 200
        lines = [orjson.loads(line) for line in api.log.read_text().splitlines()]
        assert any(line["message"].startswith("Listening at: https://") for line in lines)
