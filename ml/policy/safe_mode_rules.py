"""Conservative rules that decide in place of the model while SAFE MODE is on, if SAFE_MODE_POLICY says so.

They use the transaction alone, so that they depend on nothing that may be broken, and give the same answer to the same
transaction:

| rule | outcome |
| --- | --- |
| the amount is at or above the decline limit | decline |
| the amount is above the approval limit | review |
| the channel is `transfer` or `atm`, where money does not come back | review |
| the local hour is unknown here: from 0 to 6 UTC | review |
| the transaction has no device and is `ecom` or `mobile` | review |
| none of these | approve |

The limits are plain numbers, whatever the currency: set them for the weakest currency that is served. `score` is no
probability here; it says which side of the thresholds the outcome lies on.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from ml.domain.decision import Breakdown, Decision, Outcome, Reason, Thresholds
from ml.domain.scoring_batch import ScoringRequest
from ml.domain.transaction import Transaction
from ml.stores.decisions.decisions import NewDecision

RULES_VERSION = "rules-1"
"""Takes the place of a model version; a change of the table above is a new number."""

_THRESHOLDS = Thresholds(review=0.5, decline=1.0)
_SCORES = {Outcome.APPROVE: 0.0, Outcome.REVIEW: 0.5, Outcome.DECLINE: 1.0}
_NO_COMPONENTS = Breakdown(tabular=0.0, anomaly=0.0, autoencoder=0.0, sequence=0.0)
_IRREVOCABLE = frozenset({"transfer", "atm"})
_REMOTE = frozenset({"ecom", "mobile"})
_NIGHT_HOURS = 6


@dataclass(frozen=True, slots=True)
class RulesDecision(Decision):
    """A decision by rules: `safe_mode` marks it in the answer, the record, the event and the explanation."""

    safe_mode: bool = True


@dataclass(frozen=True, slots=True)
class SafeModeRules:
    """The rules with their limits.

    Attributes:
        approve_up_to: largest amount that is approved.
        decline_from: smallest amount that is declined; at least `approve_up_to`.
    """

    approve_up_to: float
    decline_from: float

    def decide(self, transaction: Transaction, *, scored_at: str) -> RulesDecision:
        """Returns the decision on a transaction."""
        outcome, because = self._outcome(transaction)
        reason = Reason(
            code="SAFE_MODE_RULE",
            feature="amount",
            value=float(transaction.amount),
            contribution=0.0,
            text=f"SAFE MODE: decided by rules, because {because}",
        )
        return RulesDecision(
            transaction_id=transaction.transaction_id,
            decision=outcome,
            score=_SCORES[outcome],
            threshold=_THRESHOLDS,
            breakdown=_NO_COMPONENTS,
            reasons=(reason,),
            model_version=RULES_VERSION,
            scored_at=scored_at,
        )

    def _outcome(self, transaction: Transaction) -> tuple[Outcome, str]:
        amount = float(transaction.amount)
        hour = datetime.fromtimestamp(transaction.epoch_seconds, UTC).hour
        if amount >= self.decline_from:
            return Outcome.DECLINE, "the amount is at or above the limit for declining"
        # Written so that an amount that compares with nothing is reviewed.
        if not amount <= self.approve_up_to:
            return Outcome.REVIEW, "the amount is above the limit for approving"
        if transaction.channel in _IRREVOCABLE:
            return Outcome.REVIEW, f"money that leaves by {transaction.channel} does not come back"
        if hour < _NIGHT_HOURS:
            return Outcome.REVIEW, "it is night in UTC"
        if transaction.channel in _REMOTE and transaction.device_id is None:
            return Outcome.REVIEW, "a remote payment names no device"
        return Outcome.APPROVE, "the amount is small and nothing speaks against it"

    def entry(self, request: ScoringRequest, *, scored_at: str) -> tuple[NewDecision, RulesDecision]:
        """Returns the record of a request's decision, and the decision."""
        decision = self.decide(request.transaction, scored_at=scored_at)
        transaction, answer = orjson.dumps(request.transaction.wire()), orjson.dumps(decision)
        event: dict[str, Any] = {
            "transaction": orjson.Fragment(transaction),
            "decision": orjson.Fragment(answer),
            "fingerprint": request.fingerprint,
            "correlation_id": request.correlation_id,
            "model": {"version": RULES_VERSION, "hash": ""},
        }
        record = NewDecision(
            transaction_id=decision.transaction_id,
            fingerprint=request.fingerprint,
            decision=answer,
            transaction=transaction,
            event=orjson.dumps(event),
        )
        return record, decision
