"""The embedded Kafka: librdkafka's mock cluster in a process of its own, on a fixed port.

It serves idempotent producers, consumer groups and topic creation on first use, keeps the newest 5 MB or
so per partition in memory and nothing on disk.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ops.embedded.server import serving
from ops.processes.ports import LOOPBACK, accepts, free_port

DEFAULT_PORT = 9092


def command(port: int, topics: Sequence[str] = (), *, advertised_port: int | None = None) -> list[str]:
    """Returns the command of a broker whose given topics exist from the start.

    A broker behind a proxy advertises the proxy's port, or its clients would pass it by.
    """
    options = [option for topic in topics for option in ("--topic", topic)]
    if advertised_port is not None:
        options += ["--advertised-port", str(advertised_port)]
    return [sys.executable, "-m", "ops", "kafka-mock", "--port", str(port), *options]


def bootstrap(port: int) -> str:
    """Returns the bootstrap address of the broker."""
    return f"{LOOPBACK}:{port}"


@contextmanager
def kafka(directory: Path, *, port: int = 0, topics: Sequence[str] = ()) -> Iterator[str]:
    """Serves the Kafka protocol and yields the bootstrap address; port 0 takes a free one.

    Raises:
        ops.errors.ServerStartError: the server did not start.
    """
    port = port or free_port()
    with serving(command(port, topics), name="kafka", directory=directory, is_healthy=lambda: accepts(port)):
        yield bootstrap(port)
