"""Every field with values that no client should send: a sentence each, never a server error, never the value itself."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.domain.label import Label
from ml.domain.transaction import Transaction
from security.roles import Role
from tests.unit.web.world import World
from web.http import examples
from web.http.errors import InvalidBodyError, MalformedJsonError
from web.http.json_body import parse_json, validate
from web.http.posted_rules import CARD_NUMBER_REFUSED

SCORE = "/predictions/score"
BATCH = "/predictions/score/batch"

EXTREMES: list[Any] = [
    *(0, -1, 10**18, 10**19, 2**63, 2**64, 10**400, -(10**400), 10**4000, 0.0001, 1e308, -1e308, 5e-324),
    *("", " ", "\n", "0", "-0", "1E+2", "1e99", "9" * 400, "\u0661\u0662", "NaN", "\ufffe", "\U0001f600" * 400),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2016-12-31T23:59:60Z", "2026-02-30T00:00Z"),
    *(None, True, [], {}, [[]], {"": ""}, [10**400], {"a": 10**400}),
]


@pytest.mark.parametrize("name", [*Transaction.model_fields, "unknown"])
def test_no_extreme_of_a_field_costs_its_batch_or_is_a_server_error(world: World, name: str) -> None:
    items = [world.transaction(**{name: extreme}) for extreme in EXTREMES]
    good = world.transaction()
    answer = world.post(BATCH, json.dumps({"transactions": [*items, good]}).encode())
    assert answer.status_code == 200
    results = answer.get_json()["results"]
    assert {result.get("status") for result in results} <= {None, 422}
    assert (results[-1]["transaction_id"], results[-1]["decision"]) == (good["transaction_id"], "approve")


@pytest.mark.parametrize("name", Label.model_fields)
def test_no_extreme_of_a_labels_field_is_a_server_error(world: World, name: str) -> None:
    for extreme in EXTREMES:
        answer = world.post("/labels", json.dumps(examples.LABEL | {name: extreme}).encode())
        assert answer.status_code in {202, 422}, extreme


NUMBERS = st.one_of(
    st.integers(0, 4299).map(lambda zeros: "1" + "0" * zeros),
    st.integers(0, 4299).map(lambda zeros: "-0." + "0" * zeros + "1"),
    st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,9})?", fullmatch=True),
)
TIMES = st.from_regex(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-5][0-9](:[0-6][0-9](\.[0-9]{1,12})?)?(Z|[+-][0-9]{2}:[0-9]{2})?",
    fullmatch=True,
)
PLACES = [(Transaction, "amount"), (Transaction, "timestamp"), (Label, "labelled_at")]


@settings(max_examples=150, deadline=None)
@given(place=st.sampled_from(PLACES), literal=NUMBERS | NUMBERS.map(json.dumps) | TIMES.map(json.dumps))
def test_a_number_or_time_of_json_is_taken_over_exactly_or_refused(place: Any, literal: str) -> None:
    model, name = place
    example = examples.TRANSACTION if model is Transaction else examples.LABEL
    body = json.dumps(example | {name: "here"}).replace('"here"', literal).encode()
    try:
        accepted = validate(model, parse_json(body))
    except (InvalidBodyError, MalformedJsonError):
        return
    assert validate(model, json.loads(json.dumps(accepted.wire()))) == accepted


CANARY = "Zq4111111111111111zQ"


@pytest.mark.parametrize("name", Transaction.model_fields)
def test_a_refused_value_is_not_repeated(world: World, name: str) -> None:
    for value in (CANARY, f"{CANARY}, 1.2.3.4", f"fe80::1%{CANARY}", f"2026-11-23T14:03:27{CANARY}"):
        for refused in (value, [value], {"a": [value]}):
            answer = world.post(SCORE, world.transaction(**{name: refused}))
            if answer.status_code != 200:  # an id may be nearly any word
                assert (answer.status_code, "Zq" in answer.text, "4111" in answer.text) == (422, False, False)


def test_a_made_up_name_is_pointed_to_without_the_card_number_in_it(world: World) -> None:
    answer = world.post(SCORE, world.transaction(**{"card 4111 1111 1111 1111": 1}))
    assert answer.get_json()["errors"][0]["pointer"] == "/card **** **** **** 1111"


CARD = "4111 1111 1111 1111"


def test_a_card_number_in_metadata_is_refused_alone_and_nowhere_repeated(world: World) -> None:
    bad, good = world.transaction(metadata={"note": f"paid with {CARD}"}), world.transaction(metadata={"note": "paid"})
    answer = world.post(SCORE, bad)
    assert answer.status_code == 422
    assert answer.get_json()["errors"] == [{"pointer": "/metadata/note", "message": CARD_NUMBER_REFUSED}]
    batch = world.post(BATCH, {"transactions": [bad, good]})
    results = batch.get_json()["results"]
    assert [result.get("status") for result in results] == [422, None]
    assert results[0]["errors"][0]["pointer"] == "/transactions/0/metadata/note"
    assert [len(sent.requests) for sent in world.worker.batches] == [1]
    assert "4111" not in answer.text + batch.text


def test_an_id_that_is_none_is_not_repeated_beside_its_refusal(world: World) -> None:
    answer = world.post(BATCH, {"transactions": [world.transaction(transaction_id=CARD)]})
    [result] = answer.get_json()["results"]
    assert result["status"] == 422
    assert "transaction_id" not in result


def test_the_check_of_card_numbers_can_be_turned_off_and_up(make_world: Callable[..., World]) -> None:
    transaction = {"metadata": {"note": CARD}}
    lax, strict = (make_world(changes={"card_number_check": check}) for check in ("off", "all"))
    assert lax.post(SCORE, lax.transaction(**transaction)).status_code == 200
    assert strict.post(SCORE, strict.transaction(customer_id=CARD.replace(" ", ""))).status_code == 422
    label = examples.LABEL | {"customer_id": CARD.replace(" ", "")}
    assert (lax.post("/labels", label).status_code, strict.post("/labels", label).status_code) == (202, 422)
    refused = strict.post(BATCH, {"transactions": [strict.transaction(transaction_id=CARD.replace(" ", ""))]})
    assert "4111" not in refused.text


@pytest.mark.parametrize("path", ["/admin/safe-mode/enable", "/admin/models/v20261101T030412-5f0c1e/promote"])
def test_a_reason_holds_no_card_number(world: World, path: str) -> None:
    answer = world.post(path, {"reason": f"fraud with {CARD}"}, role=Role.ADMIN)
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, "/reason")
    assert "4111" not in answer.text
