"""`/predictions`: one transaction, a batch of them, or a decision made before."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from flask import Blueprint

from ml.domain.scoring_batch import ScoringRequest
from ml.domain.transaction import Transaction
from ml.policy.safe_mode_rules import RULES_VERSION
from observability import metrics
from observability.context import get_correlation_id
from security.admission.admission import NO_LOAD, Load
from security.roles import Role
from web.dispatch.batch_dispatch import dispatch_items
from web.http import examples, problems
from web.http.answers import HttpAnswer, json_answer
from web.http.errors import (
    ConflictError,
    DeadlineError,
    InvalidBodyError,
    NotFoundError,
    RateLimitedError,
    Violation,
    WebError,
)
from web.http.json_body import validate
from web.http.posted_rules import transaction_violation
from web.http.schemas.decisions import BatchAnswer, DecisionAnswer, StoredDecision
from web.http.schemas.requests import BatchRequest, TransactionPath
from web.routing.operations import Answer, BodyLimit, Call, Operation, operation
from web.routing.safe_mode import refuse_in_safe_mode, safe_mode_state
from web.scoring.decision_answers import batch_item, decision_body
from web.scoring.results import Scored, ScoringResult, recorded_result
from web.services import Services

blueprint = Blueprint("predictions", __name__)

_LOGGED = ("transaction_id", "decision", "score", "model_version")
_SAME_TRANSACTION = {"transaction_id": "$response.body#/transaction_id"}
_SCORING_PROBLEMS = (problems.SAFE_MODE, problems.SCORING_SUSPENDED, problems.UNAVAILABLE)


def _ready_to_score(services: Services, transaction: Transaction) -> ScoringRequest | None:
    """Returns the scoring request of a transaction, None if `_recorded_or_scored` would refuse it without a record."""
    if safe_mode_state(services).enabled or transaction_violation(transaction, services.settings):
        return None
    return ScoringRequest(transaction, transaction.fingerprint(), get_correlation_id() or "")


@operation(
    blueprint,
    Operation(
        name="score_transaction",
        method="POST",
        path="/predictions/score",
        tag="Predictions",
        summary="Score one transaction",
        description=(
            "Answers approve, review or decline, the probability behind it and the reasons for it. The same "
            "`transaction_id` with the same body returns the same decision for as long as this document's description "
            "says; with another body it is 409."
        ),
        role=Role.SERVICE,
        body=Transaction,
        body_example=examples.TRANSACTION,
        answer=Answer(
            description="The decision.",
            model=DecisionAnswer,
            example=examples.DECISION,
            links=dict.fromkeys(("get_decision", "get_explanation"), _SAME_TRANSACTION),
        ),
        problems=(
            problems.CONFLICT,
            problems.RECORD_UNTRUSTED,
            *_SCORING_PROBLEMS,
            problems.SCORING_FAILED,
            problems.DEADLINE,
        ),
        transactions=lambda body: {body.transaction_id: body.customer_id},
        load=lambda _services, body: Load.of_one(body.device_id),
        scoring=_ready_to_score,
    ),
)
def score_transaction(call: Call) -> HttpAnswer:
    """Scores one transaction."""
    scoring_call = call.admitted.scoring_call
    result = _recorded_or_scored(call) if scoring_call is None else call.services.dispatcher.collect(scoring_call)[0]
    if not isinstance(result, Scored):
        raise result
    known = {name: result.decision.get(name) for name in _LOGGED}
    # This request's signature was verified, and so was the model's; in SAFE MODE the rules decide instead of a model.
    call.exchange.annotate(**known, sig_verified=True, hash_verified=known["model_version"] != RULES_VERSION)
    return json_answer(decision_body(result, call.exchange.elapsed_ms()))


def _recorded_or_scored(call: Call) -> ScoringResult:
    """Returns the recorded decision of the transaction, or a new one."""
    services = call.services
    request = _scoring_request(call, call.body)
    refuse_in_safe_mode(services)
    services.dispatcher.breaker.check()
    result = _recorded(call, request)
    if result is None:
        seconds_left = min(call.exchange.seconds_left(), services.settings.score_timeout_ms / 1000)
        if seconds_left <= 0:  # the admission took all of it; scoring has nothing to answer for
            return DeadlineError()
        return services.dispatcher.collect(services.dispatcher.submit([request], seconds_left))[0]
    return result


@operation(
    blueprint,
    Operation(
        name="score_batch",
        method="POST",
        path="/predictions/score/batch",
        tag="Predictions",
        summary="Score up to 1,000 transactions",
        description=(
            "Answers in the order of the request. Each result is a decision, or the problem that stood in its way with "
            "a status of its own: one bad transaction never fails the others. The batch takes one token of the "
            "subject's requests, a token of its transactions for each item, and for each item that names a device one "
            "of that device's; items beyond a device's tokens are answered with a 429 of their own."
        ),
        role=Role.SERVICE,
        body=BatchRequest,
        body_limit=BodyLimit.BATCH,
        body_example=examples.BATCH,
        answer=Answer(description="One result per transaction.", model=BatchAnswer, example=examples.BATCH_ANSWER),
        problems=_SCORING_PROBLEMS,
        transactions=lambda body: _claimed(body.transactions),
        load=lambda services, body: _batch_load(services, body.transactions),
    ),
)
def score_batch(call: Call) -> HttpAnswer:
    """Scores a batch in order."""
    services, settings = call.services, call.services.settings
    transactions = call.body.transactions
    if len(transactions) > settings.batch_limit:
        raise InvalidBodyError([Violation("/transactions", f"must hold at most {settings.batch_limit} transactions")])
    refuse_in_safe_mode(services)
    services.dispatcher.breaker.check()

    shortages = call.admitted.admission.shortages
    left = {device: shortage.admitted for device, shortage in shortages.items()}

    def read_item(position: int, item: Any) -> ScoringRequest | ScoringResult:
        pointer = f"/transactions/{position}"
        device = _device(item) if left else None
        if device in left:
            left[device] -= 1
            if left[device] < 0:
                metrics.rate_limit_block_total.labels(bucket="device").inc()
                return RateLimitedError("device", shortages[device].retry_after_seconds)
        try:
            request = _scoring_request(call, validate(Transaction, item, pointer=pointer), pointer)
        except WebError as error:
            return error
        recorded = _recorded(call, request)
        return request if recorded is None else recorded

    chunks = dispatch_items(
        transactions,
        read_item,
        services.dispatcher,
        chunk_rows=settings.infer_batch_size * services.topology.width,
        timeout_seconds=settings.score_timeout_ms / 1000,
    )
    results = [result for chunk in chunks for result in chunk]
    total_ms = call.exchange.elapsed_ms()
    items = [
        batch_item(result, _named(result, item), total_ms) for result, item in zip(results, transactions, strict=True)
    ]
    return json_answer(
        {"results": items, "correlation_id": get_correlation_id(), "timings": {"total_ms": round(total_ms, 3)}}
    )


@operation(
    blueprint,
    Operation(
        name="get_decision",
        method="GET",
        path="/predictions/{transaction_id}",
        tag="Predictions",
        summary="Read a decision",
        description="Returns the decision that was answered, for as long as it answers retries, and from the audit "
        "store after that.",
        role=Role.READ,
        path_parameters=TransactionPath,
        answer=Answer(description="The decision.", model=StoredDecision, example=examples.STORED_DECISION),
        problems=(problems.NOT_FOUND,),
    ),
)
def get_decision(call: Call) -> HttpAnswer:
    """Returns a decision made before."""
    transaction_id = call.path.transaction_id
    record = call.services.decisions.find(transaction_id)
    if record is not None:
        return json_answer(record.decision)
    stored = call.services.explanations.find(transaction_id)
    if stored is None:
        raise NotFoundError
    return json_answer({name: stored[name] for name in StoredDecision.model_fields if name in stored})


def _scoring_request(call: Call, transaction: Transaction, pointer: str = "") -> ScoringRequest:
    if refused := transaction_violation(transaction, call.services.settings):
        raise InvalidBodyError([Violation(pointer + refused.pointer, refused.message)])
    placement = call.admitted.placements.get(transaction.transaction_id)
    shard = None if placement is None else placement.shard
    return ScoringRequest(transaction, transaction.fingerprint(), get_correlation_id() or "", shard)


def _recorded(call: Call, request: ScoringRequest) -> ScoringResult | None:
    """Returns the result of a transaction that was decided before, or why its record is unread; None if it is new."""
    record = call.admitted.records.get(request.transaction.transaction_id)
    if record is None or isinstance(record, WebError):
        return record
    result = recorded_result(record, request, call.services.decision_seal)
    outcomes: dict[type, str] = {Scored: "replayed", ConflictError: "conflict"}
    metrics.inference_requests_total.labels(outcome=outcomes.get(type(result), "failed")).inc()
    return result


def _claimed(items: Sequence[Any]) -> dict[str, str]:
    """Returns the different ids that the items of a batch claim, each with the customer of the first that does."""
    customers: dict[str, str] = {}
    for item in items:
        name = _transaction_id(item)
        if name is not None and name not in customers:
            customer = item.get("customer_id")
            customers[name] = customer if isinstance(customer, str) else ""
    return customers


def _batch_load(services: Services, items: Sequence[Any]) -> Load:
    """Returns the load of a batch; one that is refused for its size scores nothing."""
    return Load(len(items), _devices(items), is_batch=True) if len(items) <= services.settings.batch_limit else NO_LOAD


def _devices(items: Sequence[Any]) -> dict[str, int]:
    """Returns how many items of a batch each device made."""
    return Counter(device for item in items if (device := _device(item)) is not None)


def _device(item: Any) -> str | None:
    """Returns the device that an item of a batch claims, if it has the shape of one."""
    claimed = item.get("device_id") if isinstance(item, dict) else None
    return claimed if isinstance(claimed, str) and 0 < len(claimed) <= 64 else None


def _named(result: ScoringResult, item: Any) -> str | None:
    """Returns the id to show beside an item's result; an id that was itself refused is not repeated."""
    if isinstance(result, InvalidBodyError) and any(
        error.pointer.endswith("/transaction_id") for error in result.errors
    ):
        return None
    return _transaction_id(item)


def _transaction_id(item: Any) -> str | None:
    """Returns the id that an item of a batch claims, if it has the shape of one."""
    claimed = item.get("transaction_id") if isinstance(item, dict) else None
    return claimed if isinstance(claimed, str) and len(claimed) <= 64 else None
