import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.domain.scoring_batch import ScoringRequest
from ml.domain.transaction import Transaction
from ml.stores.decisions.decisions import DecisionRecord
from tests.seals import DECISION_SEAL, STRANGERS_DECISION_SEAL
from web.http.errors import ConflictError, ScoringFailedError, UntrustedRecordError
from web.scoring.results import Scored, read_result, recorded_result

TRANSACTION = Transaction(
    transaction_id="t-1",
    timestamp=1_800_000_000,
    customer_id="c-1",
    terminal_id="terminal-1",
    amount="10",
    currency="EUR",
    channel="pos",
)
REQUEST = ScoringRequest(TRANSACTION, TRANSACTION.fingerprint(), "corr-1")
DECISION = {"transaction_id": "t-1", "decision": "approve", "score": 0.1}


def seal_of(decision: dict, seal: object = DECISION_SEAL) -> str:
    return seal.sign("t-1", REQUEST.fingerprint, orjson.dumps(decision))


@given(st.floats(allow_nan=False, allow_infinity=False), st.text())
def test_a_sealed_decision_is_believed_whatever_it_holds(score: float, reason: str) -> None:
    decision = DECISION | {"score": score, "reasons": [{"text": reason}]}
    # As the worker writes it and Redis passes it on.
    item = orjson.loads(orjson.dumps({"status": "scored", "seal": seal_of(decision), "decision": decision}))
    assert isinstance(read_result(item, REQUEST, DECISION_SEAL), Scored)


@pytest.mark.parametrize(
    "forged",
    [
        {},
        {"seal": None},
        {"seal": 7},
        {"seal": "rubbish"},
        {"seal": seal_of(DECISION, STRANGERS_DECISION_SEAL)},
        {"seal": seal_of(DECISION | {"decision": "decline"})},
        {"seal": DECISION_SEAL.sign("t-1", "0" * 32, orjson.dumps(DECISION))},
    ],
)
def test_a_decision_that_nobody_sealed_answers_nothing(forged: dict) -> None:
    item = {"status": "scored", "decision": DECISION, **forged}
    assert isinstance(read_result(item, REQUEST, DECISION_SEAL), UntrustedRecordError)
    assert isinstance(read_result(item, REQUEST, None), Scored)


def test_a_decision_about_another_transaction_is_no_answer() -> None:
    other = DECISION | {"transaction_id": "t-2"}
    assert isinstance(read_result({"status": "scored", "decision": other}, REQUEST, None), ScoringFailedError)


def test_what_stands_in_a_records_place_is_an_untrusted_record_and_named_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert isinstance(read_result({"status": "untrusted"}, REQUEST, DECISION_SEAL), UntrustedRecordError)
    assert [record.name_of_value for record in caplog.records] == ["t-1"]


def test_a_record_is_believed_before_it_is_compared() -> None:
    json, wire = orjson.dumps(DECISION), orjson.dumps(TRANSACTION.wire())
    ours = DecisionRecord(REQUEST.fingerprint, json, wire, seal_of(DECISION))
    assert recorded_result(ours, REQUEST, DECISION_SEAL) == Scored(DECISION, {})
    forged = DecisionRecord("0" * 32, json, wire)
    assert isinstance(recorded_result(forged, REQUEST, DECISION_SEAL), UntrustedRecordError)
    conflicting = DecisionRecord("0" * 32, json, wire, DECISION_SEAL.sign("t-1", "0" * 32, json))
    assert isinstance(recorded_result(conflicting, REQUEST, DECISION_SEAL), ConflictError)
