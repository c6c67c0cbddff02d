"""Puts the watchdog into a worker: its own queue, its probe, and its end once it is stuck."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass

from kombu.entity import Queue

from observability import metrics
from security.messages.message_signer import MessageSigner
from tasks.app import app
from tasks.complaints import Complaints
from tasks.probe import ProbedWork
from tasks.services import provide
from tasks.upkeep.housekeeping import Job, no_more_often, run_once
from tasks.wiring.connections import Connections, Policy
from workers.health.probe_line_redis import RedisProbeLine, Replacements, count_replacement, own_queue
from workers.health.watchdog import Watchdog

_COUNT_SECONDS = 10.0
STUCK_EXIT_CODE = 70
"""EX_SOFTWARE: shows an operator that the worker ended itself, and was not killed."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watched:
    """How a kind of worker is watched.

    Attributes:
        patience_seconds: how long a probe may lie unread; longer than the longest task.
        probe: the piece of work that a probe does.
        store_wait: returns the bound of the wait for a store that the task at hand is in; 0 if it is in none.
    """

    patience_seconds: float
    probe: Callable[[], None] = lambda: None
    store_wait: Callable[[], float] = lambda: 0.0


def watch_jobs(
    connections: Connections,
    watched: Watched,
    *,
    queue: str,
    name: str,
    is_consuming: Callable[[], bool],
    before_exit: Job,
) -> list[Job]:
    """Returns the housekeeping jobs of the watchdog; called before the worker consumes.

    Args:
        connections: of this process.
        watched: how its kind is watched.
        queue: the queue that it consumes.
        name: its node name.
        is_consuming: whether it should take messages now.
        before_exit: called before it ends itself; must not raise.
    """
    settings = connections.settings
    if settings.watchdog_seconds == 0:
        return []
    own = own_queue(queue, name)
    # This worker alone reads it, over the connection and in the loop of its real queue. Not declared: a binding in
    # Redis would outlive the worker.
    app.amqp.queues.select_add(Queue(own, routing_key=own, no_declare=True))
    client = connections.redis(settings.celery_broker_url, Policy.HOUSEKEEPING)
    provide(ProbedWork, ProbedWork(watched.probe, connections.redis(settings.celery_broker_url)))

    def end(waited_seconds: float) -> None:
        _log.critical(
            "this worker takes no messages any more and ends itself, to be started anew",
            extra={"queue": queue, "waited_seconds": round(waited_seconds, 1)},
        )
        end_process(before_exit, lambda: count_replacement(client, queue))

    watchdog = Watchdog(
        RedisProbeLine(client, app, MessageSigner.from_settings(settings), queue=own),
        interval_seconds=settings.watchdog_seconds,
        patience_seconds=watched.patience_seconds,
        is_consuming=is_consuming,
        on_stuck=end,
        on_answer=metrics.worker_probe_seconds.labels(queue=queue).set,
        store_wait=watched.store_wait,
    )

    replaced = Replacements(client, queue)

    def show() -> None:
        metrics.workers_replaced.labels(queue=queue).set(replaced.read())

    return [watchdog.look, no_more_often(_COUNT_SECONDS, show)]


def end_process(*last_jobs: Job) -> None:
    """Ends this process with `STUCK_EXIT_CODE` after some last jobs, of which each may fail: that is logged.

    Nothing gentler ends it: the thread that would have to end is the one that is stuck.
    """
    try:
        run_once(last_jobs, Complaints())
    finally:
        os._exit(STUCK_EXIT_CODE)
