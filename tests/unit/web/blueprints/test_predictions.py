import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest
from prometheus_client import REGISTRY

from ml.domain.errors import StoreUnavailableError
from security.admission.admission import Admission, AdmissionPolicy, AdmissionRequest
from security.admission.admission_memory import MemoryAdmissionControl
from security.roles import Role
from settings import Settings
from tests.unit.web.world import World
from web.http.schemas.decisions import BatchAnswer, DecisionAnswer, ProblemAnswer, StoredDecision
from web.protection.circuit_breaker import BreakerState, CircuitBreaker
from web.scoring.batch import Batch

SCORE = "/predictions/score"
BATCH = "/predictions/score/batch"
MISSING = object()


def problem(answer: Any) -> str:
    assert answer.content_type == "application/problem+json"
    ProblemAnswer.model_validate(answer.get_json(), strict=True)
    return str(answer.get_json()["type"]).rpartition("problem-")[2]


def test_answers_with_the_decision_and_what_belongs_to_this_request(world: World) -> None:
    answer = world.post(SCORE, world.transaction(amount="800.00"), X_Correlation_ID="order-4711")
    assert answer.status_code == 200
    body = answer.get_json()
    DecisionAnswer.model_validate(body)
    assert body["decision"] == "decline"
    assert body["correlation_id"] == answer.headers["X-Correlation-ID"] == "order-4711"
    assert set(body["timings"]) == {"queue_ms", "features_ms", "total_ms"}
    assert world.worker.batches[0].requests[0].correlation_id == "order-4711"


def test_a_retry_gets_the_same_bytes_but_for_correlation_id_and_timings(world: World) -> None:
    transaction = world.transaction()
    first, second = (world.post(SCORE, transaction).data for _ in range(2))
    assert first.partition(b',"correlation_id"')[0] == second.partition(b',"correlation_id"')[0]
    assert b"scored_at" in first.partition(b',"correlation_id"')[0]


def test_a_retry_is_answered_from_the_record_without_a_worker(world: World) -> None:
    transaction = world.transaction()
    world.post(SCORE, transaction)
    before = outcomes("replayed"), outcomes("conflict")
    assert world.post(SCORE, transaction).get_json()["timings"].keys() == {"total_ms"}
    assert world.post(SCORE, transaction | {"customer_id": "c-2"}).status_code == 409
    assert len(world.worker.batches) == 1
    assert (outcomes("replayed"), outcomes("conflict")) == (before[0] + 1, before[1] + 1)


def test_a_retry_is_refused_like_any_request_while_scoring_is_off(make_world: Callable[..., World]) -> None:
    breaker = CircuitBreaker(max_failures=1, window_seconds=30, open_seconds=15)
    world = make_world(breaker=breaker)
    transaction = world.transaction()
    world.post(SCORE, transaction)
    breaker.record_failure()
    assert problem(world.post(SCORE, transaction)) == "scoring-suspended"
    assert problem(world.post(SCORE, transaction | {"amount": 99})) == "scoring-suspended"
    world.safe_mode.enable("a test", "nobody")
    assert problem(world.post(SCORE, transaction)) == "safe-mode"
    assert problem(world.post(SCORE, transaction | {"amount": -1})) == "invalid-body"


def test_a_retry_does_not_take_the_half_open_breakers_probe(make_world: Callable[..., World]) -> None:
    now = [0.0]
    breaker = CircuitBreaker(max_failures=1, window_seconds=30, open_seconds=15, clock=lambda: now[0])
    world = make_world(breaker=breaker)
    transaction = world.transaction()
    world.post(SCORE, transaction)
    breaker.record_failure()
    now[0] = 16.0
    assert world.post(SCORE, transaction).status_code == 200
    assert breaker.state is BreakerState.OPEN
    assert world.post(SCORE, world.transaction()).status_code == 200
    assert breaker.state is BreakerState.CLOSED


class SlowAdmission(MemoryAdmissionControl):
    """Takes a while, and notes when it began."""

    began: float

    def admit(self, requests: Sequence[AdmissionRequest]) -> list[Admission]:
        self.began = time.time()
        time.sleep(0.05)
        return super().admit(requests)


