"""Requests that the tests write by hand."""

import errno
import socket
import time
from contextlib import suppress
from typing import Any
from uuid import uuid4

from security.roles import Role
from security.signatures.request_signatures import sign
from tests.integration.web.conftest import RunningApi

SCORE = "/predictions/score"


def transaction(**members: Any) -> dict[str, Any]:
    return {
        "transaction_id": uuid4().hex,
        "timestamp": int(time.time()),
        "customer_id": "c-1",
        "terminal_id": "p-1",
        "amount": "12.50",
        "currency": "EUR",
        "channel": "ecom",
    } | members


def raw(api: RunningApi, *parts: bytes, ended: bool = False) -> bytes:
    """Sends bytes as they are and returns all that comes back until the connection closes.

    `ended` closes the sending side, so that the server sees the end.
    """
    received = b""
    with socket.create_connection(("127.0.0.1", api.port), timeout=15) as connection:
        # A server that refuses early closes on what is still being sent.
        with suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
            if ended:
                _end(connection)
        with suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
    return received


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_WR)
    except OSError as error:
        # The server has closed already, and its reset has arrived.
        if error.errno != errno.ENOTCONN:
            raise


def post_head(api: RunningApi, body: bytes, **headers: str) -> bytes:
    """Returns the head of a signed POST whose body framing the test writes itself."""
    client, timestamp = api.client(Role.SERVICE), str(int(time.time()))
    key = api.settings.hmac_key
    assert key is not None
    signature = sign(key.get_secret_value().encode(), method="POST", path=SCORE, timestamp=timestamp, body=body)
    lines = {
        "Host": "test",
        "Connection": "close",
        "Authorization": f"Bearer {client._token}",
        "X-Request-Timestamp": timestamp,
        "X-Request-Signature": signature,
        "Content-Type": "application/json",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {SCORE} HTTP/1.1\r\n{head}\r\n".encode()
