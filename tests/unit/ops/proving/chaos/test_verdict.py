from collections.abc import Mapping
from typing import Any

from ops.proving.chaos.clients.ledger import Attempt, Ledger, Sent
from ops.proving.chaos.fault import Fault, Struck, Trial
from ops.proving.chaos.report import as_json, row
from ops.proving.chaos.verdict import broken_promises, delays, differing

BOUND = 7.0
FAULT = Fault("a", "nothing", lambda _scene: Struck(0.0))
ANSWER = {"decision": "approve", "score": 0.1, "scored_at": "2026-01-01T00:00:00.000Z"}


def ledger_of(*attempts: Attempt, answer: Mapping[str, Any] | None = None) -> Ledger:
    ledger, sent = Ledger(), Sent("t", b"{}")
    for attempt in attempts:
        sent.note(attempt, answer if attempt.is_answer else None)
    ledger.open(sent)
    return ledger


def test_a_quiet_trial_breaks_nothing() -> None:
    ledger = ledger_of(Attempt(1.0, 0.1, 200), answer=ANSWER)
    trial = Trial(acknowledged=1)
    assert broken_promises(FAULT, trial, ledger) == []
    assert delays(FAULT, trial, ledger, bound_seconds=BOUND) == []


def test_each_broken_promise_is_named() -> None:
    ledger = ledger_of(Attempt(1.0, BOUND + 1, None), Attempt(9.0, 0.1, 500))
    trial = Trial(lost=1, mongo_duplicates=2, unknown=3, failed_first=1, recovery_seconds=99.0)
    broken = " | ".join(broken_promises(FAULT, trial, ledger))
    for expected in ("nothing was answered", "1 answered transactions are lost", "2 documents", "{'500 ': 1}"):
        assert expected in broken
    late = " | ".join(delays(FAULT, trial, ledger, bound_seconds=BOUND))
    for expected in ("3 transactions never", "1 requests waited longer", "1 requests ended without", "99.0 s after"):
        assert expected in late


def test_a_fault_that_must_fail_nothing_fails_with_one_failure() -> None:
    strict = Fault("a", "nothing", lambda _scene: Struck(0.0), recovery_seconds=None)
    ledger = ledger_of(Attempt(1.0, 0.1, 503, "unavailable"), Attempt(9.0, 0.1, 200), answer=ANSWER)
    (delay,) = delays(strict, Trial(acknowledged=1, failed_first=1), ledger, bound_seconds=BOUND)
    assert "503 unavailable" in delay


def test_another_decision_in_a_retry_or_in_the_store_is_found() -> None:
    sent = Sent("t", b"{}")
    sent.note(Attempt(1.0, 0.1, 200), ANSWER)
    assert differing([sent], {"t": {"decision": "approve", "score": 0.1}}) == []
    assert len(differing([sent], {"t": {"decision": "decline", "score": 0.1}})) == 1
    sent.note(Attempt(2.0, 0.1, 200), ANSWER | {"score": 0.2})
    assert len(differing([sent], {})) == 1


def test_the_report_adds_trials_up() -> None:
    total = Trial()
    for seconds in (0.5, 2.25):
        total.add(Trial(runs=1, acknowledged=10, duplicated=1, recovery_seconds=seconds, notes=["seen"]))
    (entry,) = as_json({"a": total})["faults"]
    assert entry == {
        "name": "a", "runs": 2, "acknowledged": 20, "lost": 0, "duplicated": 2, "mongo_duplicates": 0, "unknown": 0,
        "failed_first": 0, "recovery_seconds": 2.25, "note": "seen", "ok": True,
    }  # fmt: skip
    assert row("a", total).endswith(" as expected")
    total.add(Trial(delays=["late"]))
    assert not as_json({"a": total})["faults"][0]["ok"]
    assert row("a", total).endswith("NOT AS EXPECTED")