def test_admission_and_scoring_share_one_deadline(make_world: Callable[..., World], settings: Settings) -> None:
    admission = SlowAdmission(AdmissionPolicy.from_settings(settings))
    world = make_world(admission=admission)
    assert world.post(SCORE, world.transaction()).status_code == 200
    [batch] = world.worker.batches
    # The request was there before its admission began.
    assert batch.deadline_ms <= admission.began * 1000 + settings.score_timeout_ms + 1


def test_a_batch_learns_of_all_its_recorded_decisions_at_once(make_world: Callable[..., World]) -> None:
    asked: list[list[str]] = []
    world = make_world(changes={"infer_batch_size": 4})
    find_many = world.decisions.find_many
    world.decisions.find_many = lambda ids: asked.append(list(ids)) or find_many(ids)  # type: ignore[method-assign]
    known = [world.transaction() for _ in range(6)]
    first = world.post(BATCH, {"transactions": known}).get_json()["results"]
    scored_in = len(world.worker.batches)
    asked.clear()
    mixed = [*known[:3], world.transaction(), *known[3:], known[0] | {"amount": 99}, "no object", {"transaction_id": 7}]
    results = world.post(BATCH, {"transactions": mixed}).get_json()["results"]
    assert [ids for ids in asked if ids] == [[item["transaction_id"] for item in mixed[:7]]]
    assert [results[place]["scored_at"] for place in (0, 1, 2, 4, 5, 6)] == [item["scored_at"] for item in first]
    assert [item.get("status") for item in results[7:]] == [409, 422, 422]
    assert sum(len(batch.requests) for batch in world.worker.batches[scored_in:]) == 1


def outcomes(outcome: str) -> float:
    return REGISTRY.get_sample_value("fraud_inference_requests_total", {"outcome": outcome}) or 0.0


def test_the_same_transaction_written_differently_is_the_same(world: World) -> None:
    transaction = world.transaction(amount=12.5, timestamp="2026-11-23T14:03:27Z")
    assert world.post(SCORE, transaction).status_code == 200
    rewritten = dict(reversed((transaction | {"amount": "12.50", "timestamp": 1795442607}).items()))
    assert world.post(SCORE, rewritten).status_code == 200


def test_a_value_in_any_of_its_forms_is_the_same_transaction(world: World) -> None:
    forms: dict[str, list[Any]] = {
        "amount": ["12.300000", 12.3, "1.23E+1"],
        "timestamp": ["2026-11-23T14:03Z", 1795442580, "2026-11-23T15:03+01:00"],
        "ip": ["203.0.113.7:50312", "203.0.113.7", "::ffff:203.0.113.7"],
    }
    for name, values in forms.items():
        transaction = world.transaction()
        assert [world.post(SCORE, transaction | {name: value}).status_code for value in values] == [200, 200, 200]
    assert len(world.worker.batches) == len(forms)


def test_the_same_id_with_another_body_is_a_conflict(world: World) -> None:
    transaction = world.transaction()
    world.post(SCORE, transaction)
    answer = world.post(SCORE, transaction | {"amount": 13})
    assert (answer.status_code, problem(answer)) == (409, "conflict")


