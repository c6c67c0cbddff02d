"""`observability/alertmanager/alertmanager.yml`: who is told of which alert, and which alerts keep silent meanwhile."""

from collections.abc import Iterator
from typing import Any, Final

from observability.alerts.alert import Severity
from observability.alerts.catalogue import all_alerts
from observability.alerts.scraping import WATCHDOG
from observability.configuration.site import Site
from observability.configuration.yaml_text import yaml_text

_HEADING: Final = """\
Alertmanager of Shrike, written by `make observability` from observability/. Secrets are read from files:
  pagerduty_routing_key, slack_api_url, smtp_password, webhook_token, heartbeat_token
Alertmanager starts without them; what needs a missing one fails, is logged, and the others are told all the same.
Addresses are options of `python -m ops observability`; `--receiver` names those that an installation has."""

RECEIVERS: Final = ("pagerduty", "slack", "email", "webhook")

_OF_PAGES: Final = ("pagerduty", "slack", "webhook")
_OF_TICKETS: Final = ("slack", "email", "webhook")

_SAME_PLACE: Final = ["environment"]
"""External label of a Prometheus: one Alertmanager may serve several installations."""

_SAME_THING: Final = [*_SAME_PLACE, "alertname", "queue", "sink", "dependency", "service", "instance"]

_TITLE: Final = "[{{ .Status | toUpper }}] {{ .CommonLabels.alertname }} ({{ .Alerts | len }})"
_TEXT: Final = (
    "{{ range .Alerts }}{{ .Annotations.summary }}\n{{ .Annotations.description }}\n"
    "Runbook: {{ .Annotations.runbook_url }}\nDashboard: {{ .Annotations.dashboard_url }}\n\n{{ end }}"
)


def alertmanager_file(site: Site, receivers: tuple[str, ...] = RECEIVERS) -> str:
    """Returns the content, for an installation that has these receivers."""
    content = {
        "global": {"resolve_timeout": "5m"},
        "route": _routes(),
        "inhibit_rules": list(_inhibitions()),
        "receivers": [
            {"name": "page", **_integrations(site, _chosen(_OF_PAGES, receivers))},
            {"name": "ticket", **_integrations(site, _chosen(_OF_TICKETS, receivers))},
            {"name": "heartbeat", "webhook_configs": [_webhook(site, site.heartbeat_url, "heartbeat_token")]},
        ],
    }
    return yaml_text(content, heading=_HEADING)


def _routes() -> dict[str, Any]:
    return {
        "receiver": "ticket",
        "group_by": ["environment", "alertname"],
        "group_wait": "30s",
        "group_interval": "5m",
        "repeat_interval": "12h",
        "routes": [
            {
                "matchers": [f'alertname="{WATCHDOG}"'],
                "receiver": "heartbeat",
                "group_wait": "0s",
                "group_interval": "1m",
                "repeat_interval": "50s",
            },
            {
                "matchers": [f'severity="{Severity.CRITICAL}"'],
                "receiver": "page",
                "group_wait": "10s",
                "repeat_interval": "1h",
            },
        ],
    }


def _inhibitions() -> Iterator[dict[str, Any]]:
    yield {
        "source_matchers": [f'severity="{Severity.CRITICAL}"'],
        "target_matchers": [f'severity="{Severity.WARNING}"'],
        "equal": _SAME_THING,
    }
    consequences: dict[str, list[str]] = {}
    for alert in all_alerts():
        for cause in alert.consequence_of:
            if alert.name not in consequences.setdefault(cause, []):
                consequences[cause].append(alert.name)
    for cause, names in consequences.items():
        yield {
            "source_matchers": [f'alertname="{cause}"'],
            "target_matchers": [f'alertname=~"{"|".join(names)}"'],
            "equal": _SAME_PLACE,
        }


def _chosen(suitable: tuple[str, ...], receivers: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the suitable receivers that an installation has; all that it has rather than none."""
    return tuple(name for name in suitable if name in receivers) or receivers


def _integrations(site: Site, names: tuple[str, ...]) -> dict[str, Any]:
    makers = {"pagerduty": _pagerduty, "slack": _slack, "email": _email, "webhook": _webhook_of_alerts}
    return {f"{name}_configs": [makers[name](site)] for name in names}


def _pagerduty(site: Site) -> dict[str, Any]:
    return {
        "routing_key_file": f"{site.secrets}/pagerduty_routing_key",
        "description": _TITLE,
        "details": {"text": _TEXT},
        "send_resolved": True,
    }


def _slack(site: Site) -> dict[str, Any]:
    return {
        "api_url_file": f"{site.secrets}/slack_api_url",
        "channel": site.slack_channel,
        "title": _TITLE,
        "text": _TEXT,
        "send_resolved": True,
    }


def _email(site: Site) -> dict[str, Any]:
    return {
        "to": site.email_to,
        "from": site.email_from,
        "smarthost": site.smarthost,
        "auth_username": site.email_from,
        "auth_password_file": f"{site.secrets}/smtp_password",
        "headers": {"Subject": _TITLE},
        "text": _TEXT,
        "send_resolved": True,
    }


def _webhook_of_alerts(site: Site) -> dict[str, Any]:
    return _webhook(site, site.webhook_url, "webhook_token")


def _webhook(site: Site, url: str, token: str) -> dict[str, Any]:
    # Alertmanager 0.25 reads no URL of a webhook from a file: the secret is the token, the URL is none.
    authorization = {"credentials_file": f"{site.secrets}/{token}"}
    return {"url": url, "http_config": {"authorization": authorization}, "send_resolved": True}
