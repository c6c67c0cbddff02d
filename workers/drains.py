"""The parts that the three draining workers share."""

from ml.delivery.backoff import Backoff
from ml.delivery.drain import DeliveryRules
from ml.stores.outbox.outbox_redis import RedisOutbox
from tasks.messaging.doorbells import send_doorbells
from tasks.services import provide
from tasks.wiring.connections import Connections
from tasks.wiring.stores import outbox
from workers.health.watch import Watched
from workers.start.worker import WorkerParts

_PATIENCE_SECONDS = 60.0
"""A drain may wait this long for a sink that does not answer: its budget, then MongoDB's or Kafka's own timeouts."""


def provide_stream(connections: Connections, group: str, name: str) -> WorkerParts:
    """Provides a consumer group's view of its stream and the bounds of a drain; returns the parts of its worker."""
    settings = connections.settings
    provide(RedisOutbox, outbox(connections, group, consumer=name))
    provide(Backoff, Backoff())
    provide(
        DeliveryRules,
        DeliveryRules(
            batch_rows=settings.drain_batch_rows,
            batch_bytes=settings.drain_batch_bytes,
            linger_seconds=settings.drain_linger_ms / 1000,
            max_deliveries=settings.drain_max_deliveries,
        ),
    )
    # Drain once at start: entries may have accumulated.
    return WorkerParts(
        on_ready=lambda: send_doorbells(group),
        watched=Watched(max(_PATIENCE_SECONDS, settings.watchdog_patience_seconds)),
    )
