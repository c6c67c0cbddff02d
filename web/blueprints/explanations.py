"""`/explanations`: the full record of a decision, by id or by audit search."""

from typing import Any

from flask import Blueprint

from ml.explanation.full_explanation import full_explanation
from ml.stores.explanations.explanations import ExplanationQuery, InvalidCursorError
from security.roles import Role
from web.http import examples, problems
from web.http.answers import HttpAnswer, json_answer
from web.http.errors import ExplanationPendingError, InvalidParameterError, NotFoundError, Violation
from web.http.schemas.explanations import ExplanationAnswer, ExplanationPageAnswer
from web.http.schemas.requests import ExplanationSearch, TransactionPath
from web.routing.operations import Answer, Call, Operation, operation

blueprint = Blueprint("explanations", __name__)


@operation(
    blueprint,
    Operation(
        name="get_explanation",
        method="GET",
        path="/explanations/{transaction_id}",
        tag="Explanations",
        summary="Read the full explanation of a decision",
        description="Explanations are stored off the request path. Until then the answer is 404 with Retry-After.",
        role=Role.READ,
        path_parameters=TransactionPath,
        answer=Answer(description="The explanation.", model=ExplanationAnswer, example=examples.EXPLANATION),
        problems=(problems.NOT_FOUND, problems.EXPLANATION_PENDING, problems.UNAVAILABLE),
    ),
)
def get_explanation(call: Call) -> HttpAnswer:
    """Returns one explanation."""
    transaction_id = call.path.transaction_id
    record = call.services.explanations.find(transaction_id)
    if record is not None:
        return json_answer(_in_sentences(record))
    if call.services.decisions.find(transaction_id) is not None:
        raise ExplanationPendingError
    raise NotFoundError


@operation(
    blueprint,
    Operation(
        name="search_explanations",
        method="GET",
        path="/explanations",
        tag="Explanations",
        summary="Search decisions for an audit",
        description="Newest first. Pass `next_cursor` as `cursor` for the following page.",
        role=Role.READ,
        query=ExplanationSearch,
        answer=Answer(description="One page.", model=ExplanationPageAnswer, example=examples.EXPLANATION_PAGE),
        problems=(problems.UNAVAILABLE,),
    ),
)
def search_explanations(call: Call) -> HttpAnswer:
    """Returns one page of matching explanations."""
    asked: ExplanationSearch = call.query
    criteria = ExplanationQuery(asked.customer_id, asked.decision, asked.start, asked.end)
    try:
        page = call.services.explanations.search(criteria, cursor=asked.cursor, limit=asked.limit)
    except InvalidCursorError as error:
        raise InvalidParameterError([Violation("/query/cursor", "is not a cursor of this search")]) from error
    return json_answer({"items": [_in_sentences(record) for record in page.items], "next_cursor": page.next_cursor})


def _in_sentences(record: dict[str, Any]) -> dict[str, Any]:
    """Returns a stored record with its explanation in sentences; a repaired record has none."""
    if record["explanation"] is None:
        return record
    return record | {"explanation": full_explanation(record["explanation"], record["breakdown"])}
