"""All groups of rules, in the order in which people read about them."""

from typing import Final

from observability.alerts.alert import Alert, RuleGroup
from observability.alerts.api import API, SECURITY
from observability.alerts.delivery import DELIVERY, REDIS
from observability.alerts.scoring import DRIFT, MODEL
from observability.alerts.scraping import SCRAPING
from observability.alerts.slo import OBJECTIVES
from observability.alerts.workers import WORKERS

GROUPS: Final[tuple[RuleGroup, ...]] = (
    API,
    OBJECTIVES,
    SECURITY,
    MODEL,
    DRIFT,
    WORKERS,
    DELIVERY,
    REDIS,
    SCRAPING,
)


def all_alerts() -> tuple[Alert, ...]:
    """Returns the alerts of all groups."""
    return tuple(alert for group in GROUPS for alert in group.alerts)
