"""All dashboards, and what stands on none of them."""

from collections.abc import Mapping
from typing import Final

from observability.dashboards.api import API
from observability.dashboards.celery import CELERY
from observability.dashboards.inference import INFERENCE
from observability.dashboards.overview import OVERVIEW
from observability.dashboards.panel import Dashboard
from observability.dashboards.scores import SCORES
from observability.dashboards.security import SECURITY
from observability.dashboards.system import SYSTEM

DASHBOARDS: Final[tuple[Dashboard, ...]] = (OVERVIEW, API, SECURITY, SCORES, SYSTEM, INFERENCE, CELERY)

FOREIGN_METRICS: Final[Mapping[str, str]] = {
    "up": "Prometheus",
    "ALERTS": "Prometheus",
    "process_cpu_seconds_total": "the Python client, in workers",
    "process_resident_memory_bytes": "the Python client, in workers",
    "redis_memory_used_bytes": "github.com/oliver006/redis_exporter, from INFO memory: used_memory",
    "redis_memory_max_bytes": "github.com/oliver006/redis_exporter, from INFO memory: maxmemory",
    "node_cpu_seconds_total": "github.com/prometheus/node_exporter, collector cpu",
    "node_filesystem_avail_bytes": "github.com/prometheus/node_exporter, collector filesystem",
    "node_filesystem_size_bytes": "github.com/prometheus/node_exporter, collector filesystem",
}
"""Metrics that are none of ours, and whose they are."""
