"""MongoDB's client over TLS with a client certificate: the wire server behind a TLS end that demands one."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from ops.credentials.development_certificates import make_development_certificates
from settings import Settings
from tasks.wiring import clients_mongo


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mongo-tls") / "tls"
    make_development_certificates(folder, server_names=[], replace=False)
    return folder


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def serve(listener: socket.socket, context: ssl.SSLContext, target: tuple[str, int]) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=forward, args=(client, context, target), daemon=True).start()


def forward(client: socket.socket, context: ssl.SSLContext, target: tuple[str, int]) -> None:
    with (
        suppress(OSError),
        client,
        context.wrap_socket(client, server_side=True) as secure,
        socket.create_connection(target) as server,
    ):
        back = threading.Thread(target=pump, args=(server, secure), daemon=True)
        back.start()
        pump(secure, server)
        back.join()


@pytest.fixture(scope="module")
def secure_settings(tls: Path, mongo_url: str) -> Iterator[Settings]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "server.pem", tls / "server.key")
    context.load_verify_locations(tls / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    at = urlsplit(mongo_url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        arguments = (listener, context, (at.hostname, at.port))
        threading.Thread(target=serve, args=arguments, daemon=True).start()
        yield Settings(
            _env_file=None,
            mongo_url=f"mongodb://127.0.0.1:{listener.getsockname()[1]}/?tls=true&directConnection=true",
            mongo_database="over_tls",
            mongo_ca_file=tls / "ca.pem",
            mongo_certificate_file=tls / "internal-both.pem",
        )
        listener.shutdown(socket.SHUT_RDWR)


def test_documents_are_written_and_read_over_tls(secure_settings: Settings) -> None:
    database = clients_mongo.connect_mongo(secure_settings)
    database["things"].insert_one({"_id": 1, "value": "safe"})
    assert database["things"].find_one({"_id": 1}) == {"_id": 1, "value": "safe"}
    database.client.close()


@pytest.mark.parametrize("missing", ["mongo_ca_file", "mongo_certificate_file"])
def test_without_authority_or_certificate_nothing_is_read(
    secure_settings: Settings, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients_mongo, "_TIMEOUT_MS", 500)
    database = clients_mongo.connect_mongo(secure_settings.model_copy(update={missing: None}))
    with pytest.raises(ServerSelectionTimeoutError):
        database["things"].find_one({"_id": 1})
    database.client.close()
