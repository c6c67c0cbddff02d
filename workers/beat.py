"""Beat: `celery -A workers.beat beat`. The Celery app with this project's logs and signatures.

The schedule is in `celeryconfig`.
"""

import logging
from typing import Any

from celery import signals

from observability import logs
from security.masking import masker
from security.messages.message_signer import MessageSigner
from settings import load_settings
from tasks.app import app
from tasks.messaging.doorbells import keep_newest_doorbell, sign_doorbells
from tasks.upkeep.clock_readings_redis import ClockReadings
from tasks.wiring.connections import Connections, Policy

__all__ = ["app"]


def _configure_logging(**_: Any) -> None:
    settings = load_settings()
    logs.configure("beat", level=settings.log_level, mask=masker(settings))
    if settings.log_level != "DEBUG":
        # Three lines every few seconds would only name the fallback's doorbells; the drains' own lines say more.
        logging.getLogger("celery.beat").setLevel(logging.WARNING)


def _sign(**_: Any) -> None:
    settings = load_settings()
    sign_doorbells(MessageSigner.from_settings(settings))
    readings = ClockReadings(Connections(settings).redis(policy=Policy.HOUSEKEEPING), "beat")
    readings.read_quietly()  # before anything is dated
    readings.start()


signals.setup_logging.connect(_configure_logging, weak=False)
signals.after_task_publish.connect(keep_newest_doorbell, weak=False)
signals.beat_init.connect(_sign, weak=False)
