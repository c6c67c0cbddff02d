"""`/labels`: confirmed outcomes of transactions."""

from flask import Blueprint

from ml.domain.label import Label
from observability.context import get_correlation_id
from security.roles import Role
from web.http import examples, problems
from web.http.answers import HttpAnswer, json_answer
from web.http.errors import InvalidBodyError
from web.http.posted_rules import label_violation
from web.http.schemas.decisions import LabelAnswer
from web.routing.operations import Answer, Call, Operation, operation

blueprint = Blueprint("labels", __name__)


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
        "`terminal_id`, which are otherwise not needed.",
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
    if refused := label_violation(label, call.services.settings):
        raise InvalidBodyError([refused])
    correlation_id = get_correlation_id() or ""
    call.services.labels.accept(label, correlation_id)
    return json_answer(
        {"transaction_id": label.transaction_id, "status": "accepted", "correlation_id": correlation_id}, 202
    )
