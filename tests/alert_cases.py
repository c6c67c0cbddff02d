"""For every alert: series from which it fires, the same one step below, and when it is over."""

from dataclasses import dataclass, field


def hold(value: float, minutes: int) -> str:
    """Returns samples that stay the same, one a minute."""
    return f"{value:g}x{minutes - 1}"


def rise(start: float, step: float, minutes: int) -> str:
    """Returns samples that rise by a step each minute."""
    return f"{start:g}+{step:g}x{minutes - 1}"


def gone(minutes: int) -> str:
    """Returns missing samples; the first ends the series as a failed scrape does."""
    return f"stale _x{minutes - 1}"


def then(*parts: str) -> str:
    return " ".join(parts)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One alert.

    Attributes:
        firing: the series by name, which end well.
        below: the series that differ when nothing must fire.
        fires_at: when it fires, minutes from the start.
        over_at: when it does not any more.
        labels: those of the firing alert, besides its name.
        step: minutes between two samples.
    """

    alert: str
    severity: str = "warning"
    firing: dict[str, str]
    below: dict[str, str]
    fires_at: int
    over_at: int
    labels: dict[str, str] = field(default_factory=dict)
    step: int = 1


def _first_count(alert: str, series: str, *, window: int, severity: str = "warning", **labels: str) -> Case:
    """A counter that appears with its first count; below, it has stood still since before the window."""
    return Case(
        alert=alert,
        severity=severity,
        labels=labels,
        firing={series: then(f"_x{window + 5 - 1}", hold(1, 3 * window))},
        below={series: hold(1, 4 * window)},
        fires_at=window + 6,
        over_at=2 * window + 10,
    )


REQUESTS = 'fraud_backend_requests_total{method="POST", path="/predictions/score", status="200"}'
ERRORS = 'fraud_backend_requests_total{method="POST", path="/predictions/score", status="503"}'
TIMED = 'fraud_backend_request_latency_seconds_count{method="POST", path="/predictions/score"}'
IN_TIME = 'fraud_backend_request_latency_seconds_bucket{method="POST", path="/predictions/score", le="0.06"}'
LATER = 'fraud_backend_request_latency_seconds_bucket{method="POST", path="/predictions/score", le="0.08"}'
ANY_TIME = 'fraud_backend_request_latency_seconds_bucket{method="POST", path="/predictions/score", le="+Inf"}'


def _availability(window: str, share: float, *, severity: str, hours: float, calm: int, step: int) -> Case:
    """Of 10,000 requests a step, a share fails for some hours, then none."""
    bad, steps = int(hours * 60 / step), calm // step
    failed = round(10_000 * share)

    def errors(count: int) -> str:
        return then(rise(0, count, bad), hold(count * (bad - 1), steps))

    return Case(
        alert="ScoreAvailabilityBudgetBurn",
        severity=severity,
        labels={"window": window},
        firing={REQUESTS: rise(0, 10_000 - failed, bad + steps), ERRORS: errors(failed)},
        below={ERRORS: errors(failed - 2)},
        fires_at=(bad - 1) * step,
        over_at=(bad + steps - 1) * step,
        step=step,
    )


def _latency(window: str, share: float, *, severity: str, hours: float, calm: int, step: int) -> Case:
    """Of 1,000 requests a step, a share is slow for some hours, then none."""
    bad, steps = int(hours * 60 / step), calm // step
    slow = round(1000 * share)

    def in_time(count: int) -> str:
        fast = 1000 - count
        return then(rise(0, fast, bad), rise(fast * bad, 1000, steps))

    return Case(
        alert="ScoreLatencyBudgetBurn",
        severity=severity,
        labels={"window": window},
        firing={
            REQUESTS: rise(0, 1000, bad + steps),
            TIMED: rise(0, 1000, bad + steps),
            IN_TIME: in_time(slow),
        },
        below={IN_TIME: in_time(slow - 10)},
        fires_at=(bad - 1) * step,
        over_at=(bad + steps - 1) * step,
        step=step,
    )


_OBJECTIVES = [
    _availability("1h", 0.0145, severity="critical", hours=1.5, calm=20, step=1),
    _availability("6h", 0.0061, severity="critical", hours=1.5, calm=45, step=1),
    _availability("3d", 0.0011, severity="warning", hours=8, calm=480, step=6),
    _latency("1h", 0.725, severity="critical", hours=1.5, calm=20, step=1),
    _latency("6h", 0.305, severity="critical", hours=1.5, calm=45, step=1),
    _latency("3d", 0.055, severity="warning", hours=8, calm=480, step=6),
    Case(
        alert="ScoreLatencyHigh",
        firing={
            REQUESTS: rise(0, 10, 60),
            IN_TIME: then(rise(0, 0, 20), rise(0, 10, 40)),
            LATER: rise(0, 10, 60),
            ANY_TIME: rise(0, 10, 60),
        },
        below={IN_TIME: rise(0, 10, 60)},
        fires_at=15,
        over_at=35,
    ),
]

_API = [
    Case(
        alert="SafeModeOn",
        severity="critical",
        labels={"service": "score"},
        firing={'safe_mode_state{service="score", instance="a"}': then(hold(1, 5), hold(0, 5))},
        below={'safe_mode_state{service="score", instance="a"}': hold(0, 10)},
        fires_at=1,
        over_at=7,
    ),
    Case(
        alert="ApiAbsent",
        severity="critical",
        labels={"service": "web"},
        firing={'safe_mode_state{service="web"}': then(hold(0, 5), gone(6), hold(0, 9))},
        below={'safe_mode_state{service="web"}': hold(0, 20)},
        fires_at=9,
        over_at=12,
    ),
    Case(
        alert="CircuitBreakerOpen",
        severity="critical",
        labels={"dependency": "scoring"},
        firing={'circuit_breaker_state{dependency="scoring"}': then(hold(2, 6), hold(0, 10))},
        below={'circuit_breaker_state{dependency="scoring"}': hold(1, 16)},
        fires_at=4,
        over_at=9,
    ),
    Case(
        alert="CircuitBreakerOpen",
        labels={"dependency": "mongo"},
        firing={'circuit_breaker_state{dependency="mongo"}': then(hold(2, 6), hold(0, 10))},
        below={'circuit_breaker_state{dependency="mongo"}': hold(1, 16)},
        fires_at=4,
        over_at=9,
    ),
    Case(
        alert="RequestsShed",
        firing={"requests_shed_total": then(rise(0, 3, 20), hold(57, 20))},
        below={"requests_shed_total": rise(0, 2, 40)},
        fires_at=15,
        over_at=30,
    ),
]

_SECURITY = [
    Case(
        alert="AuthFailuresHigh",
        severity="critical",
        labels={"reason": "token_expired"},
        firing={'auth_failures_total{reason="token_expired"}': then(rise(0, 11, 15), hold(154, 20))},
        below={'auth_failures_total{reason="token_expired"}': rise(0, 10, 35)},
        fires_at=10,
        over_at=25,
    ),
    _first_count(
        "MessageForged",
        'auth_failures_total{reason="message_signature"}',
        window=15,
        severity="critical",
        reason="message_signature",
    ),
    _first_count(
        "RecordUntrusted", 'fraud_inference_requests_total{outcome="untrusted"}', window=15, severity="critical"
    ),
    _first_count(
        "SafeModeRecordFault",
        'safe_mode_record_faults_total{service="web", fault="altered"}',
        window=15,
        severity="critical",
        fault="altered",
    ),
    _first_count("ClockRefusals", 'clock_refusals_total{reason="timestamp_skew"}', window=15, reason="timestamp_skew"),
    Case(
        alert="ClockOff",
        labels={"service": "web", "instance": "a"},
        firing={'clock_offset_seconds{service="web", instance="a"}': then(hold(-1.1, 10), hold(0, 10))},
        below={'clock_offset_seconds{service="web", instance="a"}': hold(-1, 20)},
        fires_at=8,
        over_at=12,
    ),
]

SCORED = 'fraud_inference_requests_total{outcome="scored"}'

_MODEL = [
    _first_count(
        "ModelIntegrityFailed",
        'model_load_failures_total{check="signature"}',
        window=15,
        severity="critical",
        check="signature",
    ),
    _first_count("ModelNotLoadable", 'model_load_failures_total{check="registry"}', window=15, check="registry"),
    Case(
        alert="ModelAbsent",
        severity="critical",
        firing={
            'celery_worker_up{queue="score"}': hold(1, 20),
            'model_info{model_version="1", manifest_hash="f"}': then(hold(0, 10), hold(1, 10)),
        },
        below={'model_info{model_version="1", manifest_hash="f"}': hold(1, 20)},
        fires_at=5,
        over_at=12,
    ),
    Case(
        alert="ModelVersionsDiffer",
        firing={
            'model_info{model_version="1", instance="a"}': then(hold(1, 30), hold(0, 10)),
            'model_info{model_version="2", instance="b"}': hold(1, 40),
        },
        below={'model_info{model_version="1", instance="a"}': hold(0, 40)},
        fires_at=20,
        over_at=32,
    ),
    Case(
        alert="ScoringFails",
        firing={
            SCORED: rise(0, 980, 40),
            'fraud_inference_requests_total{outcome="failed"}': then(rise(0, 20, 20), hold(380, 20)),
        },
        below={'fraud_inference_requests_total{outcome="failed"}': rise(0, 9, 40)},
        fires_at=15,
        over_at=30,
    ),
    _first_count("ScoreDrift", 'drift_alerts_total{kind="score"}', window=60),
    _first_count("FeatureDrift", 'drift_alerts_total{kind="feature"}', window=60),
    Case(
        alert="DriftCheckAbsent",
        firing={
            REQUESTS: rise(0, 1, 480),
            "psi_score": hold(0, 480),
            'psi_feature{feature="amount"}': then("_x399", hold(0.1, 80)),
        },
        below={'psi_feature{feature="amount"}': hold(0.1, 480)},
        fires_at=390,
        over_at=405,
    ),
]

_WORKERS = [
    Case(
        alert="ScoreWorkerAbsent",
        severity="critical",
        labels={"queue": "score"},
        firing={'celery_worker_up{queue="score", instance="a"}': then(hold(1, 5), gone(6), hold(1, 9))},
        below={'celery_worker_up{queue="score", instance="a"}': hold(1, 20)},
        fires_at=9,
        over_at=12,
    ),
    # One that is stopping shows 0, and the only worker of a shard is known by what it served before.
    Case(
        alert="ScoreWorkerAbsent",
        severity="critical",
        labels={"queue": "score-b"},
        firing={
            'celery_worker_up{queue="score-a"}': hold(1, 140),
            'celery_worker_up{queue="score-b"}': then(hold(1, 70), gone(70)),
        },
        below={'celery_worker_up{queue="score-b"}': hold(1, 140)},
        fires_at=75,
        over_at=136,
    ),
    Case(
        alert="BackgroundWorkerAbsent",
        labels={"queue": "explain"},
        firing={
            **{f'celery_worker_up{{queue="{name}"}}': hold(1, 30) for name in ("publish", "labels", "retrain")},
            'celery_worker_up{queue="explain"}': then(hold(0, 15), hold(1, 15)),
        },
        below={'celery_worker_up{queue="explain"}': hold(1, 30)},
        fires_at=10,
        over_at=17,
    ),
    Case(
        alert="BeatAbsent",
        firing={
            'celery_queue_consumers{queue="score"}': hold(2, 40),
            'celery_task_total{task="explanations.drain", state="success"}': then(hold(5, 20), rise(5, 1, 20)),
        },
        below={'celery_task_total{task="explanations.drain", state="success"}': rise(0, 1, 40)},
        fires_at=15,
        over_at=25,
    ),
    Case(
        alert="BeatAbsent",
        firing={'celery_queue_consumers{queue="score"}': then(hold(2, 10), gone(10), hold(2, 10))},
        below={'celery_queue_consumers{queue="score"}': hold(2, 30)},
        fires_at=18,
        over_at=22,
    ),
    Case(
        alert="QueueStuck",
        labels={"queue": "explain"},
        firing={'celery_queue_oldest_seconds{queue="explain"}': then(hold(61, 10), hold(0, 10))},
        below={'celery_queue_oldest_seconds{queue="explain"}': hold(60, 20)},
        fires_at=8,
        over_at=12,
    ),
    Case(
        alert="QueueWaitHigh",
        labels={"queue": "score", "window": "5m"},
        firing={
            'celery_queue_wait_seconds_bucket{queue="score", le="0.05"}': then(hold(0, 20), rise(0, 10, 20)),
            'celery_queue_wait_seconds_bucket{queue="score", le="0.1"}': rise(0, 10, 40),
            'celery_queue_wait_seconds_bucket{queue="score", le="+Inf"}': rise(0, 10, 40),
        },
        below={'celery_queue_wait_seconds_bucket{queue="score", le="0.05"}': rise(0, 10, 40)},
        fires_at=15,
        over_at=35,
    ),
    Case(
        alert="QueueWaitHigh",
        labels={"queue": "labels", "window": "15m"},
        firing={
            'celery_queue_wait_seconds_bucket{queue="labels", le="60"}': then(hold(0, 60), rise(0, 10, 60)),
            'celery_queue_wait_seconds_bucket{queue="labels", le="300"}': rise(0, 10, 120),
            'celery_queue_wait_seconds_bucket{queue="labels", le="+Inf"}': rise(0, 10, 120),
        },
        below={'celery_queue_wait_seconds_bucket{queue="labels", le="60"}': rise(0, 10, 120)},
        fires_at=50,
        over_at=100,
    ),
    Case(
        alert="QueueLong",
        labels={"queue": "score"},
        firing={'celery_queue_length{queue="score"}': then(hold(101, 20), hold(0, 10))},
        below={'celery_queue_length{queue="score"}': hold(100, 30)},
        fires_at=15,
        over_at=22,
    ),
    _first_count(
        "TasksFailing",
        'celery_task_total{task="drift.check", state="failure"}',
        window=15,
        task="drift.check",
    ),
    _first_count(
        "MessagesUnreadable",
        'celery_task_total{task="(unreadable)", state="rejected"}',
        window=15,
        task="(unreadable)",
    ),
    Case(
        alert="WorkersReplaced",
        labels={"queue": "score"},
        firing={'workers_replaced{queue="score"}': then(hold(7, 10), hold(10, 90))},
        below={'workers_replaced{queue="score"}': then(hold(7, 10), hold(9, 90))},
        fires_at=15,
        over_at=80,
    ),
    Case(
        alert="ProbeSlow",
        labels={"queue": "score"},
        firing={'worker_probe_seconds{queue="score"}': then(hold(5.1, 10), hold(0.1, 10))},
        below={'worker_probe_seconds{queue="score"}': hold(5, 20)},
        fires_at=8,
        over_at=12,
    ),
]

_DELIVERY = [
    Case(
        alert="OutboxLagging",
        labels={"sink": "mongo"},
        firing={'outbox_oldest_seconds{sink="mongo"}': then(hold(121, 10), hold(0, 10))},
        below={'outbox_oldest_seconds{sink="mongo"}': hold(120, 20)},
        fires_at=8,
        over_at=12,
    ),
    Case(
        alert="OutboxNearlyFull",
        severity="critical",
        labels={"sink": "kafka"},
        firing={'outbox_lag{sink="kafka"}': then(hold(50001, 10), hold(0, 10))},
        below={'outbox_lag{sink="kafka"}': hold(50000, 20)},
        fires_at=5,
        over_at=12,
    ),
    _first_count("DeadLetters", 'outbox_dead_letters_total{sink="mongo"}', window=60, sink="mongo"),
    _first_count(
        "AnswersLost", 'reconciliation_lost_total{sink="kafka"}', window=60, severity="critical", sink="kafka"
    ),
    _first_count("AnswersLost", "redis_answers_lost_total", window=60, severity="critical"),
    _first_count("AnswersRepaired", 'reconciliation_repaired_total{sink="mongo"}', window=60, sink="mongo"),
    Case(
        alert="KafkaFailing",
        firing={'kafka_delivery_failures_total{topic="all"}': then(rise(0, 1, 15), hold(14, 20))},
        below={'kafka_delivery_failures_total{topic="all"}': hold(14, 35)},
        fires_at=12,
        over_at=25,
    ),
    Case(
        alert="MongoSlow",
        firing={
            'mongo_write_ms_bucket{le="1000"}': then(hold(0, 40), rise(0, 10, 40)),
            'mongo_write_ms_bucket{le="2500"}': rise(0, 10, 80),
            'mongo_write_ms_bucket{le="+Inf"}': rise(0, 10, 80),
        },
        below={'mongo_write_ms_bucket{le="1000"}': rise(0, 10, 80)},
        fires_at=35,
        over_at=65,
    ),
]

_REDIS = [
    Case(
        alert="RedisRefusing",
        severity="critical",
        labels={"code": "OOM"},
        firing={'redis_refusals_total{code="OOM"}': then(rise(0, 1, 10), hold(9, 10))},
        below={'redis_refusals_total{code="OOM"}': hold(9, 20)},
        fires_at=6,
        over_at=14,
    ),
    Case(
        alert="RedisMemoryHigh",
        labels={"instance": "r"},
        firing={
            'redis_memory_used_bytes{instance="r"}': then(hold(86, 20), hold(50, 10)),
            'redis_memory_max_bytes{instance="r"}': hold(100, 30),
        },
        below={'redis_memory_used_bytes{instance="r"}': hold(85, 30)},
        fires_at=15,
        over_at=22,
    ),
    Case(
        alert="RedisPromisesBroken",
        severity="critical",
        firing={
            'redis_promises_kept{instance="a"}': then(hold(0, 10), hold(1, 10)),
            'redis_promises_kept{instance="b"}': hold(1, 20),
            'redis_promises_kept{instance="beat"}': hold(0, 20),
            'celery_worker_up{instance="a", queue="score"}': hold(1, 20),
            'celery_worker_up{instance="b", queue="score"}': hold(1, 20),
        },
        below={'redis_promises_kept{instance="a"}': hold(1, 20)},
        fires_at=5,
        over_at=12,
    ),
    _first_count("RedisDataLost", "redis_data_lost_total", window=60, severity="critical"),
]

_THREE_DAYS = 3 * 86_400

_SCRAPING = [
    Case(
        alert="ScrapeFailing",
        labels={"job": "shrike-workers", "instance": "a"},
        firing={'up{job="shrike-workers", instance="a"}': then(hold(0, 10), hold(1, 10))},
        below={'up{job="shrike-workers", instance="a"}': hold(1, 20)},
        fires_at=8,
        over_at=12,
    ),
    Case(
        alert="ScrapeTokenExpires",
        firing={"scrape_credentials_expiry_timestamp_seconds": then(hold(_THREE_DAYS, 10), hold(9 * _THREE_DAYS, 20))},
        below={"scrape_credentials_expiry_timestamp_seconds": hold(_THREE_DAYS + 3600, 30)},
        fires_at=5,
        over_at=20,
    ),
]

CASES = [
    *_API,
    *_OBJECTIVES,
    *_SECURITY,
    *_MODEL,
    *_WORKERS,
    *_DELIVERY,
    *_REDIS,
    *_SCRAPING,
]

HEALTHY: dict[str, str] = {
    'up{job="shrike-web", instance="w"}': hold(1, 120),
    'safe_mode_state{service="web"}': hold(0, 120),
    'circuit_breaker_state{dependency="scoring"}': hold(0, 120),
    **{f'celery_worker_up{{queue="{name}"}}': hold(1, 120) for name in ("score", "explain", "publish", "labels")},
    'celery_worker_up{queue="retrain"}': hold(1, 120),
    'celery_queue_consumers{queue="score"}': hold(2, 120),
    'celery_queue_oldest_seconds{queue="score"}': hold(0, 120),
    'celery_task_total{task="explanations.drain", state="success"}': rise(0, 30, 120),
    'model_info{model_version="1", manifest_hash="f"}': hold(1, 120),
    'outbox_lag{sink="mongo"}': hold(3, 120),
    'outbox_oldest_seconds{sink="mongo"}': hold(1, 120),
    'redis_promises_kept{job="shrike-workers", instance="s"}': hold(1, 120),
    'celery_worker_up{job="shrike-workers", instance="s", queue="score"}': hold(1, 120),
    'redis_promises_kept{job="shrike-workers", instance="beat"}': hold(0, 120),
    'scrape_credentials_expiry_timestamp_seconds{job="shrike-web"}': hold(30 * 86_400, 120),
    'scrape_credentials_expiry_timestamp_seconds{job="shrike-workers"}': hold(0, 120),
    "psi_score": hold(0.05, 120),
    'auth_failures_total{reason="token_expired"}': rise(0, 1, 120),
    REQUESTS: rise(0, 3000, 120),
    ERRORS: "_x59 1x59",
    TIMED: rise(0, 3000, 120),
    IN_TIME: rise(0, 2990, 120),
    LATER: rise(0, 2995, 120),
    ANY_TIME: rise(0, 3000, 120),
    SCORED: rise(0, 3000, 120),
}
"""Two busy hours of a platform that is well: one error, a client whose token expired now and then."""