BAD_MEMBERS: list[tuple[str, Any]] = [
    ("unknown", 1),
    ("transaction_id", MISSING),
    ("transaction_id", ""),
    ("transaction_id", "x" * 65),
    ("transaction_id", "a b"),
    ("transaction_id", "a/b"),
    ("transaction_id", "ä"),
    ("transaction_id", "a\n"),
    ("transaction_id", 17),
    ("transaction_id", None),
    ("timestamp", MISSING),
    ("timestamp", "yesterday"),
    ("timestamp", "2026-11-23"),
    ("timestamp", "2026-11-23T14:03:27"),
    ("timestamp", "2026-02-30T00:00:00Z"),
    ("timestamp", "2026-11-23T25:00:00Z"),
    ("timestamp", -1),
    ("timestamp", 10**11),
    ("timestamp", True),
    ("timestamp", None),
    ("timestamp", []),
    ("timestamp", "3000-01-01T00:00:00Z"),
    ("timestamp", 4_000_000_000),
    ("timestamp", 0),
    ("timestamp", "1999-12-31T23:59:59Z"),
    ("timestamp", "0001-01-01T00:00:00+23:59"),
    ("timestamp", "2026-11-23T14:59:60Z"),
    ("customer_id", MISSING),
    ("customer_id", {}),
    ("terminal_id", MISSING),
    ("amount", MISSING),
    ("amount", 0),
    ("amount", -0.01),
    ("amount", "-5"),
    ("amount", 1_000_000_001),
    ("amount", 0.00001),
    ("amount", "1.00001"),
    ("amount", "-1e3"),
    ("amount", "1e99"),
    ("amount", "NaN"),
    ("amount", " 1"),
    ("amount", "1,00"),
    ("amount", "١٢"),
    ("amount", ""),
    ("amount", True),
    ("amount", None),
    ("amount", [1]),
    ("currency", "eur"),
    ("currency", "EURO"),
    ("currency", 978),
    ("currency", MISSING),
    ("channel", "POS"),
    ("channel", "phone"),
    ("channel", None),
    ("channel", MISSING),
    ("country", "fr"),
    ("country", "FRA"),
    ("merchant_category", 5732),
    ("merchant_category", "573"),
    ("device_id", "d 1"),
    ("device_id", 1),
    ("ip", "999.0.0.1"),
    ("ip", "localhost"),
    ("ip", 1),
    ("ip", "fe80::1%eth0"),
    ("ip", "203.0.113.7, 198.51.100.1"),
    ("metadata", []),
    ("metadata", {"a": 1}),
    ("metadata", {"a": {"b": "c"}}),
    ("metadata", {"a": None}),
    ("metadata", {"a": "x" * 1025}),
    ("metadata", {str(number): "x" * 300 for number in range(8)}),
]


@pytest.mark.parametrize(("name", "value"), BAD_MEMBERS)
def test_a_bad_member_is_refused_with_a_pointer_to_it(world: World, name: str, value: Any) -> None:
    transaction = world.transaction()
    if value is MISSING:
        del transaction[name]
    else:
        transaction[name] = value
    answer = world.post(SCORE, transaction)
    assert (answer.status_code, problem(answer)) == (422, "invalid-body")
    pointers = [violation["pointer"] for violation in answer.get_json()["errors"]]
    assert all(pointer.startswith(f"/{name}") for pointer in pointers)
    assert pointers
    assert world.worker.batches == []


BAD_BODIES: list[tuple[bytes, int]] = [
    (b"", 400),
    (b"\x00", 400),
    (b"null", 422),
    (b"1", 422),
    (b'"text"', 422),
    (b"[]", 422),
    (b"{}", 422),
    (b'[{"a": 1}]', 422),
    (b"{", 400),
    (b'{"amount": NaN}', 400),
    (b'{"amount": Infinity}', 400),
    (b'{"amount": -Infinity}', 400),
    (b'{"amount": 1e400}', 422),
    (b'{"amount": 1e-400}', 422),
    (b'{"amount": 1e999999999}', 422),
    (b'{"timestamp": 1e999999999}', 422),
    (b'{"timestamp": -1e999999999}', 422),
    (b'{"amount": 1e99999999999999999999}', 400),
    (b'{"amount": 0.' + b"1" * 4000 + b"}", 422),
    (b'{"amount": ' + b"9" * 4000 + b"}", 422),
    (b'{"amount": ' + b"9" * 5000 + b"}", 400),
    (b'{"amount": 1, "amount": 2}', 400),
    (b'{"metadata": {"a": "1", "a": "2"}}', 400),
    (b'{"a": ' * 30_00 + b"1" + b"}" * 30_00, 400),
    (b"[" * 60_000, 400),
    (b'{"metadata": ' + b"[" * 20 + b"]" * 20 + b"}", 400),
    (b'{"customer_id": "\xff\xfe"}', 400),
    (b'{"customer_id": "\\ud800"}', 400),
    (b'{"metadata": {"a": "\\udc00"}}', 400),
    (b'{"metadata": {"\\u0000": "a"}}', 400),
    (b"\xef\xbb\xbf{}", 400),
    ("{}".encode("utf-16"), 400),
    ("{}".encode("utf-32"), 400),
    (b"a=b", 400),
    (b"<xml/>", 400),
    (b" " * 65_537, 413),
]


