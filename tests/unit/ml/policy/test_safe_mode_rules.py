import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.delivery.sinks import explanation_record
from ml.domain.decision import Outcome
from ml.domain.scoring_batch import ScoringRequest
from ml.domain.transaction import Transaction
from ml.policy.safe_mode_rules import RULES_VERSION, SafeModeRules

RULES = SafeModeRules(approve_up_to=50.0, decline_from=1000.0)
NOON = "2026-11-23T12:00:00Z"
AT = "2026-11-23T12:00:01.000Z"


def transaction(**members: object) -> Transaction:
    plain = {
        "transaction_id": "t-1",
        "timestamp": NOON,
        "customer_id": "c-1",
        "terminal_id": "p-1",
        "amount": "12.50",
        "currency": "EUR",
        "channel": "pos",
    }
    return Transaction.model_validate(plain | members)


@pytest.mark.parametrize(
    ("members", "outcome"),
    [
        ({}, "approve"),
        ({"amount": "50"}, "approve"),
        ({"amount": "50.0001"}, "review"),
        ({"amount": "999.9999"}, "review"),
        ({"amount": "1000"}, "decline"),
        ({"amount": "1000000000"}, "decline"),
        ({"channel": "atm"}, "review"),
        ({"channel": "transfer"}, "review"),
        ({"channel": "transfer", "amount": "1000"}, "decline"),
        ({"channel": "ecom"}, "review"),
        ({"channel": "ecom", "device_id": "phone-7"}, "approve"),
        ({"channel": "mobile"}, "review"),
        ({"channel": "mobile", "device_id": "phone-7"}, "approve"),
        ({"timestamp": "2026-11-23T00:00:00Z"}, "review"),
        ({"timestamp": "2026-11-23T05:59:59Z"}, "review"),
        ({"timestamp": "2026-11-23T06:00:00Z"}, "approve"),
        ({"timestamp": "2026-11-23T01:00:00+02:00"}, "approve"),
    ],
    ids=str,
)
def test_the_table_is_what_is_decided(members: dict[str, object], outcome: str) -> None:
    assert RULES.decide(transaction(**members), scored_at=AT).decision == outcome


@given(
    st.decimals("0.0001", "1000000000", places=4),
    st.sampled_from(["pos", "ecom", "atm", "transfer", "mobile"]),
    st.none() | st.just("device-1"),
    st.integers(0, 4_000_000_000),
)
def test_nothing_above_the_limit_is_ever_approved_and_the_same_is_decided_the_same(
    amount: object, channel: str, device: str | None, moment: int
) -> None:
    asked = transaction(amount=str(amount), channel=channel, device_id=device, timestamp=moment)
    decision = RULES.decide(asked, scored_at=AT)
    assert decision == RULES.decide(asked, scored_at=AT)
    assert decision.threshold.decide(decision.score) == decision.decision
    if float(asked.amount) > RULES.approve_up_to:
        assert decision.decision != Outcome.APPROVE
    if float(asked.amount) >= RULES.decline_from:
        assert decision.decision == Outcome.DECLINE


def test_without_an_approval_limit_nothing_is_approved() -> None:
    assert SafeModeRules(0.0, 1000.0).decide(transaction(amount="0.0001"), scored_at=AT).decision == Outcome.REVIEW


def test_answer_record_and_event_are_marked() -> None:
    asked = transaction(amount="70")
    entry, decision = RULES.entry(ScoringRequest(asked, asked.fingerprint(), "corr-1"), scored_at=AT)
    answer = orjson.loads(entry.decision)
    assert (answer["model_version"], answer["safe_mode"], answer["decision"]) == (RULES_VERSION, True, "review")
    assert "above the limit" in answer["reasons"][0]["text"]
    assert orjson.loads(orjson.dumps(decision.wire())) == answer
    stored = explanation_record(orjson.loads(entry.event))
    assert stored["safe_mode"] is True
    assert stored["model"] == {"version": RULES_VERSION, "hash": ""}
    assert stored["explanation"] is None
