"""What the three draining workers share."""

from ml.delivery import DeliveryRules
from ml.stores.outbox_redis import RedisOutbox
from settings import Settings
from tasks.doorbells import ring
from tasks.services import provide
from tasks.wiring import outbox
from workers.start import WorkerParts


def provide_stream(settings: Settings, group: str, name: str) -> WorkerParts:
    """Provides a consumer group's view of its stream and the bounds of a drain."""
    provide(RedisOutbox, outbox(settings, group, consumer=name))
    provide(
        DeliveryRules,
        DeliveryRules(
            batch_rows=settings.drain_batch_rows,
            batch_bytes=settings.drain_batch_bytes,
            linger_seconds=settings.drain_linger_ms / 1000,
            max_deliveries=settings.drain_max_deliveries,
        ),
    )
    # What gathered while nobody drained waits for no other ring.
    return WorkerParts(on_ready=lambda: ring(group))
