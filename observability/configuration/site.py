"""What differs between installations: where dashboards and runbooks are, and who is told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One installation.

    Attributes:
        grafana_url: where people open Grafana, without a slash at the end.
        runbooks_url: folder of the runbooks, as people open it; their source is `ops/runbooks`.
        email_from: sender of mails.
        email_to: receivers of mails, separated by commas.
        smarthost: `host:port` of the mail server; it is spoken to with STARTTLS.
        slack_channel: where alerts are posted.
        webhook_url: what gets every alert as JSON.
        heartbeat_url: what gets the `Watchdog` every minute, and raises alarm when it stops coming.
        secrets: folder that holds the files with Alertmanager's secrets.
    """

    grafana_url: str = "http://localhost:3000"
    runbooks_url: str = "http://localhost:8000/ops/runbooks"
    email_from: str = "shrike@localhost"
    email_to: str = "oncall@localhost"
    smarthost: str = "localhost:587"
    slack_channel: str = "#shrike-alerts"
    webhook_url: str = "http://localhost:9095/alerts"
    heartbeat_url: str = "http://localhost:9095/heartbeat"
    secrets: str = "/run/secrets"  # nosec B105


DEVELOPMENT = Site()
"""For which the files in the repository are written."""
