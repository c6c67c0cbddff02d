import pytest

from security.safe_mode.safe_mode import SafeModeState
from tasks.upkeep.queue_status import QueueStatus, WorkerStatus
from web.status.overview import Level, Overview
from web.status.samples import Window
from web.status.sections import Observed, overview

QUEUES = ("score", "explain", "publish", "labels", "retrain")
QUIET = Window(30, {}, {}, {})


def seen(window: Window = QUIET, *, breakers: dict[str, float] | None = None, **parts: object) -> Overview:
    workers = [WorkerStatus(f"{queue}@a", queue, "v1" if queue == "score" else None, 1.0) for queue in QUEUES]
    observed = {
        "at": 100.0,
        "window": window,
        "safe_mode": SafeModeState(enabled=False),
        "rules_decide": False,
        "perf_mode": False,
        "breakers": breakers or {},
        "workers": workers,
        "queues": [],
        "lags": {},
        "versions": [],
    }
    return overview(Observed(**(observed | parts)))  # type: ignore[arg-type]


def sentences(shown: Overview) -> list[str]:
    return [finding.sentence for finding in shown.findings]


def answered(count: float, *, failed: float = 0.0, seconds: str = "0.01") -> Window:
    return Window(30, {"200": count - failed, "503": failed}, {seconds: count, "+Inf": count}, {})


def test_slow_and_failed_answers_are_named() -> None:
    assert sentences(seen(answered(100, failed=2))) == ["2.0% of the scoring requests were answered with 5xx."]
    assert sentences(seen(answered(100, seconds="0.1"))) == ["p95 of scoring is 95 ms, above 60 ms."]


def test_one_percent_of_failures_and_a_few_slow_answers_are_none() -> None:
    assert seen(answered(100, failed=1)).level is Level.OK
    assert seen(answered(19, failed=3, seconds="0.1")).level is Level.OK


@pytest.mark.parametrize(
    ("dependency", "state", "level"),
    [("redis", 2, Level.BAD), ("scoring", 2, Level.BAD), ("redis", 1, Level.WARN), ("mongo", 2, Level.WARN)],
)
def test_an_open_breaker_is_as_bad_as_what_it_stops(dependency: str, state: int, level: Level) -> None:
    assert seen(breakers={dependency: state, "other": 0}).level is level


def test_rules_that_decide_in_safe_mode_keep_scoring() -> None:
    state = SafeModeState(enabled=True, reason="forged", by="guard", since="2026-11-26T11:00:00Z")
    assert seen(safe_mode=state, rules_decide=True).level is Level.WARN
    assert seen(safe_mode=state).level is Level.BAD


def test_a_message_that_waits_too_long_is_named_but_not_behind_a_training() -> None:
    for queue, waited, is_named in (("score", 1.5, True), ("score", 0.9, False), ("explain", 59.0, False)):
        assert bool(sentences(seen(queues=[QueueStatus(queue, 3, waited, 1)]))) is is_named
    assert sentences(seen(queues=[QueueStatus("retrain", 3, 900.0, 1)])) == []
    assert sentences(seen(queues=[QueueStatus("retrain", 3, 900.0, 0)])) != []


def test_what_stops_scoring_stands_before_what_does_not() -> None:
    shown = seen(answered(100, failed=50), workers=[])
    assert shown.findings[0].level is Level.BAD
    assert shown.verdict == "Not well: 6 things need attention."


def test_a_process_that_scores_by_itself_needs_no_score_worker() -> None:
    workers = [WorkerStatus(f"{queue}@a", queue, None, 1.0) for queue in QUEUES[1:]]
    assert seen(workers=workers, scores_itself=True, own_model="v1").level is Level.OK
    assert seen(workers=workers, scores_itself=True).level is Level.BAD
