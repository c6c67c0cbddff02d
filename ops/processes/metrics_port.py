"""The metrics port of the process that this one becomes: fixed, and refused by name while another process has it."""

import os

from ops.errors import StackError
from ops.processes.ports import check_port
from settings import Settings
from settings.metrics_ports import NoMetricsPortError, metrics_port

_PATIENCE_SECONDS = 3.0
"""The predecessor of a restart may still be ending."""


def take_metrics_port(settings: Settings, role: str, number: int) -> None:
    """Puts the port into the environment of the program that this process becomes.

    Raises:
        StackError: another process has it, or there is none for this number; the message says what to set.
    """
    port = settings.metrics_port
    if port is None:
        shards = list(settings.score_shard_urls)
        try:
            port = metrics_port(role, number, base=settings.metrics_port_base, shard=settings.shard, shards=shards)
        except NoMetricsPortError as error:
            raise StackError(str(error)) from error
    check_port(port, settings.metrics_host, setting="METRICS_PORT", patience_seconds=_PATIENCE_SECONDS)
    os.environ["METRICS_PORT"] = str(port)
