"""`/metrics`: the Prometheus exposition of all web processes."""

from flask import Blueprint

from ml.domain.errors import RetryableError
from observability import metrics as gauges
from observability.exposition import render
from security.roles import Role
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
        description="Adds up all web processes of this host. Needs an administrator's token, but no request "
        "signature, because a scraper cannot sign.",
        role=Role.ADMIN,
        signed=False,
        answer=Answer(description="The exposition.", content_type="text/plain"),
    ),
)
def metrics(call: Call) -> HttpAnswer:
    """Returns the exposition."""
    safe_mode_state(call.services)  # an idle process still shows the present state
    _measure_queues(call.services.monitor)
    content, content_type = render(call.services.settings.prometheus_multiproc_dir)
    return HttpAnswer(content, content_type=content_type)


def _measure_queues(monitor: QueueMonitor) -> None:
    """Measures the queues as they are now; without Redis their last lengths stand."""
    try:
        states = monitor.queues(())
    except RetryableError:
        return
    for state in states:
        gauges.celery_queue_length.labels(queue=state.queue).set(state.depth)
