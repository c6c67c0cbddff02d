"""The three servers the platform needs, and their embedded stand-ins."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ops.embedded import kafka, mongo, valkey
from ops.errors import StackError
from ops.processes.ports import accepts
from settings import Settings
from settings.server_urls import without_credentials

_REACH_SECONDS = 5.0
_POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Server:
    """A server that is embedded unless its setting names another.

    Attributes:
        setting: the field of the settings that holds its URL.
        command: the embedded server's command for a data folder, a port and the settings.
        url: what clients connect to when it is embedded on a port.
        is_background: whether it runs under SCHED_IDLE once it is ready, as servers do that no answer waits for.
        is_essential: whether scoring needs it.
    """

    name: str
    title: str
    setting: str
    default_port: int
    command: Callable[[Path, int, Settings], Sequence[str]]
    url: Callable[[int], str]
    is_healthy: Callable[[int], bool]
    is_background: bool = False
    is_essential: bool = False


def _kafka_command(_directory: Path, port: int, settings: Settings) -> Sequence[str]:
    return kafka.command(port, (settings.kafka_topic_scored, settings.kafka_topic_raw))


def _valkey_command(directory: Path, port: int, settings: Settings) -> Sequence[str]:
    return valkey.command(directory, port, appendfsync="always" if settings.waits_for_disk else "everysec")


SERVERS: tuple[Server, ...] = (
    Server(
        "valkey",
        "Valkey",
        "redis_url",
        valkey.DEFAULT_PORT,
        _valkey_command,
        valkey.url,
        valkey.is_healthy,
        is_essential=True,
    ),
    Server(
        "mongo",
        "MongoDB",
        "mongo_url",
        mongo.DEFAULT_PORT,
        lambda directory, port, _: mongo.command(directory, port),
        mongo.url,
        accepts,
        is_background=True,
    ),
    Server(
        "kafka",
        "Kafka",
        "kafka_bootstrap",
        kafka.DEFAULT_PORT,
        _kafka_command,
        kafka.bootstrap,
        accepts,
        is_background=True,
    ),
)


def check_reachable(server: Server, url: str) -> None:
    """Waits a few seconds for a server that the user named; an SRV name is left to the client.

    Raises:
        ops.errors.StackError: it does not accept connections.
    """
    if url.startswith("mongodb+srv://"):
        return
    host, port = _address(url, server.default_port)
    deadline = time.monotonic() + _REACH_SECONDS
    while not accepts(port, host):
        if time.monotonic() > deadline:
            shown = without_credentials(url)
            raise StackError(f"{server.title} at {shown} does not answer; check {server.setting.upper()}.")
        time.sleep(_POLL_SECONDS)


def _address(url: str, default_port: int) -> tuple[str, int]:
    """Returns the first host and port of a URL or of a comma separated list of addresses."""
    first = without_credentials(url).split(",")[0]
    parts = urlsplit(first if "://" in first else f"//{first}")
    return parts.hostname or "127.0.0.1", parts.port or default_port
