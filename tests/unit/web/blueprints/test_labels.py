from typing import Any

import pytest

from ml.domain.errors import StoreUnavailableError
from tests.unit.web.world import World
from web.http.schemas.decisions import LabelAnswer

LABEL = {"transaction_id": "t-1", "label": "fraud", "source": "chargeback", "labelled_at": "2026-11-30T09:00:00Z"}


def test_a_label_is_taken_over_with_its_correlation_id(world: World) -> None:
    answer = world.post("/labels", LABEL, X_Correlation_ID="case-0815")
    assert answer.status_code == 202
    LabelAnswer.model_validate(answer.get_json())
    [(label, correlation_id)] = world.labels.accepted
    assert (label.transaction_id, label.is_fraud, correlation_id) == ("t-1", True, "case-0815")


def test_a_label_may_say_whose_transaction_it_was(world: World) -> None:
    places = {"customer_id": "c-1", "terminal_id": "pos-77"}
    assert world.post("/labels", LABEL | places).status_code == 202
    [(label, _)] = world.labels.accepted
    assert {name: label.wire()[name] for name in places} == places


def test_a_label_with_half_of_whose_transaction_it_was_is_refused(world: World) -> None:
    answer = world.post("/labels", LABEL | {"customer_id": "c-1"})
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
