"""`/labels`: confirmed outcomes of transactions."""

from datetime import UTC, datetime
from typing import Final

from flask import Blueprint

from ml.domain.errors import RetryableError
from ml.domain.label import Label
from observability.context import get_correlation_id
from security.roles import Role
from web.http import examples, problems
from web.http.answers import HttpAnswer, json_answer
from web.http.errors import DependencySuspendedError, InvalidBodyError, Violation
from web.http.posted_rules import label_violation, order_violation
from web.http.schemas.decisions import LabelAnswer
from web.routing.operations import Answer, Call, Operation, operation
from web.services import Services

blueprint = Blueprint("labels", __name__)

_UNKNOWN: Final = (
    "is not known here: send the id that was scored, or customer_id and terminal_id of a payment that was not"
)


@operation(
    blueprint,
    Operation(
        name="post_label",
        method="POST",
        path="/labels",
        tag="Labels",
        summary="Report a confirmed outcome",
        description="Takes over durably whether a transaction was fraud or legitimate. It reaches the risk features "
        "and retraining; a later label of the same transaction replaces an earlier one. A transaction that was scored "
        "here is found by its id. One that was not, such as one of a backfilled history, is found by `customer_id` and "
        "`terminal_id`, which are otherwise not needed; without them an unknown id is refused.",
        role=Role.SERVICE,
        body=Label,
        body_example=examples.LABEL,
        answer=Answer(description="Taken over.", model=LabelAnswer, status=202, example=examples.LABEL_ANSWER),
        problems=(problems.UNAVAILABLE,),
    ),
)
def post_label(call: Call) -> HttpAnswer:
    """Takes one label over."""
    label: Label = call.body
    if refused := label_violation(label, call.services.settings) or _mismatch(label, call.services):
        raise InvalidBodyError([refused])
    correlation_id = get_correlation_id() or ""
    call.services.labels.accept(label, correlation_id)
    return json_answer(
        {"transaction_id": label.transaction_id, "status": "accepted", "correlation_id": correlation_id}, 202
    )


def _mismatch(label: Label, services: Services) -> Violation | None:
    """Returns why a label does not fit the transaction that it names; None if it does, or if that cannot be read now.

    What cannot be read now, the worker finds out: a label is worth more than the check of it.
    """
    try:
        known_since = _known_since(label.transaction_id, services)
    except (RetryableError, DependencySuspendedError):
        return None
    if known_since is not None:
        return order_violation(label, known_since, services.settings)
    return None if label.customer_id is not None else Violation("/transaction_id", _UNKNOWN)


def _known_since(transaction_id: str, services: Services) -> float | None:
    """Returns when a transaction that was scored here was paid, or scored if it was dated ahead; None if it was not.

    Its stored explanation outlives its record.
    """
    record = services.decisions.find(transaction_id)
    if record is not None:
        transaction, decision = record.transaction, record.decision
    else:
        explanation = services.explanations.find(transaction_id)
        if explanation is None:
            return None
        transaction, decision = explanation["transaction"], explanation
    return min(float(transaction["timestamp"]), _epoch_seconds(decision["scored_at"]))


def _epoch_seconds(scored_at: str | datetime) -> float:
    moment = datetime.fromisoformat(scored_at) if isinstance(scored_at, str) else scored_at
    # MongoDB's driver returns naive UTC unless the client is configured otherwise.
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
