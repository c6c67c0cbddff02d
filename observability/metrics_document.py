"""`docs/metrics.md`, made from the metrics' definitions: the table cannot disagree with the code."""

from collections.abc import Iterator
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

from observability import metrics

LABELS = {
    "bucket": "`subject` (its requests), `transactions` (of a subject) or `device`",
    "channel": "the transaction's channel: `pos`, `ecom`, `atm`, `transfer` or `mobile`",
    "check": "the loader's check, such as `signature`, `hash` or `golden`; or `registry`, `revoked`",
    "code": "the first word of Redis's answer, such as `READONLY`",
    "component": "`queue`, `features`, `model` or `total`",
    "decision": "`approve`, `review` or `decline`",
    "dependency": "`scoring` (`scoring-<shard>` where there are shards), `redis` (admission) or `mongo`",
    "feature": "a feature's name",
    "kind": "`feature` or `score`",
    "manifest_hash": "SHA-256 of the version's manifest",
    "fault": "`missing`, `altered` (not sealed by us) or `older` (than what the process knows)",
    "method": "HTTP method; `OTHER` for one that is not known",
    "model_version": "id of a model version",
    "operation": "a Redis command in lower case, or `pipeline`",
    "outcome": "what became of a transaction, see the meaning",
    "path": "the route's template, never the path itself; `(unmatched)` where no route matches",
    "queue": "a Celery queue (`<queue>-<shard>` for a shard's own); empty for a queue that belongs to one worker",
    "reason": "one fixed word, such as `token_expired`; it never holds text of the caller's",
    "result": "see the meaning",
    "service": "`web`, `beat` or the queue of a worker",
    "sink": "`mongo`, `kafka` or `labels`",
    "state": "see the meaning",
    "status": "HTTP status",
    "task": "a task's name; `(unknown)` and `(unreadable)` for messages that are no task of ours",
    "topic": "a Kafka topic, or `all`",
}
"""What the values of each label are."""

_UNITS = {"_seconds": "seconds", "_ms": "milliseconds", "_total": "count", "_lag": "entries", "_length": "messages"}

_HEADER = """\
# Metrics

Written by `python -m ops metrics > docs/metrics.md` from `observability/metrics.py`; a test compares both.

`GET /metrics` shows those of all web processes together; each worker shows its own on its metrics port, together with
the Python client's `python_*` and `process_*`. Every label has few values.
"""


def document() -> str:
    """Returns the document, Markdown."""
    return "\n".join([_HEADER, *_metrics_table(), "", "## Labels", "", *_labels_table(), ""])


def defined_metrics() -> dict[str, MetricWrapperBase]:
    """Returns every metric by the name under which it is exposed, in the order of definition."""
    found = (value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase))
    return {_exposed_name(metric): metric for metric in found}


def label_names(metric: MetricWrapperBase) -> tuple[str, ...]:
    """Returns the names of a metric's labels."""
    names: tuple[str, ...] = metric._labelnames  # noqa: SLF001 - the client library shows them nowhere else
    return names


def _metrics_table() -> Iterator[str]:
    yield "| metric | type | unit | labels | meaning |"
    yield "| --- | --- | --- | --- | --- |"
    for name, metric in defined_metrics().items():
        described = _description(metric)
        labels = ", ".join(f"`{label}`" for label in label_names(metric))
        yield f"| `{name}` | {described.type} | {_unit(name)} | {labels} | {described.documentation} |"


def _labels_table() -> Iterator[str]:
    yield "| label | values |"
    yield "| --- | --- |"
    for name, values in sorted(LABELS.items()):
        yield f"| `{name}` | {values} |"


def _exposed_name(metric: MetricWrapperBase) -> str:
    described = _description(metric)
    return f"{described.name}_total" if described.type == "counter" else str(described.name)


def _description(metric: MetricWrapperBase) -> Any:
    return next(iter(metric.describe()))


def _unit(name: str) -> str:
    return next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "")
