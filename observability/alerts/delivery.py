"""Alerts on what every answer is owed to: MongoDB, Kafka, and the Redis that holds it until then."""

from typing import Final

from observability.alerts.alert import REDIS_REFUSES, Alert, Board, RuleGroup, Severity
from observability.alerts.expressions import quantile, rose
from settings import Settings

_OUTBOX_LIMIT: Final = int(Settings.model_fields["outbox_limit"].default)
_WORKER_ABSENT: Final = "BackgroundWorkerAbsent"

DELIVERY: Final = RuleGroup(
    "shrike-delivery",
    alerts=(
        Alert(
            name="OutboxLagging",
            severity=Severity.WARNING,
            expression="max by (sink) (outbox_oldest_seconds) > 120",
            wait="5m",
            summary="An answer has waited {{ $value | humanizeDuration }} for {{ $labels.sink }}",
            description="Explanations, events or labels arrive late. Nothing is lost: they wait in Redis.",
            board=Board.CELERY,
            consequence_of=(_WORKER_ABSENT, REDIS_REFUSES),
        ),
        Alert(
            name="OutboxNearlyFull",
            severity=Severity.CRITICAL,
            expression=f"max by (sink) (outbox_lag) > {_OUTBOX_LIMIT // 2}",
            wait="1m",
            summary="{{ $value | humanize }} answers wait for {{ $labels.sink }}",
            description=f"The outbox is more than half full (OUTBOX_LIMIT, {_OUTBOX_LIMIT} as delivered). Once it is "
            "full, scoring answers 503.",
            board=Board.CELERY,
        ),
        Alert(
            name="DeadLetters",
            severity=Severity.WARNING,
            expression=rose("outbox_dead_letters_total", "1h", by="sink") + " > 0",
            summary="{{ $value | humanize }} entries were given up for {{ $labels.sink }}",
            description="A sink refused them DRAIN_MAX_DELIVERIES times. They are kept, with the reason, and can "
            "be put back.",
            board=Board.CELERY,
        ),
        Alert(
            name="AnswersLost",
            severity=Severity.CRITICAL,
            expression=rose("reconciliation_lost_total", "1h", by="sink")
            + " > 0\nor "
            + rose("redis_answers_lost_total", "1h")
            + " > 0",
            summary="{{ $value | humanize }} answers exist that nobody holds any more",
            description="A sink, or Redis after a failover, lacks answers whose decision record is gone.",
            board=Board.CELERY,
        ),
        Alert(
            name="AnswersRepaired",
            severity=Severity.WARNING,
            expression=rose("reconciliation_repaired_total", "1h", by="sink") + " > 0",
            summary="{{ $value | humanize }} answers were missing in {{ $labels.sink }} and are delivered again",
            description="The sink lost what it had confirmed, or its stream was touched. The answers are safe; the "
            "cause is not known.",
            board=Board.CELERY,
        ),
        Alert(
            name="KafkaFailing",
            severity=Severity.WARNING,
            expression=rose("kafka_delivery_failures_total", "5m")
            + " > 0\nor "
            + rose("kafka_producers_replaced_total", "5m")
            + " > 0",
            wait="5m",
            summary="Kafka has not confirmed messages for five minutes",
            description="Events of decisions wait in the outbox and are delivered once Kafka answers.",
            board=Board.SYSTEM,
            consequence_of=(_WORKER_ABSENT,),
        ),
        Alert(
            name="MongoSlow",
            severity=Severity.WARNING,
            expression=quantile(0.95, "mongo_write_ms", "10m") + " > 1000",
            wait="10m",
            summary="p95 of writes to MongoDB is {{ $value | humanize }} ms",
            description="Explanations arrive late, and the outbox grows if it goes on.",
            board=Board.SYSTEM,
        ),
    ),
)

REDIS: Final = RuleGroup(
    "shrike-redis",
    alerts=(
        Alert(
            name=REDIS_REFUSES,
            severity=Severity.CRITICAL,
            expression="sum by (code) (increase(redis_refusals_total[2m])) > 0",
            wait="1m",
            summary="Redis refuses commands: {{ $labels.code }}",
            description="Redis answers and does not serve: demoted (READONLY), without replicas (NOREPLICAS), full "
            "(OOM), busy (BUSY). Scoring requests get 503 meanwhile.",
            board=Board.SYSTEM,
        ),
        Alert(
            name="RedisMemoryHigh",
            severity=Severity.WARNING,
            expression="redis_memory_used_bytes / (redis_memory_max_bytes > 0) > 0.85",
            wait="10m",
            summary="Redis at {{ $labels.instance }} uses {{ $value | humanizePercentage }} of its memory",
            description="A full Redis refuses every write (maxmemory-policy noeviction), and scoring stops.",
            board=Board.SYSTEM,
        ),
        Alert(
            name="RedisPromisesBroken",
            severity=Severity.CRITICAL,
            # Beat and web processes never look, and show the 0 that a gauge begins with.
            expression="min(redis_promises_kept and on (job, instance) celery_worker_up) == 0",
            wait="1m",
            summary="Redis is configured to lose answers",
            description="It runs without append-only file, with eviction, or flushes less often than DURABILITY needs.",
            board=Board.SYSTEM,
        ),
        Alert(
            name="RedisDataLost",
            severity=Severity.CRITICAL,
            expression=rose("redis_data_lost_total", "1h") + " > 0",
            summary="Redis was emptied, or holds an old copy of its data",
            description="Answers, replay marks and histories are gone or old. SAFE MODE shut scoring.",
            board=Board.SYSTEM,
        ),
    ),
)
