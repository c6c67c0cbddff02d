"""Alerts on queues, workers and beat."""

from typing import Final

from observability.alerts.alert import (
    SAFE_MODE_ON,
    SCORE_WORKER_ABSENT,
    Alert,
    Board,
    RuleGroup,
    Severity,
)
from observability.alerts.expressions import quantile, rose
from settings.queues import DRAINS, QUEUES

_SCORE: Final = 'queue=~"score(-.+)?"'
_BACKGROUND: Final = tuple(queue for queue in QUEUES if queue != "score")
_DRAIN_TASKS: Final = "|".join(DRAINS.values())
_UP: Final = "sum by (queue) (celery_worker_up{matching})"


def _absent(queues: tuple[str, ...], matching: str) -> str:
    """Returns the queues that no worker serves: known by name, or served an hour ago (a shard's own)."""
    nobody = "\nor ".join(
        f'label_replace(absent(celery_worker_up{{queue=~"{queue}(-.+)?"}}), "queue", "{queue}", "", "")'
        for queue in queues
    )
    served = _UP.format(matching="{" + matching + "}")
    before = f"(sum by (queue) (celery_worker_up{{{matching}}} offset 1h) > 0 unless {served})"
    return f"{served} == 0\nor {before}\nor {nobody}"


_WAIT_SUMMARY: Final = "Messages of {{ $labels.queue }} wait {{ $value | humanizeDuration }} (p95)"

WORKERS: Final = RuleGroup(
    "shrike-workers",
    alerts=(
        Alert(
            name=SCORE_WORKER_ABSENT,
            severity=Severity.CRITICAL,
            expression=_absent(("score",), _SCORE),
            wait="1m",
            summary="No worker serves the queue {{ $labels.queue }}",
            description="Scoring requests wait until their deadline, then get 504 and 503.",
            board=Board.CELERY,
        ),
        Alert(
            name="BackgroundWorkerAbsent",
            severity=Severity.WARNING,
            expression=_absent(_BACKGROUND, 'queue!~"score(-.+)?"'),
            wait="5m",
            summary="No worker serves the queue {{ $labels.queue }}",
            description="Scoring goes on. What the queue is for waits in Redis until a worker is back.",
            board=Board.CELERY,
        ),
        Alert(
            name="BeatAbsent",
            severity=Severity.WARNING,
            expression="absent(celery_queue_consumers)\n"
            f'or sum(increase(celery_task_total{{task=~"{_DRAIN_TASKS}"}}[10m])) == 0',
            wait="2m",
            summary="Beat is gone, or wakes nobody",
            description="Nobody measures the queues, which the beat in charge does, or no drain has run for ten "
            "minutes. Retraining, drift check and reconciliation do not start either.",
            board=Board.CELERY,
        ),
        Alert(
            name="QueueWaitHigh",
            severity=Severity.WARNING,
            expression=quantile(0.95, "celery_queue_wait_seconds", "5m", by="queue", matching=f"{{{_SCORE}}}")
            + " > 0.05",
            wait="5m",
            summary=_WAIT_SUMMARY,
            labels={"window": "5m"},
            description="Score workers are busy: most of the 60 ms are spent waiting. Start more of them.",
            board=Board.CELERY,
        ),
        Alert(
            name="QueueWaitHigh",
            severity=Severity.WARNING,
            expression=quantile(
                0.95, "celery_queue_wait_seconds", "15m", by="queue", matching='{queue!~"score(-.+)?|"}'
            )
            + " > 60",
            wait="15m",
            summary=_WAIT_SUMMARY,
            labels={"window": "15m"},
            description="The workers of this queue are too few or stuck.",
            board=Board.CELERY,
        ),
        Alert(
            name="QueueLong",
            severity=Severity.WARNING,
            expression="max by (queue) (celery_queue_length) > 100",
            wait="10m",
            summary="{{ $value | humanize }} messages wait in {{ $labels.queue }}",
            description="More arrives than is worked off, or nobody reads the queue.",
            board=Board.CELERY,
            consequence_of=(SCORE_WORKER_ABSENT, "BackgroundWorkerAbsent"),
        ),
        Alert(
            name="QueueStuck",
            severity=Severity.WARNING,
            expression='max by (queue) (celery_queue_oldest_seconds{queue!="retrain"}) > 60',
            wait="5m",
            summary="The oldest message of {{ $labels.queue }} has waited {{ $value | humanizeDuration }}",
            description="Nobody takes the messages of this queue. Those of `retrain` may wait for a training's end.",
            board=Board.CELERY,
            consequence_of=(SCORE_WORKER_ABSENT, "BackgroundWorkerAbsent"),
        ),
        Alert(
            name="TasksFailing",
            severity=Severity.WARNING,
            expression=rose('celery_task_total{state="failure"}', "15m", by="task") + " > 0",
            summary="{{ $value | humanize }} runs of {{ $labels.task }} failed",
            description="A task ended with an error that nobody expected; its traceback is in the worker's log.",
            board=Board.CELERY,
            consequence_of=(SAFE_MODE_ON,),
        ),
        Alert(
            name="MessagesUnreadable",
            severity=Severity.WARNING,
            expression=rose('celery_task_total{task=~"[(]un.+[)]"}', "15m", by="task") + " > 0",
            summary="{{ $value | humanize }} queue messages are none of ours",
            description="Workers put aside messages that they cannot read or whose task they do not know.",
            board=Board.SECURITY,
        ),
        Alert(
            name="WorkersReplaced",
            severity=Severity.WARNING,
            expression="max by (queue) (workers_replaced) - min by (queue) (min_over_time(workers_replaced[1h])) >= 3",
            summary="{{ $value }} workers of {{ $labels.queue }} ended themselves within an hour",
            description="Workers were connected and took no messages, so their watchdog ended them.",
            board=Board.CELERY,
        ),
        Alert(
            name="ProbeSlow",
            severity=Severity.WARNING,
            expression='max by (queue) (worker_probe_seconds{queue!="retrain"}) > 5',
            wait="5m",
            summary="A worker of {{ $labels.queue }} answers its own probe after {{ $value | humanizeDuration }}",
            description="It takes messages far too slowly: its machine is overloaded, or Redis is.",
            board=Board.CELERY,
        ),
    ),
)
