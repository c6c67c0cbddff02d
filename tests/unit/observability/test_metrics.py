"""The names and labels that dashboards, alerts and the contract rely on."""

import pytest
from prometheus_client import Gauge, Histogram

from observability.metrics_document import defined_metrics

CONTRACT = {
    "fraud_backend_requests_total": ("method", "path", "status"),
    "fraud_backend_request_latency_seconds": ("method", "path"),
    "request_latency_ms": ("method", "path"),
    "fraud_inference_requests_total": ("outcome",),
    "fraud_inference_request_latency_seconds": ("component",),
    "infer_request_latency_ms": ("component",),
    "model_decisions_total": ("decision", "channel", "model_version"),
    "model_score": ("model_version",),
    "auth_failures_total": ("reason",),
    "jwt_validations_total": ("result",),
    "jwt_failures_total": ("reason",),
    "hmac_verifications_total": ("result",),
    "rate_limit_block_total": ("bucket",),
    "mongo_write_ms": (),
    "redis_ops_total": ("operation",),
    "safe_mode_state": ("service",),
    "psi_feature": ("feature",),
    "psi_score": (),
    "drift_alerts_total": ("kind",),
    "celery_queue_length": ("queue",),
    "celery_queue_oldest_seconds": ("queue",),
    "celery_queue_consumers": ("queue",),
    "celery_queue_wait_seconds": ("queue",),
    "celery_task_runtime_seconds": ("task",),
    "celery_task_total": ("task", "state"),
    "celery_worker_up": ("queue",),
    "outbox_lag": ("sink",),
    "outbox_oldest_seconds": ("sink",),
    "outbox_dead_letters_total": ("sink",),
    "explanations_stored_total": ("sink",),
    "predictions_published_total": ("sink",),
    "circuit_breaker_state": ("dependency",),
    "kafka_delivery_failures_total": ("topic",),
    "model_info": ("model_version", "manifest_hash"),
    "model_load_failures_total": ("check",),
}


def test_every_metric_of_the_contract_is_defined_with_its_labels() -> None:
    labels = {name: metric._labelnames for name, metric in defined_metrics().items()}
    assert {name: labels.get(name) for name in CONTRACT} == CONTRACT


def test_every_metric_has_help() -> None:
    assert all(metric._documentation.endswith(".") for metric in defined_metrics().values())


@pytest.mark.parametrize("name", ["request_latency_ms", "infer_request_latency_ms", "mongo_write_ms"])
def test_histograms_have_the_unit_of_their_name(name: str) -> None:
    histogram = defined_metrics()[name]
    assert isinstance(histogram, Histogram)
    assert histogram._kwargs["buckets"][-1] >= 1000
    if name != "mongo_write_ms":
        seconds = {"request_latency_ms": "fraud_backend_request_latency_seconds"}.get(
            name, "fraud_inference_request_latency_seconds"
        )
        assert [1000 * bound for bound in defined_metrics()[seconds]._kwargs["buckets"]] == pytest.approx(
            list(histogram._kwargs["buckets"])
        )


def test_no_gauge_has_a_series_per_process() -> None:
    """A gauge per process id would leave a new time series behind with every restart."""
    gauges = [metric for metric in defined_metrics().values() if isinstance(metric, Gauge)]
    assert gauges
    assert {gauge._multiprocess_mode for gauge in gauges} <= {"livemax", "mostrecent"}
