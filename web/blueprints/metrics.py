"""`/metrics`: the Prometheus exposition of all web processes."""

from flask import Blueprint

from ml.domain.errors import RetryableError
from observability import metrics as gauges
from observability.exposition import render
from security.roles import Role
from settings.queues import SHARD_QUEUES
from web.http.answers import HttpAnswer
from web.routing.operations import Answer, Call, Operation, operation
from web.routing.safe_mode import safe_mode_state
from web.services import QueueMonitor

blueprint = Blueprint("metrics", __name__)


@operation(
    blueprint,
    Operation(
        name="metrics",
        method="GET",
        path="/metrics",
        tag="Operations",
        summary="Prometheus metrics",
        description="Adds up all web processes of this host. Needs the role of a scraper or of an administrator, "
        "but no request signature, because a scraper cannot sign.",
        role=Role.METRICS,
        other_role=Role.ADMIN,
        signed=False,
        answer=Answer(description="The exposition.", content_type="text/plain"),
    ),
)
def metrics(call: Call) -> HttpAnswer:
    """Returns the exposition."""
    safe_mode_state(call.services)  # an idle process still shows the present state
    _measure_queues(call.services.monitor)
    if call.identity is not None:
        gauges.scrape_credentials_expiry_timestamp_seconds.set(call.identity.expires_at)
    content, content_type = render(call.services.settings.prometheus_multiproc_dir)
    return HttpAnswer(content, content_type=content_type)


def _measure_queues(monitor: QueueMonitor) -> None:
    """Sets the gauges to the present lengths of the queues; what does not answer keeps its last ones."""
    try:
        queues, shards = monitor.queues(()), monitor.shards(())
    except RetryableError:
        return
    for queue in queues:
        # Where scoring is sharded, nothing reads the shared server's queues of these names.
        if not (shards and queue.queue in SHARD_QUEUES):
            gauges.celery_queue_length.labels(queue=queue.queue).set(queue.depth)
    for shard in shards:
        for queue in shard.queues:
            gauges.celery_queue_length.labels(queue=f"{queue.queue}-{shard.shard}").set(queue.depth)