@pytest.mark.parametrize(("body", "status"), BAD_BODIES, ids=range(len(BAD_BODIES)))
@pytest.mark.parametrize("path", [SCORE, BATCH, "/labels"])
def test_a_body_that_is_no_transaction_is_refused(world: World, path: str, body: bytes, status: int) -> None:
    answer = world.post(path, body)
    expected = 400 if path == BATCH and status == 413 else status  # a batch may be larger, and blanks are no JSON
    assert answer.status_code == expected
    problem(answer)
    assert world.worker.batches == []


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/json; charset=latin-1", "text/json"])
def test_another_content_type_is_refused(world: World, content_type: str | None) -> None:
    answer = world.post(SCORE, world.transaction(), content_type=content_type)
    assert (answer.status_code, problem(answer)) == (415, "unsupported-media-type")


@pytest.mark.parametrize("path", [SCORE, BATCH, "/labels"])
@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain"])
def test_a_missing_body_is_said_to_be_missing(world: World, path: str, content_type: str | None) -> None:
    answer = world.post(path, b"", content_type=content_type)
    assert (answer.status_code, problem(answer)) == (400, "malformed-json")
    assert answer.get_json()["detail"].startswith("The body is missing: send one JSON object")


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null"])
@pytest.mark.parametrize("path", [SCORE, BATCH, "/labels"])
def test_what_is_no_object_is_told_so_in_the_words_of_json(world: World, path: str, body: bytes) -> None:
    answer = world.post(path, body)
    assert answer.status_code == 422
    assert answer.get_json()["errors"] == [{"pointer": "", "message": "must be a JSON object"}]


def test_no_answer_names_a_class_of_the_server(world: World) -> None:
    bodies = [{"transactions": {}}, {"transactions": "x"}, {"transactions": [[]]}, {"transactions": [1]}]
    text = "".join(world.post(BATCH, body).text for body in bodies)
    text += world.post(SCORE, world.transaction(metadata=[])).text
    assert "instance of" not in text
    assert "must be a JSON array" in text
    assert text.count("must be a JSON object") >= 2


def test_a_compressed_body_is_refused(world: World) -> None:
    answer = world.post(SCORE, world.transaction(), Content_Encoding="gzip")
    assert answer.status_code == 415


def test_in_safe_mode_nothing_is_scored(world: World) -> None:
    world.safe_mode.enable("manifest signature does not fit", "score@host")
    for path, body in ((SCORE, world.transaction()), (BATCH, {"transactions": [world.transaction()]})):
        answer = world.post(path, body)
        assert (answer.status_code, problem(answer)) == (503, "safe-mode")
        assert answer.get_json()["status"] == "safe_mode"
        assert answer.get_json()["reason"] == "manifest signature does not fit"
    assert world.worker.batches == []


@pytest.mark.parametrize(
    ("result", "status", "kind"),
    [
        ({"status": "overloaded"}, 503, "overloaded"),
        ({"status": "safe_mode", "reason": "no model is loaded"}, 503, "safe-mode"),
        ({"status": "expired"}, 504, "deadline"),
        ({"status": "failed", "reason": "x"}, 500, "scoring-failed"),
    ],
)
def test_the_refusal_of_a_worker_reaches_the_client(
    world: World, result: dict[str, str], status: int, kind: str
) -> None:
    world.worker.override = lambda batch: orjson.dumps({"batch_id": batch.batch_id, "results": [result]})
    answer = world.post(SCORE, world.transaction())
    assert (answer.status_code, problem(answer)) == (status, kind)
    assert ("Retry-After" in answer.headers) == (kind != "scoring-failed")


