"""`scoring.score`: one message carries a batch of transactions; the answer goes to the sender's reply list."""

import logging
import math
import time
from collections import Counter, defaultdict
from functools import cache
from typing import Any

import orjson
from prometheus_client import Histogram

from ml.domain.scoring_batch import ScoringBatch, ScoringRequest
from ml.policy.safe_mode_rules import RULES_VERSION
from ml.serving.pipeline import BatchReport, ScoringPipeline
from observability import metrics
from observability.batches import observe_all
from settings.queues import SCORE_TASK
from tasks.app import app
from tasks.losses.recent_answers import RecentAnswers
from tasks.messaging.doorbells import send_doorbells
from tasks.services import require

_log = logging.getLogger(__name__)


@app.task(name=SCORE_TASK, bind=True)
def score(self: Any, payload: str) -> None:
    """Scores a batch, whose message `SealedTask` has checked, and sends the drains' doorbells."""
    started = time.perf_counter()
    report = require(ScoringPipeline).score(_batch(self.request, payload))
    conclude(report, time.perf_counter() - started)


def conclude(report: BatchReport, seconds: float) -> None:
    """Finishes a batch that was scored and answered: measures, logs and remembers it, and sends the drains' doorbells.

    Args:
        report: of the batch.
        seconds: how long scoring it took.
    """
    require(RecentAnswers).note(report.recorded)
    _measure(report, seconds)
    if report.commit is not None and report.commit.doorbells:
        send_doorbells(*report.commit.doorbells)


def _batch(request: Any, payload: str) -> ScoringBatch:
    content = orjson.loads(payload)
    return ScoringBatch(
        batch_id=request.id,
        reply_to=content["reply_to"],
        deadline_ms=request.headers["deadline_ms"],
        sent_ms=int(request.headers["sent_at"] * 1000),
        requests=tuple(ScoringRequest.from_wire(item) for item in content["items"]),
        recorded=content.get("recorded", True),
    )


@cache
def _latencies() -> tuple[tuple[Histogram, Histogram], ...]:
    """Returns the histograms of queue, features, model and total, in seconds and in milliseconds."""
    return tuple(
        (metrics.inference_latency_seconds.labels(component=name), metrics.inference_latency_ms.labels(component=name))
        for name in ("queue", "features", "model", "total")
    )


def _measure(report: BatchReport, seconds: float) -> None:
    """Counts and logs the decisions of a batch."""
    milliseconds = (report.queue_ms, report.features_ms, report.model_ms, seconds * 1000)
    for (in_seconds, in_milliseconds), value in zip(_latencies(), milliseconds, strict=True):
        in_seconds.observe(value / 1000)
        in_milliseconds.observe(value)
    for outcome, count in report.outcomes().items():
        metrics.inference_requests_total.labels(outcome=outcome).inc(count)
    if report.decisions:
        _count_decisions(report)
        _log_decisions(report)


def _count_decisions(report: BatchReport) -> None:
    kinds = Counter(
        (decision.decision.value, channel, decision.model_version)
        for decision, channel in zip(report.decisions, report.channels, strict=True)
    )
    for kind, count in kinds.items():
        metrics.decisions_total.labels(*kind).inc(count)
    scores: defaultdict[str, list[float]] = defaultdict(list)
    for decision in report.decisions:
        # One score that is no number would spoil the sum for ever.
        if decision.model_version != RULES_VERSION and math.isfinite(decision.score):
            scores[decision.model_version].append(decision.score)
    for model_version, values in scores.items():
        observe_all(_scores(model_version), values)


@cache
def _scores(model_version: str) -> Histogram:
    """Returns the histogram of a version's scores; there are as many as the metric has series."""
    return metrics.model_score.labels(model_version)


def _log_decisions(report: BatchReport) -> None:
    """Writes one line per batch: the API's access log has one per decision, and a line costs more than its scoring."""
    _log.info(
        "scored",
        extra={
            "transactions": len(report.decisions),
            "decisions": Counter(decision.decision.value for decision in report.decisions),
            "model_version": report.decisions[0].model_version,
            "correlation_ids": " ".join(report.correlation_ids),
            # The signature, of the message or of the request, and the hashes of a model were verified, or this line
            # would not be reached; rules have none.
            "sig_verified": True,
            "hash_verified": report.decisions[0].model_version != RULES_VERSION,
        },
    )
