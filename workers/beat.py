"""Beat: `celery -A workers.beat beat`. The Celery app with this project's logs and signatures.

The schedule is in `celeryconfig`. Beat serves its metrics, those of the queues among them, and its health: it is ready
while it holds the schedule's lock, and alive while it waits for it.
"""

import logging
from typing import TYPE_CHECKING, Any

from celery import signals

from observability import logs
from security.masking import masker
from security.messages.message_signer import MessageSigner
from settings import load_settings
from tasks.app import app
from tasks.messaging.doorbells import keep_newest_doorbell, sign_doorbells
from tasks.upkeep.clock_readings_redis import ClockReadings
from tasks.upkeep.housekeeping import Housekeeping
from tasks.upkeep.queue_gauges import QueueGauges
from tasks.wiring.connections import Connections, Policy
from workers.health.endpoint import Endpoint

if TYPE_CHECKING:
    # Not at run time: RedBeat waits for the lock at the same signal, and would come first.
    from workers.start.schedule import FixedScheduler

__all__ = ["app"]

_MEASURE_SECONDS = 2.0


def _configure_logging(**_: Any) -> None:
    settings = load_settings()
    logs.configure("beat", level=settings.log_level, mask=masker(settings))
    if settings.log_level != "DEBUG":
        # Three lines every few seconds would only name the fallback's doorbells; the drains' own lines say more.
        logging.getLogger("celery.beat").setLevel(logging.WARNING)


def _prepare(sender: Any, **_: Any) -> None:
    settings = load_settings()
    sign_doorbells(MessageSigner.from_settings(settings))
    connections = Connections(settings)
    readings = ClockReadings(connections.redis(policy=Policy.HOUSEKEEPING), "beat")
    readings.read_quietly()  # before anything is dated
    readings.start()
    _serve(connections, sender.scheduler)


def _serve(connections: Connections, scheduler: "FixedScheduler") -> None:
    """Serves metrics and health from now on, while beat may still wait for the lock."""
    settings = connections.settings
    gauges = QueueGauges(
        settings,
        broker=connections.redis(settings.celery_broker_url, Policy.HOUSEKEEPING),
        client=connections.redis(policy=Policy.HOUSEKEEPING),
        is_active=scheduler.is_active,
    )
    Endpoint(settings.metrics_host, settings.metrics_port or 0, is_ready=scheduler.is_active).start()
    Housekeeping([gauges.measure], interval_seconds=_MEASURE_SECONDS, name="queue gauges").start()


signals.setup_logging.connect(_configure_logging, weak=False)
signals.after_task_publish.connect(keep_newest_doorbell, weak=False)
signals.beat_init.connect(_prepare, weak=False)
