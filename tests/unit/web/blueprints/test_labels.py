import time
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from ml.domain.errors import StoreUnavailableError
from ml.stores.decisions.decisions import NewDecision, Reply
from tests.unit.web.world import World
from web.http.schemas.decisions import LabelAnswer

PAID_AT = 1_780_000_000
LABEL = {
    "transaction_id": "t-1",
    "label": "fraud",
    "source": "chargeback",
    "labelled_at": PAID_AT + 60,
    "customer_id": "c-1",
    "terminal_id": "pos-77",
}
SCORED_AT = datetime.fromtimestamp(PAID_AT + 1, UTC)
SCORED = orjson.dumps({"scored_at": SCORED_AT.isoformat()})
PLACES = ("customer_id", "terminal_id")


def without_places(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in LABEL.items() if name not in PLACES} | changes


def record(world: World, transaction_id: str, **changes: Any) -> None:
    """Makes the transaction one that was decided here."""
    transaction = world.transaction(transaction_id=transaction_id, timestamp=PAID_AT, **changes)
    entry = NewDecision(transaction_id, "f" * 32, SCORED, orjson.dumps(transaction), b"{}")
    world.decisions.commit([entry], Reply("reply", "b", {}))


def errors_of(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 422
    return answer.get_json()["errors"]


def test_a_label_is_taken_over_with_its_correlation_id(world: World) -> None:
    answer = world.post("/labels", LABEL, X_Correlation_ID="case-0815")
    assert answer.status_code == 202
    LabelAnswer.model_validate(answer.get_json())
    [(label, correlation_id)] = world.labels.accepted
    assert (label.transaction_id, label.is_fraud, correlation_id) == ("t-1", True, "case-0815")


def test_a_label_may_say_whose_transaction_it_was(world: World) -> None:
    places = {name: LABEL[name] for name in PLACES}
    assert world.post("/labels", LABEL).status_code == 202
    [(label, _)] = world.labels.accepted
    assert {name: label.wire()[name] for name in places} == places


def test_a_label_with_half_of_whose_transaction_it_was_is_refused(world: World) -> None:
    answer = world.post("/labels", without_places(customer_id="c-1"))
    assert answer.status_code == 422
    assert answer.get_json()["errors"] == [
        {"pointer": "", "message": "customer_id and terminal_id come together or not at all"}
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("label", "maybe"),
        ("label", True),
        ("source", ""),
        ("source", "a b"),
        ("transaction_id", "x" * 65),
        ("labelled_at", "soon"),
        ("customer_id", "c 1"),
        ("terminal_id", ""),
        ("more", 1),
    ],
)
def test_a_bad_label_is_refused_with_a_pointer(world: World, name: str, value: Any) -> None:
    answer = world.post("/labels", LABEL | {name: value})
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["pointer"] == f"/{name}"
    assert world.labels.accepted == []


def test_a_label_that_cannot_be_kept_is_not_accepted(world: World) -> None:
    def refuse(*_: object) -> None:
        raise StoreUnavailableError("Redis is unavailable")

    world.labels.accept = refuse  # type: ignore[method-assign]
    answer = world.post("/labels", LABEL)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]


def test_a_scored_transaction_is_found_by_its_id_alone(world: World) -> None:
    record(world, "t-1")
    stored = world.transaction(transaction_id="t-2", timestamp=PAID_AT)
    world.explanations.save([{"transaction_id": "t-2", "transaction": stored, "scored_at": SCORED_AT}])
    for name in ("t-1", "t-2"):
        assert world.post("/labels", without_places(transaction_id=name)).status_code == 202
    assert [label.transaction_id for label, _ in world.labels.accepted] == ["t-1", "t-2"]


def test_an_unknown_transaction_is_refused_unless_the_label_says_whose_it_was(world: World) -> None:
    (error,) = errors_of(world.post("/labels", without_places()))
    assert error["pointer"] == "/transaction_id"
    assert "customer_id and terminal_id" in error["message"]
    assert world.labels.accepted == []
    assert world.post("/labels", LABEL).status_code == 202


@pytest.mark.parametrize("broken", ["decisions", "explanations"])
def test_what_cannot_be_looked_up_now_is_taken_over(world: World, broken: str) -> None:
    def fail(_transaction_id: str) -> None:
        raise StoreUnavailableError("not now")

    getattr(world, broken).find = fail
    assert world.post("/labels", without_places()).status_code == 202


@pytest.mark.parametrize(
    ("labelled_at", "message"),
    [
        ("2099-01-01T00:00:00Z", "must not lie in the future"),
        (0, "must not lie before 2000"),
        ("1970-01-02T00:00:00Z", "must not lie before 2000"),
        (PAID_AT - 86_400, "must not lie before the payment"),
    ],
)
def test_a_time_at_which_no_outcome_can_have_become_known_is_refused(
    world: World, labelled_at: Any, message: str
) -> None:
    record(world, "t-1")
    (error,) = errors_of(world.post("/labels", LABEL | {"labelled_at": labelled_at}))
    assert error["pointer"] == "/labelled_at"
    assert error["message"].startswith(message)
    assert world.labels.accepted == []


def test_a_payment_that_was_dated_ahead_may_be_labelled_once_it_was_scored(world: World) -> None:
    ahead = world.transaction(transaction_id="t-1", timestamp=PAID_AT + 3_600)
    world.decisions.commit([NewDecision("t-1", "f" * 32, SCORED, orjson.dumps(ahead), b"{}")], Reply("reply", "b", {}))
    assert world.post("/labels", without_places()).status_code == 202


def test_a_label_in_the_moment_of_the_payment_is_taken_over(world: World) -> None:
    record(world, "t-1")
    assert world.post("/labels", LABEL | {"labelled_at": PAID_AT}).status_code == 202
    assert world.post("/labels", LABEL | {"labelled_at": time.time()}).status_code == 202
