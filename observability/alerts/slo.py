"""Service level objectives of `POST /predictions/score`, and the alerts on how fast their error budgets burn.

Source: "The Site Reliability Workbook", chapter 5, multiwindow, multi-burn-rate alerts. A budget lasts 30 days; at a
burn rate of 14.4 an hour costs 2 % of it, at 6 six hours cost 5 %, at 1 three days cost 10 %.
"""

from dataclasses import dataclass
from typing import Final

from observability.alerts.alert import SAFE_MODE_ON, SCORE_WORKER_ABSENT, Alert, Board, Recording, RuleGroup, Severity
from observability.alerts.expressions import quantile, ratio

SCORE_PATH: Final = 'path="/predictions/score"'
LATENCY_LIMIT_SECONDS: Final = 0.06
AVAILABILITY_BUDGET: Final = 0.001
LATENCY_BUDGET: Final = 0.05

LEAST_REQUESTS: Final = 100
LEAST_BAD_REQUESTS: Final = 10
"""Within the long window: at night one bad request of three must wake nobody."""

_REQUESTS: Final = "fraud_backend_requests_total"
_LATENCY: Final = "fraud_backend_request_latency_seconds"
_WINDOWS: Final = ("5m", "30m", "1h", "6h", "3d")
_LONG_WINDOWS: Final = ("5m", "1h", "6h", "3d")


@dataclass(frozen=True, slots=True)
class BurnRate:
    """A factor by which the budget burns too fast, over a long window and, so that the alert ends soon, a short one."""

    factor: float
    long: str
    short: str
    severity: Severity
    wait: str


BURN_RATES: Final = (
    BurnRate(14.4, "1h", "5m", Severity.CRITICAL, "2m"),
    BurnRate(6, "6h", "30m", Severity.CRITICAL, "5m"),
    BurnRate(1, "3d", "6h", Severity.WARNING, "30m"),
)


def _recordings() -> tuple[Recording, ...]:
    rules = [Recording("score:latency_seconds:p95_5m", quantile(0.95, _LATENCY, "5m", matching=f"{{{SCORE_PATH}}}"))]
    for window in _WINDOWS:
        all_requests = f"sum(rate({_REQUESTS}{{{SCORE_PATH}}}[{window}]))"
        failed = f'sum(rate({_REQUESTS}{{{SCORE_PATH}, status=~"5.."}}[{window}]))'
        timed = f"sum(rate({_LATENCY}_count{{{SCORE_PATH}}}[{window}]))"
        in_time = f'sum(rate({_LATENCY}_bucket{{{SCORE_PATH}, le="{LATENCY_LIMIT_SECONDS}"}}[{window}]))'
        rules += [
            Recording(f"score:failed:ratio_rate{window}", ratio(failed, all_requests)),
            Recording(f"score:slow:ratio_rate{window}", f"1 - {ratio(in_time, timed)}"),
        ]
    rules += [
        Recording(f"score:requests:increase{window}", f"sum(increase({_REQUESTS}{{{SCORE_PATH}}}[{window}]))")
        for window in _LONG_WINDOWS
    ]
    return tuple(rules)


def _burn(what: str, budget: float, rate: BurnRate) -> str:
    long, requests = f"score:{what}:ratio_rate{rate.long}", f"score:requests:increase{rate.long}"
    limit = round(rate.factor * budget, 6)
    return (
        f"{long} > {limit} and score:{what}:ratio_rate{rate.short} > {limit}\n"
        f"and {requests} >= {LEAST_REQUESTS} and {long} * {requests} >= {LEAST_BAD_REQUESTS}"
    )


def _availability(rate: BurnRate) -> Alert:
    return Alert(
        name="ScoreAvailabilityBudgetBurn",
        severity=rate.severity,
        expression=_burn("failed", AVAILABILITY_BUDGET, rate),
        wait=rate.wait,
        summary="{{ $value | humanizePercentage }} of the scoring requests of " + rate.long + " failed",
        description=f"Scoring fails {rate.factor:g} times as often as 99.9 % availability allows, over {rate.long} and "
        f"still over the last {rate.short}. Failed is every answer of 500 and above, the 503 of SAFE MODE too.",
        board=Board.API,
        labels={"window": rate.long},
        consequence_of=(SAFE_MODE_ON, SCORE_WORKER_ABSENT),
    )


def _latency(rate: BurnRate) -> Alert:
    return Alert(
        name="ScoreLatencyBudgetBurn",
        severity=rate.severity,
        expression=_burn("slow", LATENCY_BUDGET, rate),
        wait=rate.wait,
        summary="{{ $value | humanizePercentage }} of the scoring requests of " + rate.long + " took over 60 ms",
        description=f"Slow answers come {rate.factor:g} times as often as the objective allows (95 % under 60 ms), "
        f"over {rate.long} and still over the last {rate.short}.",
        board=Board.API,
        labels={"window": rate.long},
        consequence_of=(SAFE_MODE_ON, SCORE_WORKER_ABSENT),
    )


OBJECTIVES: Final = RuleGroup(
    "shrike-objectives",
    recordings=_recordings(),
    alerts=(
        *(_availability(rate) for rate in BURN_RATES),
        *(_latency(rate) for rate in BURN_RATES),
        Alert(
            name="ScoreLatencyHigh",
            severity=Severity.WARNING,
            expression=f"score:latency_seconds:p95_5m > {LATENCY_LIMIT_SECONDS} and score:requests:increase5m >= 20",
            wait="5m",
            summary="p95 of /predictions/score is {{ $value | humanizeDuration }}",
            description="For five minutes, one scoring request of twenty has taken longer than 60 ms.",
            board=Board.API,
            consequence_of=(SAFE_MODE_ON, SCORE_WORKER_ABSENT),
        ),
    ),
)