def test_every_refusal_that_passes_says_when_to_come_again(world: World) -> None:
    """In a batch, too, whose items have no headers."""
    for result in ("overloaded", "safe_mode", "expired"):
        world.worker.override = lambda batch, status=result: orjson.dumps(
            {"batch_id": batch.batch_id, "results": [{"status": status}] * len(batch.requests)}
        )
        [item] = world.post(BATCH, {"transactions": [world.transaction()]}).get_json()["results"]
        assert item["retry_after_seconds"] in {1, 2}
    world.safe_mode.enable("test", "test")
    hints = {world.post(SCORE, world.transaction()).headers["Retry-After"] for _ in range(60)}
    assert hints == {"1", "2"}


def test_a_replayed_request_may_come_again_in_a_second(world: World) -> None:
    headers = world.headers("GET", "/explanations", role=Role.READ)
    answers = [world.client.get("/explanations", headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 401]
    assert answers[1].headers["Retry-After"] in {"1", "2"}
    assert answers[1].headers["WWW-Authenticate"] == "Bearer"


class Silent:
    """Takes everything and answers nothing."""

    def publish(self, batch: Batch) -> None:
        pass

    def wait(self, timeout_seconds: float) -> bytes | None:
        time.sleep(timeout_seconds)
        return None


class Down:
    """A broker that cannot be reached."""

    def publish(self, _batch: Batch) -> None:
        raise StoreUnavailableError("down")

    def wait(self, _timeout_seconds: float) -> bytes | None:
        raise StoreUnavailableError("down")


def test_no_decision_in_time_is_a_gateway_timeout_and_opens_the_breaker(make_world: Callable[..., World]) -> None:
    world = make_world(transport=Silent(), changes={"score_timeout_ms": 30})
    kinds = []
    for _ in range(15):  # on a busy machine a request may end before it was sent, which is nobody's failure
        started = time.monotonic()
        answer = world.post(SCORE, world.transaction())
        assert time.monotonic() - started < 10
        kinds.append((answer.status_code, problem(answer)))
        if answer.status_code == 503:
            break
    assert kinds[:5] == [(504, "deadline")] * 5
    assert kinds[-1] == (503, "scoring-suspended")
    assert 1 <= int(answer.headers["Retry-After"]) <= 1.5 * 15 + 1
    batch = world.post(BATCH, {"transactions": [world.transaction()]})
    assert (batch.status_code, problem(batch)) == (503, "scoring-suspended")


def test_an_unreachable_broker_is_reported_at_once(make_world: Callable[..., World]) -> None:
    answer = make_world(transport=Down()).post(SCORE, World.transaction(make_world()))
    assert (answer.status_code, problem(answer)) == (503, "unavailable")
    assert answer.headers["Retry-After"]


def test_a_batch_answers_in_order_and_a_bad_item_fails_alone(world: World) -> None:
    good = [world.transaction(amount=amount) for amount in (10, 400, 900)]
    bad = [world.transaction(amount=-1), {"transaction_id": "half"}, "no object", None]
    answer = world.post(BATCH, {"transactions": [good[0], bad[0], good[1], bad[1], bad[2], bad[3], good[2]]})
    assert answer.status_code == 200
    BatchAnswer.model_validate(answer.get_json())
    results = answer.get_json()["results"]
    assert [item.get("decision") for item in results] == ["approve", None, "review", None, None, None, "decline"]
    assert [item.get("status") for item in results] == [None, 422, None, 422, 422, 422, None]
    assert results[1]["errors"][0]["pointer"] == "/transactions/1/amount"
    assert results[1]["transaction_id"] == bad[0]["transaction_id"]
    assert results[3]["transaction_id"] == "half"
    assert results[4]["errors"][0]["pointer"] == "/transactions/4"
    assert [results[place]["transaction_id"] for place in (0, 2, 6)] == [item["transaction_id"] for item in good]


def test_a_full_batch_travels_in_messages_of_the_configured_size(world: World) -> None:
    transactions = [world.transaction() for _ in range(1000)]
    answer = world.post(BATCH, {"transactions": transactions})
    ids = [item["transaction_id"] for item in answer.get_json()["results"]]
    assert ids == [transaction["transaction_id"] for transaction in transactions]
    assert max(len(batch.requests) for batch in world.worker.batches) == world.settings.infer_batch_size


def test_one_id_twice_in_a_batch_is_decided_once(world: World) -> None:
    transaction = world.transaction()
    batch = {"transactions": [transaction, transaction, transaction | {"amount": 99}]}
    results = world.post(BATCH, batch).get_json()["results"]
    assert results[0]["scored_at"] == results[1]["scored_at"]
    assert results[2]["status"] == 409


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"transactions": []}, "/transactions"),
        ({"transactions": [{}] * 1001}, "/transactions"),
        ({"transactions": {}}, "/transactions"),
        ({"transactions": None}, "/transactions"),
        ({}, "/transactions"),
        ({"transactions": [{}], "more": 1}, "/more"),
    ],
)
def test_a_batch_of_the_wrong_shape_is_refused_as_a_whole(world: World, body: Any, pointer: str) -> None:
    answer = world.post(BATCH, body)
    assert (answer.status_code, problem(answer)) == (422, "invalid-body")
    assert answer.get_json()["errors"][0]["pointer"] == pointer


