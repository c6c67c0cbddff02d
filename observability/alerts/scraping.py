"""Alerts on the monitoring itself."""

from typing import Final

from observability.alerts.alert import Alert, Board, RuleGroup, Severity

JOBS: Final = 'job=~"shrike.*"'
"""Scrape jobs of the platform begin with its name."""

WATCHDOG: Final = "Watchdog"

SCRAPING: Final = RuleGroup(
    "shrike-scraping",
    alerts=(
        Alert(
            name="ScrapeFailing",
            severity=Severity.WARNING,
            expression=f"up{{{JOBS}}} == 0",
            wait="5m",
            summary="{{ $labels.job }} at {{ $labels.instance }} cannot be scraped",
            description="The process is gone, its port is another one, or the scraper's token is not accepted.",
            board=Board.SYSTEM,
            consequence_of=("ApiAbsent",),
        ),
        Alert(
            name="ScrapeTokenExpires",
            severity=Severity.WARNING,
            # Workers take no token, and show the 0 that a gauge begins with.
            expression="min(min_over_time(scrape_credentials_expiry_timestamp_seconds[5m]) > 0) - time() < 3 * 86400",
            summary="The scraper's token expires in {{ $value | humanizeDuration }}",
            description="After that the API's metrics, and with them most alerts, are gone.",
            board=Board.SYSTEM,
        ),
        Alert(
            name=WATCHDOG,
            severity=Severity.NONE,
            expression="vector(1)",
            summary="Alerts arrive",
            description="Fires always. Something outside must notice when it no longer arrives: then Prometheus or "
            "Alertmanager is down.",
            board=Board.OVERVIEW,
        ),
    ),
)
