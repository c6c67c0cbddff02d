import json
from typing import Any

import orjson
import pytest

from ml.data.simulator import simulate
from ops.client import Answer
from ops.proving.demo.arrivals import Arrivals
from ops.proving.demo.live import REPLAYED_ORIGINAL, VALID, LiveTraffic, build_traffic
from ops.proving.demo.report import Report, Seconds, build_report, summary
from ops.proving.demo.tally import Tally
from ops.proving.traffic import Outcome, Shot

REASON = {"code": "NEW_TERMINAL", "feature": "f", "value": 1.0, "contribution": 1.0, "text": "never paid here before"}


def decision(transaction_id: str, *, is_fraud: bool) -> dict[str, Any]:
    return {
        "transaction_id": transaction_id,
        "decision": "decline" if is_fraud else "approve",
        "score": 0.9 if is_fraud else 0.1,
        "reasons": [REASON],
        "model_version": "v20260101T000000-abcdef",
    }


def answer_of(shot: Shot, traffic: LiveTraffic) -> Answer:
    """Answers as a perfect platform would."""
    problem = {"malformed": "invalid-body", "unsigned": "signature-rejected", "replayed": "replayed"}.get(shot.kind)
    if problem:
        return Answer(422, {}, json.dumps({"type": f"/docs#problem-{problem}"}).encode())
    transaction_id = orjson.loads(shot.body)["transaction_id"]
    return Answer(200, {}, json.dumps(decision(transaction_id, is_fraud=traffic.is_fraud[transaction_id])).encode())


@pytest.fixture(scope="module")
def traffic() -> LiveTraffic:
    # The third pattern's thefts are the only frauds of so short a time.
    return build_traffic(simulate(customers=200, terminals=100, days=8, seed=3).select(slice(-600, None)), run="r")


@pytest.fixture
def tally(traffic: LiveTraffic) -> Tally:
    tally = Tally()
    for number, shot in enumerate(traffic.shots):
        tally.count(Outcome(shot, answer_of(shot, traffic), (number + 1) / 1000))
    return tally


def report_of(tally: Tally, traffic: LiveTraffic, *, lost: int = 0) -> Report:
    arrived = Arrivals(len(tally.decisions) - lost)
    return build_report(
        tally=tally, traffic=traffic, stored=arrived, published=arrived, seconds=Seconds(1, 2, 3), data={"name": "x"}
    )


def test_a_perfect_run_is_a_success(tally: Tally, traffic: LiveTraffic) -> None:
    report = report_of(tally, traffic)
    assert report.is_success
    assert report.answered == report.stored == report.published == len(traffic.transactions)
    assert report.refused == {"invalid-body": 20, "replayed": 1, "signature-rejected": 20}
    assert (report.errors, report.auc, report.average_precision) == (0, 1.0, 1.0)
    assert report.frauds["scored"] == report.frauds["caught"] > 0


def test_the_report_has_every_promised_key(tally: Tally, traffic: LiveTraffic) -> None:
    wire = json.loads(json.dumps(report_of(tally, traffic).wire()))
    assert wire.keys() >= {
        "answered", "stored", "published", "refused", "errors", "latency_ms", "auc", "average_precision",
        "model_version", "seconds",
    }  # fmt: skip
    assert wire["latency_ms"].keys() == {"p50", "p95", "p99"}
    assert wire["seconds"] == {"setup": 1, "train": 2, "run": 3}


def test_a_lost_transaction_is_no_success(tally: Tally, traffic: LiveTraffic) -> None:
    assert not report_of(tally, traffic, lost=1).is_success


@pytest.mark.parametrize("kind", [VALID, REPLAYED_ORIGINAL])
def test_a_valid_transaction_that_is_refused_is_an_error(kind: str, tally: Tally, traffic: LiveTraffic) -> None:
    tally.count(Outcome(Shot(kind, "/", b""), Answer(503, {}, b'{"detail": "busy"}'), 0.1))
    report = report_of(tally, traffic)
    assert report.errors == 1
    assert not report.is_success
    assert tally.errors == ["a valid transaction got 503: busy"]


def test_an_unanswered_request_is_an_error(tally: Tally, traffic: LiveTraffic) -> None:
    tally.count(Outcome(Shot("unsigned", "/", b""), None, 0.1, "no answer"))
    assert report_of(tally, traffic).errors == 1


def test_an_accepted_forgery_is_one_error(traffic: LiveTraffic) -> None:
    tally = Tally()
    forged = next(shot for shot in traffic.shots if shot.kind == "unsigned")
    for shot in traffic.shots:
        answer = Answer(200, {}, b"{}") if shot is forged else answer_of(shot, traffic)
        tally.count(Outcome(shot, answer, 0.1))
    assert report_of(tally, traffic).errors == 1


def test_the_summary_names_frauds_reasons_refusals_and_urls(tally: Tally, traffic: LiveTraffic) -> None:
    text = summary(
        report_of(tally, traffic),
        tally=tally,
        traffic=traffic,
        urls={"api": "http://127.0.0.1:8080"},
        next_steps={"var/demo-report.json": "as JSON", "make up": "again", "a command that is long" * 2: "below"},
    )
    for expected in (
        "var/demo-report.json        as JSON",
        "make up                     again",
        "long\n                              below",
    ):
        assert expected in text
    for expected in ("never paid here before", "decline", "signature-rejected", "http://127.0.0.1:8080", "p99", "ecom"):
        assert expected in text


def test_a_run_without_any_answer_has_a_summary_too(traffic: LiveTraffic) -> None:
    tally = Tally()
    for shot in traffic.shots:
        tally.count(Outcome(shot, None, 0.1, "refused"))
    report = report_of(tally, traffic)
    assert not report.is_success
    assert report.auc is None
    assert "nothing was answered" in summary(report, tally=tally, traffic=traffic, urls={}, next_steps={})
