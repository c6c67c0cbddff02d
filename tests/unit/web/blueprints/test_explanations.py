from base64 import urlsafe_b64encode
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.explanation.full_explanation import full_explanation
from ml.stores.explanations.explanation_cursor import decode_cursor, encode_cursor
from ml.stores.explanations.explanations import InvalidCursorError
from tests.unit.web.world import World
from web.http import examples
from web.http.schemas.explanations import ExplanationAnswer, ExplanationPageAnswer

BREAKDOWN = {"tabular": 0.3, "anomaly": 0.02, "autoencoder": 0.6, "sequence": 0.2}


def record(number: int, **members: Any) -> dict[str, Any]:
    return {
        "transaction_id": f"t-{number}",
        "customer_id": f"c-{number % 2}",
        "decision": "review" if number % 3 else "decline",
        "score": 0.4,
        "threshold": {"review": 0.2, "decline": 0.8},
        "reasons": [],
        "model_version": "v1",
        "scored_at": f"2026-11-{number + 1:02d}T00:00:00.000Z",
        "correlation_id": "order-4711",
        "fingerprint": "f" * 32,
        "transaction": examples.TRANSACTION,
        "model": {"version": "v1", "hash": "9d2f"},
        "breakdown": BREAKDOWN,
        "explanation": {
            "bias": -1.0,
            "vector": {"amount": 12.0},
            "contributions": {"amount": 0.5},
            "terms": {"sequence": 0.7, "anomaly": 0.0, "autoencoder": -0.2, "novelty": 0.1},
            "sequence": {"at": [1_795_442_400, 1_795_442_580], "amount": [40.0, 12.0], "log_odds": [-6.0, -4.0, -1.5]},
            "reconstruction": {"features": ["amount"], "expected": [30.0], "shares": [0.4]},
            "rarity": {"anomaly": 0.5, "autoencoder": 0.995},
        },
    } | members


def test_a_stored_explanation_is_returned_whole_and_in_sentences(world: World) -> None:
    world.explanations.save([record(1)])
    answer = world.get("/explanations/t-1")
    assert answer.status_code == 200
    explained = full_explanation(record(1)["explanation"], BREAKDOWN)
    assert answer.get_json() == record(1) | {"explanation": explained}
    parts = answer.get_json()["explanation"]["contributions"]
    assert [part["text"] for part in parts[:2]] == [
        (
            "the order and timing of this customer's last 2 payments; this one, 3 min after the one before, "
            "raised the risk most"
        ),
        "the amount is 12.00",
    ]
    ExplanationAnswer.model_validate(answer.get_json())


def test_an_explanation_stored_before_scores_had_terms_is_still_given(world: World) -> None:
    stored = {"bias": -1.0, "vector": {"amount": 12.0}, "contributions": {"amount": 0.5}}
    world.explanations.save([record(1, explanation=stored)])
    answer = world.get("/explanations/t-1")
    assert answer.status_code == 200
    assert answer.get_json()["explanation"]["tabular_log_odds"] == -0.5
    ExplanationAnswer.model_validate(answer.get_json())


def test_a_record_that_was_repaired_without_its_vector_is_returned_all_the_same(world: World) -> None:
    world.explanations.save([record(1, explanation=None)])
    assert world.get("/explanations/t-1").get_json() == record(1, explanation=None)


def test_an_answered_transaction_gets_a_retry_after(world: World) -> None:
    world.post("/predictions/score", world.transaction(transaction_id="fresh"))
    answer = world.get("/explanations/fresh")
    assert answer.status_code == 404
    assert answer.headers["Retry-After"] in {"1", "2"}
    assert answer.get_json()["type"] == "/docs#problem-explanation-pending"


def test_an_unknown_transaction_gets_no_retry_after(world: World) -> None:
    answer = world.get("/explanations/never")
    assert answer.status_code == 404
    assert "Retry-After" not in answer.headers


def test_pages_cover_every_match_once_newest_first(world: World) -> None:
    world.explanations.save([record(number) for number in range(20)])
    seen: list[str] = []
    path = "/explanations?limit=3&customer_id=c-1"
    cursor = ""
    for _ in range(10):
        page = world.get(path + cursor)
        assert page.status_code == 200
        ExplanationPageAnswer.model_validate(page.get_json())
        seen += [item["transaction_id"] for item in page.get_json()["items"]]
        if page.get_json()["next_cursor"] is None:
            break
        cursor = f"&cursor={page.get_json()['next_cursor']}"
    assert seen == [f"t-{number}" for number in range(19, 0, -2)]


def test_criteria_narrow_the_search(world: World) -> None:
    world.explanations.save([record(number) for number in range(9)])

    def found(query: str) -> list[str]:
        answer = world.get(f"/explanations?{query}")
        assert answer.status_code == 200, answer.text
        return [item["transaction_id"] for item in answer.get_json()["items"]]

    assert found("decision=decline") == ["t-6", "t-3", "t-0"]
    assert found("from=2026-11-08T00:00:00Z") == ["t-8", "t-7"]
    assert found("to=2026-11-02T00:00:00Z") == ["t-0"]
    assert found("from=2026-11-02T00:00:00%2B00:00&to=2026-11-03T00:00:00Z") == ["t-1"]


