"""Celery and the outbox: queues, workers, tasks, and what every answer is owed to."""

from typing import Final

from observability.alerts.alert import Board
from observability.dashboards.panel import Dashboard, Kind, Panel, Query, Row, Unit, quantiles, rate

CELERY: Final = Dashboard(
    Board.CELERY,
    "Celery & outbox",
    "Queues, workers and tasks; what waits for MongoDB and Kafka.",
    (
        Row(
            "Queues and workers",
            (
                Panel(
                    title="Workers",
                    description="Workers that consume, by queue.",
                    queries=(Query("sum by (queue) (celery_worker_up{$at})", "{{queue}}"),),
                    unit=Unit.COUNT,
                    bad_from=1,
                    is_bad_below=True,
                    kind=Kind.NUMBER,
                    empty="no worker",
                    alerts=("ScoreWorkerAbsent", "BackgroundWorkerAbsent"),
                ),
                Panel(
                    title="Messages waiting",
                    description="A drain's queue holds one doorbell at most.",
                    queries=(Query("max by (queue) (celery_queue_length{$at})", "{{queue}}"),),
                    unit=Unit.COUNT,
                    bad_from=100,
                    alerts=("QueueLong",),
                ),
                Panel(
                    title="Oldest message",
                    description="How long the oldest waiting message of a queue has waited, as beat sees it.",
                    queries=(Query("max by (queue) (celery_queue_oldest_seconds{$at})", "{{queue}}"),),
                    unit=Unit.SECONDS,
                    bad_from=60,
                    empty="no beat",
                    alerts=("QueueStuck",),
                ),
                Panel(
                    title="Workers as Redis knows them",
                    description="Workers with a sign of life, as beat sees them. More than are scraped: one is not.",
                    queries=(Query("max by (queue) (celery_queue_consumers{$at})", "{{queue}}"),),
                    unit=Unit.COUNT,
                    empty="no beat",
                    alerts=("BeatAbsent",),
                    width=12,
                ),
                Panel(
                    title="p95 of the wait",
                    description="From sending a message to the start of its task.",
                    queries=quantiles("celery_queue_wait_seconds", by="queue", shares=(0.95,)),
                    unit=Unit.SECONDS,
                    alerts=("QueueWaitHigh",),
                    width=12,
                ),
                Panel(
                    title="p95 of the run time",
                    description="By task.",
                    queries=quantiles("celery_task_runtime_seconds", by="task", shares=(0.95,)),
                    unit=Unit.SECONDS,
                ),
                Panel(
                    title="Tasks that did not succeed",
                    description="`(unknown)` and `(unreadable)` are messages that are none of ours.",
                    queries=(
                        Query(
                            rate("celery_task_total", by="task, state", matching='state!="success"'),
                            "{{task}} {{state}}",
                        ),
                    ),
                    unit=Unit.PER_SECOND,
                    empty="none",
                    alerts=("TasksFailing", "MessagesUnreadable"),
                ),
                Panel(
                    title="Tasks run",
                    description="By task. Drains that stand still in a quiet hour: beat is gone.",
                    queries=(Query(rate("celery_task_total", by="task"), "{{task}}"),),
                    unit=Unit.PER_SECOND,
                    alerts=("BeatAbsent",),
                ),
                Panel(
                    title="Answer to a worker's own probe",
                    description="Through a queue of its own. It grows before a worker stops taking messages.",
                    queries=(Query("max by (queue, instance) (worker_probe_seconds{$at})", "{{queue}} {{instance}}"),),
                    unit=Unit.SECONDS,
                    bad_from=5,
                    alerts=("ProbeSlow",),
                    width=12,
                ),
                Panel(
                    title="Workers that ended themselves",
                    description="Connected and without messages; counted in Redis since it is there.",
                    queries=(Query("max by (queue) (workers_replaced{$at})", "{{queue}}"),),
                    unit=Unit.COUNT,
                    alerts=("WorkersReplaced",),
                    width=12,
                ),
            ),
        ),
        Row(
            "Outbox",
            (
                Panel(
                    title="Undelivered",
                    description="Entries that a sink has not confirmed. Scoring stops at OUTBOX_LIMIT.",
                    queries=(Query("max by (sink) (outbox_lag{$at})", "{{sink}}"),),
                    unit=Unit.COUNT,
                    alerts=("OutboxNearlyFull",),
                    empty="no drain measured yet",
                ),
                Panel(
                    title="Oldest undelivered",
                    description="Its age; it grows by a second per second while a sink is away.",
                    queries=(Query("max by (sink) (outbox_oldest_seconds{$at})", "{{sink}}"),),
                    unit=Unit.SECONDS,
                    bad_from=120,
                    alerts=("OutboxLagging",),
                    empty="no drain measured yet",
                ),
                Panel(
                    title="Delivered",
                    description="To MongoDB and to Kafka; in the long run as many as are scored.",
                    queries=(
                        Query(rate("explanations_stored_total"), "stored"),
                        Query(rate("predictions_published_total"), "published"),
                    ),
                    unit=Unit.PER_SECOND,
                    alerts=("KafkaFailing", "MongoSlow"),
                ),
                Panel(
                    title="Dead letters",
                    description="Given up since the workers started; `python -m ops outbox dead-letters` lists them.",
                    queries=(Query("sum by (sink) (outbox_dead_letters_total{$at})", "{{sink}}"),),
                    unit=Unit.COUNT,
                    warn_from=1,
                    kind=Kind.NUMBER,
                    empty="none",
                    alerts=("DeadLetters",),
                ),
                Panel(
                    title="Reconciliation",
                    description="Compared, repaired and lost in an hour. Lost must be 0 for ever.",
                    queries=(
                        Query("sum(increase(reconciliation_compared_total{$at}[1h]))", "compared"),
                        Query("sum(increase(reconciliation_repaired_total{$at}[1h]))", "repaired"),
                        Query("sum(increase(reconciliation_lost_total{$at}[1h]))", "lost"),
                    ),
                    unit=Unit.COUNT,
                    kind=Kind.NUMBER,
                    alerts=("AnswersRepaired", "AnswersLost"),
                    empty="no run yet",
                ),
                Panel(
                    title="Labels that reach no features",
                    description="Stored for training; nobody knows whose transactions they were.",
                    queries=(Query(rate("labels_unmatched_total"), "labels"),),
                    unit=Unit.PER_SECOND,
                    empty="none",
                ),
            ),
        ),
    ),
)