def test_the_batch_limit_is_a_setting(make_world: Callable[..., World]) -> None:
    world = make_world(changes={"batch_limit": 2})
    answer = world.post(BATCH, {"transactions": [world.transaction() for _ in range(3)]})
    assert answer.status_code == 422


def test_a_batch_may_be_a_mebibyte_and_no_more(world: World) -> None:
    padding = b" " * (1024 * 1024 - 30)
    assert world.post(BATCH, b'{"transactions": [' + padding + b"1]}").status_code == 200
    assert world.post(BATCH, b'{"transactions": [' + padding + b"1]}" + b" " * 30).status_code == 413


def test_a_batch_whose_scoring_dies_midway_answers_every_item(make_world: Callable[..., World]) -> None:
    breaker = CircuitBreaker(max_failures=2, window_seconds=30, open_seconds=15)
    world = make_world(transport=Down(), breaker=breaker, changes={"infer_batch_size": 4})
    answer = world.post(BATCH, {"transactions": [world.transaction() for _ in range(20)]})
    assert answer.status_code == 200
    statuses = [item["status"] for item in answer.get_json()["results"]]
    assert statuses == [503] * 20
    kinds = [item["type"].rpartition("-")[2] for item in answer.get_json()["results"]]
    assert kinds[0] == "unavailable"
    assert kinds[-1] == "suspended"


def test_the_stored_decision_is_the_answered_one(world: World) -> None:
    transaction = world.transaction()
    answered = world.post(SCORE, transaction).get_json()
    stored = world.get(f"/predictions/{transaction['transaction_id']}")
    assert stored.status_code == 200
    StoredDecision.model_validate(stored.get_json())
    assert stored.get_json() == {name: answered[name] for name in stored.get_json()}


def test_an_expired_decision_is_read_from_the_audit_store(world: World) -> None:
    world.post(SCORE, world.transaction(transaction_id="old"))
    record = world.decisions._records.pop("old")
    world.explanations.save([record.decision | {"customer_id": "c-1", "correlation_id": "x"}])
    assert world.get("/predictions/old").get_json() == record.decision


def test_an_unknown_decision_is_not_found(world: World) -> None:
    answer = world.get("/predictions/never")
    assert (answer.status_code, problem(answer)) == (404, "not-found")


def test_an_id_that_cannot_be_one_is_refused(world: World) -> None:
    for path in ("/predictions/a%20b", "/predictions/" + "x" * 65, "/predictions/%C3%A4", "/predictions/%FF"):
        answer = world.get(path)
        assert (answer.status_code, problem(answer)) == (422, "invalid-parameter"), path
        assert answer.get_json()["errors"][0]["pointer"] == "/path/transaction_id"


def test_a_body_on_a_get_is_refused(world: World) -> None:
    headers = world.headers("GET", "/predictions/t-1", b"{}", role=Role.READ)
    assert world.client.get("/predictions/t-1", data=b"{}", headers=headers).status_code == 400