def cursor_of(key: Any) -> str:
    return urlsafe_b64encode(orjson.dumps(key)).decode().rstrip("=")


@pytest.mark.parametrize(
    "key",
    [
        ["0001-01-01T00:00:00+23:59", "x"],
        ["9999-12-31T23:59:59-23:59", "x"],
        ["0001-01-01T00:00:00.000Z", "x"],
        ["2026-02-30T00:00:00.000Z", "x"],
        ["2026-11-01T00:00:00", "x"],
        ["2026-11-01T00:00:00.000Z", 7],
        ["2026-11-01T00:00:00.000Z", {"$gt": ""}],
        ["2026-11-01T00:00:00.000Z"],
        ["2026-11-01T00:00:00.000Z", "x", "y"],
        {"2026-11-01T00:00:00.000Z": 1, "x": 2},
        [1_795_442_607, "x"],
        [None, None],
        "ab",
        7,
        None,
    ],
)
def test_a_made_up_cursor_is_refused(world: World, key: Any) -> None:
    answer = world.get(f"/explanations?cursor={cursor_of(key)}")
    assert answer.status_code == 422
    assert answer.get_json()["errors"] == [{"pointer": "/query/cursor", "message": "is not a cursor of this search"}]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda octets: urlsafe_b64encode(octets).decode()))
def test_no_text_is_a_cursor_that_breaks_the_search(cursor: str) -> None:
    with suppress(InvalidCursorError):
        assert encode_cursor(*decode_cursor(cursor)) == cursor


@pytest.mark.parametrize("written", ["2026-11-02T00:00Z", "2026-11-02T01:00%2B01:00", "1793577600"])
def test_a_time_of_a_query_may_be_written_in_several_ways(world: World, written: str) -> None:
    world.explanations.save([record(number) for number in range(3)])
    items = world.get(f"/explanations?from={written}").get_json()["items"]
    assert [item["transaction_id"] for item in items] == ["t-2", "t-1"]


def test_a_plus_in_a_query_is_answered_with_how_to_write_it(world: World) -> None:
    answer = world.get("/explanations?from=2026-11-23T14:03:27+01:00")
    assert "%2B" in answer.get_json()["errors"][0]["message"]


@pytest.mark.parametrize("text", ["a" * 100 + "Zq", "Zq", "2026-11-23T14:03:27Zq", "5Zq"])
@pytest.mark.parametrize("name", ["customer_id", "decision", "from", "to", "cursor", "limit"])
def test_a_refused_parameter_is_not_repeated(world: World, name: str, text: str) -> None:
    answer = world.get(f"/explanations?{name}={text}")
    if answer.status_code != 200:  # the id of a customer may be nearly any word
        assert (answer.status_code, "Zq" in answer.text) == (422, False)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("decision=maybe", "/query/decision"),
        ("customer_id=a%20b", "/query/customer_id"),
        ("from=yesterday", "/query/from"),
        ("from=2026-11-01T00:00:00", "/query/from"),
        ("to=", "/query/to"),
        ("limit=0", "/query/limit"),
        ("limit=201", "/query/limit"),
        ("limit=many", "/query/limit"),
        ("limit=+5", "/query/limit"),
        ("limit=%2B5", "/query/limit"),
        ("limit=5%0A", "/query/limit"),
        ("limit=5_0", "/query/limit"),
        ("limit=5.0", "/query/limit"),
        ("limit=%D9%A5", "/query/limit"),
        ("limit=" + "9" * 5000, "/query/limit"),
        ("from=0001-01-01T00:00:00%2B23:59", "/query/from"),
        ("to=9999-12-31T23:59:59-23:59", "/query/to"),
        ("from=1795442607000", "/query/from"),
        ("from=" + "9" * 5000, "/query/from"),
        ("from=-1", "/query/from"),
        ("from=2026-11-23T14:03:27+01:00", "/query/from"),
        ("cursor=WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzIzOjU5IiwieCJd", "/query/cursor"),
        ("cursor=!!", "/query/cursor"),
        ("cursor=YQ", "/query/cursor"),
        ("cursor=", "/query/cursor"),
        ("unknown=1", "/query/unknown"),
        ("limit=1&limit=2", "/query"),
        ("customer_id=%FF", "/query"),
        ("from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z", "/query"),
        ("&".join(f"p{number}=1" for number in range(100)), "/query"),
    ],
)
def test_a_bad_query_is_refused_with_a_pointer(world: World, query: str, pointer: str) -> None:
    answer = world.get(f"/explanations?{query}")
    assert answer.status_code == 422
    assert answer.get_json()["type"] == "/docs#problem-invalid-parameter"
    assert answer.get_json()["errors"][0]["pointer"] == pointer
