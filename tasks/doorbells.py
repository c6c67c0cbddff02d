"""Doorbells: messages without content that tell a drain there is something in its stream."""

import logging

from kombu.exceptions import OperationalError

from tasks.app import app

_TASKS = {"explain": "explanations.drain", "publish": "publishing.drain", "labels": "labels.apply"}
_EXPIRES_SECONDS = 60

_log = logging.getLogger(__name__)


def ring(*consumers: str) -> None:
    """Rings the drains of consumers. A lost ring costs only time: beat rings again every few seconds."""
    for consumer in consumers:
        try:
            app.send_task(
                _TASKS[consumer],
                argsrepr="()",
                kwargsrepr="{}",
                expires=_EXPIRES_SECONDS,
                retry=False,
                ignore_result=True,
            )
        except (OperationalError, OSError) as error:
            _log.warning("the doorbell of %s was not rung: %s", consumer, error)
