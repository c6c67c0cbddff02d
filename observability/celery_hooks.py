"""Celery: queue wait, run time and outcome of every task, correlation ids, and which queues a worker consumes.

A message carries its sending time in the header `sent_at` (epoch seconds) and the correlation id in `X-Correlation-ID`;
messages sent through `send_task` or `apply_async` get both from the publishing hook, where the sender did not set them.
Workers run one process each, so the process's own registry holds all of its numbers.
"""

import math
import time
from collections.abc import Callable
from contextvars import Token
from typing import Any

from celery import Celery, signals

from observability import metrics
from observability.context import (
    CORRELATION_HEADER,
    accept_correlation_id,
    get_correlation_id,
    reset_correlation_id,
    set_correlation_id,
)

SENT_AT_HEADER = "sent_at"
UNKNOWN_TASK = "(unknown)"
_LONGEST_WAIT_SECONDS = 7 * 86_400


def instrument(app: Celery, service: str, *, now: Callable[[], float] = time.time) -> None:
    """Connects the hooks of this process.

    Args:
        app: the Celery app; its queues are those the worker consumes.
        service: distinguishes instrumentations of one process; a second one of the same name replaces the first.
        now: the clock that messages are dated by, epoch seconds.
    """
    hooks = _Hooks(app, now)
    for signal, hook in (
        (signals.before_task_publish, hooks.stamp),
        (signals.task_prerun, hooks.begin),
        (signals.task_postrun, hooks.end),
        (signals.task_revoked, hooks.count_revoked),
        (signals.task_unknown, hooks.count_unknown),
        (signals.task_rejected, hooks.count_rejected),
        (signals.worker_ready, hooks.mark_up),
        (signals.worker_shutting_down, hooks.mark_down),
    ):
        uid = f"observability.{service}.{hook.__name__}"
        signal.disconnect(dispatch_uid=uid)
        signal.connect(hook, weak=False, dispatch_uid=uid)


class _Hooks:
    """The receivers of one process, and the tasks that it runs at the moment."""

    def __init__(self, app: Celery, now: Callable[[], float]) -> None:
        self._app = app
        self._now = now
        self._running: dict[str, tuple[float, Token[str | None]]] = {}

    def stamp(self, headers: dict[str, Any] | None = None, **_: Any) -> None:
        """Adds sending time and correlation id to a message that is about to be sent."""
        if headers is None:
            return
        headers.setdefault(SENT_AT_HEADER, self._now())
        correlation_id = get_correlation_id()
        if correlation_id is not None:
            headers.setdefault(CORRELATION_HEADER, correlation_id)

    def begin(self, task_id: str, task: Any, **_: Any) -> None:
        """Measures the wait in the queue and takes over the message's correlation id."""
        headers = task.request.headers or {}
        waited = _seconds_between(headers.get(SENT_AT_HEADER), self._now())
        if waited is not None:
            queue = (task.request.delivery_info or {}).get("routing_key") or ""
            metrics.celery_queue_wait_seconds.labels(queue if queue in self._configured() else "").observe(waited)
        sent = headers.get(CORRELATION_HEADER)
        binding = set_correlation_id(accept_correlation_id(sent) if isinstance(sent, str) else None)
        self._running[task_id] = (time.perf_counter(), binding)

    def end(self, task_id: str, task: Any, state: str | None = None, **_: Any) -> None:
        """Measures the run time and counts the outcome."""
        metrics.celery_task_total.labels(task.name, (state or "unknown").lower()).inc()
        started, binding = self._running.pop(task_id, (None, None))
        if started is not None:
            metrics.celery_task_runtime_seconds.labels(task.name).observe(time.perf_counter() - started)
        if binding is not None:
            reset_correlation_id(binding)

    def count_revoked(self, request: Any = None, **_: Any) -> None:
        """Counts a task that was revoked or expired before it ran."""
        metrics.celery_task_total.labels(getattr(request, "task", None) or UNKNOWN_TASK, "revoked").inc()

    def count_unknown(self, **_: Any) -> None:
        """Counts a message for an unregistered task; the sender chose that name, so it must not become a label."""
        metrics.celery_task_total.labels(UNKNOWN_TASK, "unknown").inc()

    def count_rejected(self, **_: Any) -> None:
        """Counts a message that holds no task."""
        metrics.celery_task_total.labels(UNKNOWN_TASK, "rejected").inc()

    def _configured(self) -> set[str]:
        """Returns the names of the shared queues; queues of single workers are too many for a label."""
        return {queue.name for queue in self._app.conf.task_queues or self._app.amqp.queues.values()}

    def mark_up(self, **_: Any) -> None:
        """Shows the queues that this worker consumes from now on."""
        for queue in self._configured() & set(self._app.amqp.queues.consume_from):
            metrics.celery_worker_up.labels(queue).set(1)

    def mark_down(self, **_: Any) -> None:
        """Shows that this worker takes no new work."""
        for queue in self._configured() & set(self._app.amqp.queues.consume_from):
            metrics.celery_worker_up.labels(queue).set(0)


def _seconds_between(sent_at: object, now: float) -> float | None:
    """Returns the age of a message; None if its header makes no sense, 0 if the sender's clock is ahead."""
    if isinstance(sent_at, bool) or not isinstance(sent_at, int | float) or not math.isfinite(sent_at):
        return None
    waited = now - sent_at
    return max(0.0, waited) if waited < _LONGEST_WAIT_SECONDS else None
