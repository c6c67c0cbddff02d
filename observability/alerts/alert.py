"""What an alert, a recording rule and a group of both consist of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """Who is disturbed: critical wakes somebody, warning waits for the morning, none is for machines."""

    CRITICAL = "critical"
    WARNING = "warning"
    NONE = "none"


class Board(StrEnum):
    """The dashboards, by uid; each alert leads to one."""

    OVERVIEW = "shrike-overview"
    API = "shrike-api"
    SECURITY = "shrike-security"
    SCORES = "shrike-scores"
    SYSTEM = "shrike-system"
    INFERENCE = "shrike-inference"
    CELERY = "shrike-celery"


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording rule: the value of `expression`, kept under `name`."""

    name: str
    expression: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alerting rule. Its runbook is `ops/runbooks/<name>.md`.

    Attributes:
        name: alerts that differ only in severity or window share a name, and so a runbook.
        expression: PromQL; every series that it returns is an alert.
        wait: for how long the expression must hold, a Prometheus duration.
        summary: one line, for a telephone; may use Prometheus's templates.
        description: what is going on and what it costs.
        board: the dashboard that shows it.
        labels: further labels.
        consequence_of: alerts that explain this one; while one of them fires, this one disturbs nobody.
    """

    name: str
    severity: Severity
    expression: str
    summary: str
    description: str
    board: Board
    wait: str = "0s"
    labels: Mapping[str, str] = field(default_factory=dict)
    consequence_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that are evaluated together, one after the other, every `interval`."""

    name: str
    alerts: tuple[Alert, ...] = ()
    recordings: tuple[Recording, ...] = ()
    interval: str = "15s"


SAFE_MODE_ON: Final = "SafeModeOn"
SCORE_WORKER_ABSENT: Final = "ScoreWorkerAbsent"
REDIS_REFUSES: Final = "RedisRefusing"
"""Alerts that explain others."""
