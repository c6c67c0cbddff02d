"""`python -m ops kafka-mock`: the embedded Kafka."""

import asyncio
import contextlib
import signal

import click

from ops.embedded.forwarder import forward
from ops.embedded.kafka_mock import start_cluster
from ops.errors import ServerStartError
from ops.processes.ports import LOOPBACK, check_port


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), required=True, help="Port that clients connect to.")
@click.option(
    "--advertised-port",
    type=click.IntRange(1, 65535),
    help="Port that is advertised to clients: a proxy's, if not --port.",
)
@click.option("--topic", "topics", multiple=True, help="Topic that exists from the start; repeatable.")
def command(port: int, advertised_port: int | None, topics: tuple[str, ...]) -> None:
    """Serve librdkafka's mock Kafka cluster on a fixed port, in memory."""
    check_port(port, LOOPBACK, setting="--port")
    target_port = start_cluster(host=LOOPBACK, port=advertised_port or port, topics=topics)
    try:
        asyncio.run(_serve(port, target_port))
    except OSError as error:
        raise ServerStartError(f"Kafka cannot listen on port {port}: {error.strerror}.") from error


async def _serve(port: int, target_port: int) -> None:
    """Forwards until SIGTERM or SIGINT."""
    serving = asyncio.create_task(forward(LOOPBACK, port, target_port))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving
