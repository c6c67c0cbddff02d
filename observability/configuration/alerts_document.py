"""`docs/alerts.md`, made from the alerts' definitions."""

from collections.abc import Iterator
from typing import Final

from observability.alerts.alert import RuleGroup
from observability.alerts.catalogue import GROUPS
from observability.alerts.slo import AVAILABILITY_BUDGET, BURN_RATES, LATENCY_BUDGET, LEAST_BAD_REQUESTS, LEAST_REQUESTS
from observability.configuration.rules_file import RUNBOOKS

_HEADER: Final = """\
# Alerts

Written by `make observability` from `observability/alerts/`; a test compares both. What people tell apart:
`critical` wakes somebody, `warning` waits for the morning, `none` is for machines. Each alert has a runbook.

| file | read by |
| --- | --- |
| `observability/prometheus/rules.yml` | Prometheus 2.42 or newer (`rule_files`) |
| `observability/alertmanager/alertmanager.yml` | Alertmanager 0.25 or newer |
| `observability/grafana/*.json` | Grafana 10 or newer: the dashboards that alerts lead to |

For an installation of your own, `python -m ops observability --out FOLDER` writes the same files with your addresses:
`--grafana-url`, `--runbooks-url`, `--email-to`, `--slack-channel`, `--webhook-url`, `--heartbeat-url`, and `--receiver`
once for each kind that you have. Secrets are files in `--secrets FOLDER`; the head of the configuration names them.

A `prometheus.yml` that reads them. Names of scrape jobs begin with `shrike`; the external label `environment` keeps
alerts of one installation from silencing those of another. The ports of workers and beat stand in
[operations.md](operations.md#metrics-and-health-of-workers); the token comes from
`python -m ops token --role metrics --days 30 --out FILE` ([authentication.md](authentication.md)).

```yaml
global: {scrape_interval: 15s, external_labels: {environment: production}}
rule_files: [observability/prometheus/rules.yml]
alerting: {alertmanagers: [{static_configs: [{targets: ["localhost:9093"]}]}]}
scrape_configs:
  - job_name: shrike-web
    authorization: {credentials_file: /etc/prometheus/metrics.token}
    static_configs: [{targets: ["localhost:8080"]}]
  - job_name: shrike-workers
    static_configs:
      - targets: ["localhost:17101", "localhost:17102", "localhost:17201", "localhost:17301", "localhost:17401",
                  "localhost:17501", "localhost:17901"]
```
"""

_SILENCED: Final = """\
## What silences what

While the alert on the left fires, those on the right are its consequences and disturb nobody. A critical alert also
silences the warning of the same name for the same thing.

| cause | consequences |
| --- | --- |"""


def alerts_document() -> str:
    """Returns the document, Markdown."""
    parts: list[str] = [_HEADER, *_objectives()]
    for group in GROUPS:
        parts += _group(group)
    return "\n".join([*parts, _SILENCED, *_consequences(), ""])


def _objectives() -> Iterator[str]:
    yield "## Objectives"
    yield ""
    yield f"`POST /predictions/score`: {1 - AVAILABILITY_BUDGET:.1%} of the requests are answered below 500, and"
    yield f"{1 - LATENCY_BUDGET:.0%} within 60 ms, over 30 days. An alert needs at least {LEAST_REQUESTS} requests and"
    yield f"{LEAST_BAD_REQUESTS} bad ones in its long window."
    yield ""
    yield "| burn rate | over | and still over | severity |"
    yield "| --- | --- | --- | --- |"
    for rate in BURN_RATES:
        yield f"| {rate.factor:g} | {rate.long} | {rate.short} | {rate.severity} |"
    yield ""


def _group(group: RuleGroup) -> Iterator[str]:
    yield f"## {group.name}"
    yield ""
    yield "| alert | severity | after | meaning |"
    yield "| --- | --- | --- | --- |"
    for alert in group.alerts:
        link = f"[{alert.name}](../{RUNBOOKS}/{alert.name}.md)"
        yield f"| {link} | {alert.severity} | {alert.wait} | {alert.description} |"
    yield ""


def _consequences() -> Iterator[str]:
    alerts = [alert for group in GROUPS for alert in group.alerts]
    for cause in dict.fromkeys(cause for alert in alerts for cause in alert.consequence_of):
        names = dict.fromkeys(alert.name for alert in alerts if cause in alert.consequence_of)
        yield f"| `{cause}` | {', '.join(f'`{name}`' for name in names)} |"
