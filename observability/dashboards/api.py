"""API performance: requests, answers, latency, breakers, and the log lines of one request."""

from typing import Final

from observability.alerts.alert import Board
from observability.alerts.slo import SCORE_PATH
from observability.dashboards.panel import Dashboard, Kind, Panel, Query, Row, Unit, quantiles, rate

API: Final = Dashboard(
    Board.API,
    "API performance",
    "What clients ask, what they get, and how long it takes.",
    (
        Row(
            "Requests",
            (
                Panel(
                    title="Requests by path",
                    description="All web processes together; `(unmatched)` is a path that does not exist.",
                    queries=(Query(rate("fraud_backend_requests_total", by="path"), "{{path}}"),),
                    unit=Unit.PER_SECOND,
                    alerts=("RequestsShed",),
                ),
                Panel(
                    title="Answers by status",
                    description="400 to 422 are the client's, 429 a rate limit, 503 a refusal, 504 no answer in time.",
                    queries=(Query(rate("fraud_backend_requests_total", by="status"), "{{status}}"),),
                    unit=Unit.PER_SECOND,
                    alerts=("ScoreAvailabilityBudgetBurn",),
                ),
                Panel(
                    title="Refused for want of room",
                    description="More requests than can be answered in time; they get 503 at once.",
                    queries=(Query(rate("requests_shed_total"), "shed"),),
                    unit=Unit.PER_SECOND,
                    bad_from=1,
                    alerts=("RequestsShed",),
                ),
            ),
        ),
        Row(
            "Latency",
            (
                Panel(
                    title="Scoring",
                    description="`POST /predictions/score`. p99 alone risen: something is slow at times.",
                    queries=quantiles("fraud_backend_request_latency_seconds", matching=SCORE_PATH),
                    unit=Unit.SECONDS,
                    bad_from=0.06,
                    alerts=("ScoreLatencyHigh", "ScoreLatencyBudgetBurn"),
                ),
                Panel(
                    title="p95 by path",
                    description="A batch takes as long as its items; an explanation waits for MongoDB.",
                    queries=quantiles("request_latency_ms", by="path", shares=(0.95,)),
                    unit=Unit.MILLISECONDS,
                ),
                Panel(
                    title="Answered within 60 ms",
                    description="Share of the scoring requests of 5 minutes. The objective is 95 % over 30 days.",
                    queries=(Query("1 - score:slow:ratio_rate5m", "in time"),),
                    unit=Unit.SHARE,
                    bad_from=0.95,
                    is_bad_below=True,
                    empty="no requests",
                    alerts=("ScoreLatencyBudgetBurn",),
                ),
            ),
        ),
        Row(
            "Error budgets",
            (
                Panel(
                    title="Burn rate of availability",
                    description="1 uses the month's budget up in a month; 14.4 pages somebody, 6 too if it lasts.",
                    queries=tuple(
                        Query(f"score:failed:ratio_rate{window} / 0.001", window) for window in ("5m", "1h", "6h", "3d")
                    ),
                    unit=Unit.NONE,
                    warn_from=1,
                    bad_from=14.4,
                    empty="no requests",
                    alerts=("ScoreAvailabilityBudgetBurn",),
                    width=12,
                ),
                Panel(
                    title="Burn rate of latency",
                    description="As beside, for 95 % under 60 ms.",
                    queries=tuple(
                        Query(f"score:slow:ratio_rate{window} / 0.05", window) for window in ("5m", "1h", "6h", "3d")
                    ),
                    unit=Unit.NONE,
                    warn_from=1,
                    bad_from=14.4,
                    empty="no requests",
                    alerts=("ScoreLatencyBudgetBurn",),
                    width=12,
                ),
            ),
        ),
        Row(
            "One request",
            (
                Panel(
                    title="Circuit breakers",
                    description="Open refuses at once, half open lets one request try.",
                    queries=(Query("max by (dependency) (circuit_breaker_state{$at})", "{{dependency}}"),),
                    unit=Unit.NONE,
                    kind=Kind.NUMBER,
                    warn_from=1,
                    bad_from=2,
                    names=((0, "closed"), (1, "half open"), (2, "OPEN")),
                    empty="no API process",
                    alerts=("CircuitBreakerOpen",),
                ),
                Panel(
                    title="Log lines of one correlation id",
                    description="Put the id of an answer, a problem or an explanation into the field above.",
                    queries=(Query('{job=~"shrike.*"} | json | correlation_id = `$correlation_id`', "{{service}}"),),
                    unit=Unit.NONE,
                    kind=Kind.LOGS,
                    empty="no line with this id",
                    width=16,
                ),
            ),
        ),
    ),
)
