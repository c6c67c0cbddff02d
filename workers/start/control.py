"""Celery's remote control, reduced to commands that only look.

Control messages travel unsigned, so anybody with write access to the broker can send them. Commands that only show
what a worker does stay, because Flower needs them. Commands that change a worker (shut it down, revoke tasks, add
queues) or show more than an operator needs (configuration, memory) are refused and counted.
"""

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.control import Panel

from observability import metrics

ANSWERED = frozenset(
    {
        "ping",
        "stats",
        "active",
        "active_queues",
        "registered",
        "reserved",
        "scheduled",
        "revoked",
        "clock",
        "query_task",
    }
)
"""Commands that show what a worker does and change nothing.

`hello`, which workers answer each other, is not needed: they run without mingle.
"""

HARMLESS = frozenset({"heartbeat"})
"""Flower sends it when it connects, to see at once which workers live."""

ASKED_BY_FLOWER = frozenset({"conf"})
"""Refused like others, but no sign of an attack: Flower sends it for each worker's page that is opened."""

_log = logging.getLogger(__name__)


def refuse_remote_orders() -> None:
    """Leaves this process's workers deaf to every control command that is not in `ANSWERED` or `HARMLESS`."""
    for name in list(Panel.data):
        if name not in ANSWERED | HARMLESS:
            Panel.data[name] = _refusal(name)


def _refusal(name: str) -> Callable[..., dict[str, str]]:
    def refuse(_state: Any, **_arguments: Any) -> dict[str, str]:
        if name not in ASKED_BY_FLOWER:
            metrics.auth_failures_total.labels(reason="remote_control").inc()
            _log.warning("a remote control command was refused", extra={"command": name})
        return {"error": "this worker takes no orders by remote control"}

    return refuse
