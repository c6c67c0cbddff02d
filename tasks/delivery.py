"""The three drains: each a doorbell that empties its consumer group's stream into a sink."""

import logging

from celery.worker import state as worker_state

from ml.delivery.backoff import Backoff
from ml.delivery.drain import DeliveryReport, DeliveryRules, drain
from ml.delivery.sinks import SINK_NAMES, ExplanationSink, LabelSink, PublicationSink
from ml.domain.errors import StoreUnavailableError
from ml.stores.outbox.outbox_redis import RedisOutbox
from observability import metrics
from tasks.app import app
from tasks.messaging.doorbells import send_doorbells
from tasks.services import require
from tasks.upkeep.audit import AuditCourier

_log = logging.getLogger(__name__)


@app.task(name="explanations.drain")
def drain_explanations() -> None:
    """Stores the explanations of answered transactions, and the events of SAFE MODE."""
    report = _drain("explain", require(ExplanationSink))
    metrics.explanations_stored_total.labels(sink="mongo").inc(report.delivered)
    for seconds in report.write_seconds:
        metrics.mongo_write_ms.observe(seconds * 1000)
    require(AuditCourier).carry()


@app.task(name="publishing.drain")
def drain_publications() -> None:
    """Publishes answered transactions."""
    report = _drain("publish", require(PublicationSink))
    metrics.predictions_published_total.labels(sink="kafka").inc(report.delivered)
    failures = report.refused + report.deferred
    if report.unavailable is not None or failures:
        metrics.kafka_delivery_failures_total.labels(topic="all").inc(max(1, failures))


@app.task(name="labels.apply")
def apply_labels() -> None:
    """Stores accepted labels and lets the features know them."""
    sink = require(LabelSink)
    before, rejected = sink.unmatched, sink.rejected.copy()
    _drain("labels", sink)
    for reason, count in (sink.rejected - rejected).items():
        metrics.auth_failures_total.labels(reason=reason).inc(count)
    metrics.labels_unmatched_total.inc(sink.unmatched - before)
    if sink.unmatched > before:
        _log.warning(
            "labels were stored but reach no features: their transactions are unknown here",
            extra={"labels": sink.unmatched - before},
        )


def _drain(group: str, sink: ExplanationSink | PublicationSink | LabelSink) -> DeliveryReport:
    outbox, backoff = require(RedisOutbox), require(Backoff)
    if backoff.is_waiting:
        return DeliveryReport()  # the next doorbell asks again; this one's mark stays, so that beat alone sends it
    report = drain(outbox, sink, group, rules=require(DeliveryRules), is_stopping=_is_stopping)
    if report.delivered or report.refused or report.buried:
        _log.info(
            "drained",
            extra={"sink": group, "delivered": report.delivered, "refused": report.refused, "buried": report.buried},
        )
    if report.deferred:
        _log.warning(
            "a part of the sink is unavailable",
            extra={"sink": group, "entries": report.deferred, "reason": report.deferred_for},
        )
    if report.buried:
        metrics.outbox_dead_letters_total.labels(sink=SINK_NAMES[group]).inc(report.buried)
        _log.error("entries went to the dead letters", extra={"sink": group, "buried": report.buried})
    backoff.note(is_available=report.unavailable is None)
    if report.unavailable is not None:
        _log.warning("the sink is unavailable", extra={"sink": group, "reason": report.unavailable})
    elif report.has_more:
        send_doorbells(group)
    _measure_lag(outbox, group)
    return report


def _is_stopping() -> bool:
    """Whether this worker is stopping: the drain ends after the batch in hand."""
    return worker_state.should_stop is not None or worker_state.should_terminate is not None


def _measure_lag(outbox: RedisOutbox, group: str) -> None:
    try:
        lag = outbox.lag()
    except StoreUnavailableError:
        return
    metrics.outbox_lag.labels(sink=SINK_NAMES[group]).set(lag.entries)
    metrics.outbox_oldest_seconds.labels(sink=SINK_NAMES[group]).set(lag.oldest_seconds)
