"""Inference in detail: outcomes, and where the time of a score goes."""

from typing import Final

from observability.alerts.alert import Board
from observability.dashboards.panel import Dashboard, Panel, Query, Row, Unit, quantiles, rate

_LATENCY: Final = "fraud_inference_request_latency_seconds"

INFERENCE: Final = Dashboard(
    Board.INFERENCE,
    "Inference detail",
    "What becomes of a transaction in the score workers, and where the time goes.",
    (
        Row(
            "Outcomes",
            (
                Panel(
                    title="Transactions by outcome",
                    description="`replayed` is a retry that got its recorded decision; `expired` came too late.",
                    queries=(Query(rate("fraud_inference_requests_total", by="outcome"), "{{outcome}}"),),
                    unit=Unit.PER_SECOND,
                    alerts=("ScoringFails", "RecordUntrusted"),
                ),
                Panel(
                    title="Scored by worker",
                    description="Shared out evenly, or a worker is slower than the others.",
                    queries=(
                        Query(
                            rate("fraud_inference_requests_total", by="instance", matching='outcome="scored"'),
                            "{{instance}}",
                        ),
                    ),
                    unit=Unit.PER_SECOND,
                    empty="nothing scored",
                ),
                Panel(
                    title="Transactions per batch",
                    description="Waiting requests share one call of the model: it grows with the load.",
                    queries=(
                        Query(
                            rate("fraud_inference_requests_total", matching='outcome="scored"')
                            + " / "
                            + rate(f"{_LATENCY}_count", matching='component="model"'),
                            "per batch",
                        ),
                    ),
                    unit=Unit.NONE,
                    empty="nothing scored",
                ),
            ),
        ),
        Row(
            "Where the time goes",
            (
                Panel(
                    title="p95 by step",
                    description="`queue` is waiting for a worker, `features` Redis, `model` the CPU of the worker.",
                    queries=quantiles(_LATENCY, by="component", shares=(0.95,)),
                    unit=Unit.SECONDS,
                    alerts=("ScoreLatencyHigh",),
                    empty="nothing scored",
                ),
                Panel(
                    title="Average by step",
                    description="In milliseconds, per batch.",
                    queries=(
                        Query(
                            rate("infer_request_latency_ms_sum", by="component")
                            + " / "
                            + rate("infer_request_latency_ms_count", by="component"),
                            "{{component}}",
                        ),
                    ),
                    unit=Unit.MILLISECONDS,
                    empty="nothing scored",
                ),
                Panel(
                    title="Wait in the score queue",
                    description="p95 above 50 ms: more score workers are needed.",
                    queries=quantiles(
                        "celery_queue_wait_seconds", by="queue", matching='queue=~"score(-.+)?"', shares=(0.5, 0.95)
                    ),
                    unit=Unit.SECONDS,
                    bad_from=0.05,
                    alerts=("QueueWaitHigh",),
                    empty="nothing scored",
                ),
            ),
        ),
    ),
)
