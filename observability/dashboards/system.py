"""System health: Redis, MongoDB, Kafka and the machines."""

from typing import Final

from observability.alerts.alert import Board
from observability.dashboards.panel import Dashboard, Kind, Panel, Query, Row, Unit, quantiles, rate

_REDIS: Final = "the Redis exporter"
_NODE: Final = "the node exporter"

SYSTEM: Final = Dashboard(
    Board.SYSTEM,
    "System health",
    "What the platform stands on. The last row needs exporters.",
    (
        Row(
            "Scraped",
            (
                Panel(
                    title="Targets",
                    description="1 is scraped, 0 is not.",
                    queries=(Query("up{$at}", "{{job}} {{instance}}"),),
                    unit=Unit.NONE,
                    kind=Kind.NUMBER,
                    bad_from=1,
                    is_bad_below=True,
                    names=((0, "DOWN"), (1, "up")),
                    empty="nothing is scraped",
                    alerts=("ScrapeFailing", "ApiAbsent"),
                    width=24,
                    height=5,
                ),
            ),
        ),
        Row(
            "Redis",
            (
                Panel(
                    title="Round trips",
                    description="Of the platform's own stores, by command.",
                    queries=(Query(rate("redis_ops_total", by="operation"), "{{operation}}"),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    title="Refused by Redis",
                    description="READONLY is a replica, OOM a full server, NOREPLICAS one without replicas.",
                    queries=(Query(rate("redis_refusals_total", by="code"), "{{code}}"),),
                    unit=Unit.PER_SECOND,
                    empty="never",
                    alerts=("RedisRefusing",),
                ),
                Panel(
                    title="Lost by Redis",
                    description="Emptied; answers recorded again and gone; histories without them. Since the start.",
                    queries=(
                        Query("sum(redis_data_lost_total{$at})", "emptied"),
                        Query("sum(redis_answers_restored_total{$at})", "restored"),
                        Query("sum(redis_answers_lost_total{$at})", "lost"),
                        Query("sum(redis_histories_unrestored_total{$at})", "not in histories"),
                    ),
                    unit=Unit.COUNT,
                    kind=Kind.NUMBER,
                    alerts=("RedisDataLost", "AnswersLost"),
                ),
            ),
        ),
        Row(
            "MongoDB and Kafka",
            (
                Panel(
                    title="Writes to MongoDB",
                    description="Time of one bulk write, confirmed by a majority.",
                    queries=quantiles("mongo_write_ms"),
                    unit=Unit.MILLISECONDS,
                    bad_from=1000,
                    empty="nothing written",
                    alerts=("MongoSlow",),
                ),
                Panel(
                    title="Messages that Kafka did not confirm",
                    description="They are sent again from the outbox.",
                    queries=(Query(rate("kafka_delivery_failures_total", by="topic"), "{{topic}}"),),
                    unit=Unit.PER_SECOND,
                    empty="none",
                    alerts=("KafkaFailing",),
                ),
                Panel(
                    title="Kafka producers replaced",
                    description="After a fatal error, or several failures in a row.",
                    queries=(Query("sum by (reason) (kafka_producers_replaced_total{$at})", "{{reason}}"),),
                    unit=Unit.COUNT,
                    kind=Kind.NUMBER,
                    warn_from=1,
                    empty="never",
                    alerts=("KafkaFailing",),
                ),
            ),
        ),
        Row(
            "Processes and machines",
            (
                Panel(
                    title="CPU of the workers",
                    description="One core each at most: a score worker near 1 is full.",
                    queries=(Query("rate(process_cpu_seconds_total{$at}[$__rate_interval])", "{{instance}}"),),
                    unit=Unit.SHARE,
                ),
                Panel(
                    title="Memory of the workers",
                    description="Resident. It stands still after the first hour.",
                    queries=(Query("process_resident_memory_bytes{$at}", "{{instance}}"),),
                    unit=Unit.BYTES,
                ),
                Panel(
                    title="Memory of Redis",
                    description="Share of maxmemory; full, Redis refuses every write.",
                    queries=(Query("redis_memory_used_bytes / (redis_memory_max_bytes > 0)", "{{instance}}"),),
                    unit=Unit.SHARE,
                    warn_from=0.7,
                    bad_from=0.85,
                    exporter=_REDIS,
                    empty="no exporter, or no maxmemory",
                    alerts=("RedisMemoryHigh",),
                ),
                Panel(
                    title="CPU of the machines",
                    description="Share of all cores that is not idle.",
                    queries=(
                        Query(
                            '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[$__rate_interval]))',
                            "{{instance}}",
                        ),
                    ),
                    unit=Unit.SHARE,
                    warn_from=0.8,
                    exporter=_NODE,
                    empty="no exporter",
                    width=12,
                ),
                Panel(
                    title="Disk left",
                    description="By mount point. Redis's append-only file and the logs need some.",
                    queries=(
                        Query(
                            'min by (instance, mountpoint) (node_filesystem_avail_bytes{fstype!~"tmpfs|overlay"}'
                            " / node_filesystem_size_bytes)",
                            "{{instance}} {{mountpoint}}",
                        ),
                    ),
                    unit=Unit.SHARE,
                    bad_from=0.1,
                    is_bad_below=True,
                    exporter=_NODE,
                    empty="no exporter",
                    width=12,
                ),
            ),
        ),
    ),
)
