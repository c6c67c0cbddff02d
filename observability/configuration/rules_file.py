"""`observability/prometheus/rules.yml`: the recording rules and alerts as Prometheus reads them."""

from typing import Any, Final

from observability.alerts.alert import Alert, Recording, RuleGroup
from observability.alerts.catalogue import GROUPS
from observability.configuration.site import Site
from observability.configuration.yaml_text import yaml_text

RUNBOOKS: Final = "ops/runbooks"

_HEADING: Final = """\
Recording rules and alerts of Shrike, written by `make observability` from observability/alerts/.
Change them there; an installation's own addresses are options of `python -m ops observability`."""


def rules_file(site: Site) -> str:
    """Returns the content."""
    return yaml_text({"groups": [_group(group, site) for group in GROUPS]}, heading=_HEADING)


def _group(group: RuleGroup, site: Site) -> dict[str, Any]:
    rules = [_recording(rule) for rule in group.recordings] + [_alert(alert, site) for alert in group.alerts]
    return {"name": group.name, "interval": group.interval, "rules": rules}


def _recording(rule: Recording) -> dict[str, Any]:
    return {"record": rule.name, "expr": rule.expression}


def _alert(alert: Alert, site: Site) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.wait,
        "labels": {"severity": alert.severity.value, **alert.labels},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook": f"{RUNBOOKS}/{alert.name}.md",
            "runbook_url": f"{site.runbooks_url}/{alert.name}.md",
            "dashboard_url": f"{site.grafana_url}/d/{alert.board}",
        },
    }
