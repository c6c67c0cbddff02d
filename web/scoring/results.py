"""Results: a scoring worker's reply as each waiting request gets it, a decision or an error from the web's table."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ml.domain.scoring_batch import ResultStatus, ScoringRequest
from ml.stores.decisions.decision_seal import DecisionSeal
from ml.stores.decisions.decisions import DecisionRecord
from web.http.errors import (
    ConflictError,
    DeadlineError,
    HistoriesUnavailableError,
    OverloadedError,
    SafeModeError,
    ScoringFailedError,
    UntrustedRecordError,
    WebError,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scored:
    """A decision in wire form, and the worker's timings: `queue_ms`, `features_ms`, `model_ms`, some or none."""

    decision: Mapping[str, Any]
    timings: Mapping[str, float]


ScoringResult = Scored | WebError

_REFUSALS: Mapping[str, type[WebError]] = {
    ResultStatus.CONFLICT: ConflictError,
    ResultStatus.OVERLOADED: OverloadedError,
    ResultStatus.EXPIRED: DeadlineError,
    ResultStatus.UNAVAILABLE: HistoriesUnavailableError,
}


@dataclass(frozen=True, slots=True)
class ScoringReply:
    """One reply, not yet matched to the message it answers."""

    batch_id: str
    results: Sequence[Mapping[str, Any]]


def recorded_result(record: DecisionRecord, request: ScoringRequest, seal: DecisionSeal | None) -> ScoringResult:
    """Returns the result of a transaction that was decided before: that decision, or a conflict.

    A record that is not ours answers nothing: the transaction may have been answered otherwise before.
    """
    if seal is not None and not seal.is_valid_record(request.transaction.transaction_id, record):
        return UntrustedRecordError()
    if record.fingerprint != request.fingerprint:
        return ConflictError()
    return Scored(record.decision, {})


def read_reply(raw: bytes) -> ScoringReply:
    """Decodes a reply.

    Raises:
        ValueError: it is not a reply.
    """
    reply = orjson.loads(raw)
    match reply:
        case {"batch_id": str(batch_id), "results": list(results)}:
            return ScoringReply(batch_id, results)
        case _:
            raise ValueError("a reply must hold batch_id and results")


def read_result(item: Mapping[str, Any], request: ScoringRequest, seal: DecisionSeal | None) -> ScoringResult:
    """Returns the result in one member of a reply; an unintelligible member is a failed scoring.

    Without `seal` the seals of decisions are not looked at.
    """
    match item:
        case {"status": ResultStatus.SCORED, "decision": {"transaction_id": str(transaction_id)} as decision}:
            # A decision is never handed to a request it was not made for.
            if transaction_id == request.transaction.transaction_id:
                is_ours = seal is None or _is_ours(item, request, seal)
                return Scored(decision, item.get("timings") or {}) if is_ours else UntrustedRecordError()
        case {"status": str(status)} if status in _REFUSALS:
            return _REFUSALS[status]()
        case {"status": ResultStatus.UNTRUSTED}:
            name = request.transaction.transaction_id
            _log.error("what is stored in a decision record's place is none", extra={"name_of_value": name})
            return UntrustedRecordError()
        case {"status": ResultStatus.SAFE_MODE}:
            return SafeModeError(str(item.get("reason") or "unknown"))
        case _:
            pass
    return ScoringFailedError()


def _is_ours(item: Mapping[str, Any], request: ScoringRequest, seal: DecisionSeal) -> bool:
    found = item.get("seal")
    # The worker wrote the decision with the same encoder, so these are the bytes that it sealed.
    decision = orjson.dumps(item["decision"])
    name = request.transaction.transaction_id
    return seal.is_valid(name, request.fingerprint, decision, seal=found if isinstance(found, str) else None)
