import io
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest
from prometheus_client import REGISTRY
from werkzeug.test import TestResponse

from security.admission.admission import NO_LOAD, Admission, AdmissionRequest, Load
from security.errors import AdmissionUnavailableError
from security.keys import generate_secret
from security.roles import Role
from security.signatures.request_signatures import sign
from tests.unit.web.world import HMAC_KEY, JSON, World

PATH = "/predictions/score"
BATCH = "/predictions/score/batch"
GARBAGE = b"not json"


def count(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(metric, labels) or 0.0


def total(metric: str) -> float:
    return sum(sample.value for family in REGISTRY.collect() for sample in family.samples if sample.name == metric)


class Breaker:
    """Wrong in every way at once; each repair leaves the later checks broken."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.size = 70_000
        self.token = "wrong"
        self.timestamp = "never"
        self.signature: str | None = "wrong"
        self.body = GARBAGE

    def send(self) -> tuple[int, str]:
        body = self.body + b" " * self.size
        headers = {"Authorization": f"Bearer {self.token}", "X-Request-Timestamp": self.timestamp}
        signature = self.signature or sign(
            HMAC_KEY.encode(), method="POST", path=PATH, timestamp=self.timestamp, body=body
        )
        answer = self.world.client.post(
            PATH, data=body, content_type=JSON, headers=headers | {"X-Request-Signature": signature}
        )
        return answer.status_code, answer.get_json()["type"].rpartition("problem-")[2]


def test_the_first_failed_check_answers_and_counts_once(make_world: Callable[..., World]) -> None:
    world = make_world(changes={"rate_limit_capacity": 1, "rate_limit_refill_per_minute": 0.001})
    attempt = Breaker(world)
    before = total("auth_failures_total")
    seen = []

    def expect(status: int, kind: str, failures: int) -> None:
        assert attempt.send() == (status, kind)
        seen.append(kind)
        assert total("auth_failures_total") - before == failures

    expect(413, "body-too-large", 0)
    attempt.size = 0
    expect(401, "unauthenticated", 1)
    attempt.token = world.token(Role.ADMIN, Role.READ)
    expect(403, "role-missing", 2)
    attempt.token = world.token(Role.SERVICE)
    expect(401, "signature-rejected", 3)
    attempt.timestamp = str(int(time.time()) - 1000)
    expect(401, "signature-rejected", 4)
    attempt.timestamp = str(int(time.time()))
    expect(401, "signature-rejected", 5)
    attempt.signature = None
    expect(400, "malformed-json", 5)
    expect(401, "replayed", 6)
    attempt.timestamp = str(int(time.time()) - 1)
    blocked = count("rate_limit_block_total", bucket="subject")
    expect(429, "rate-limited", 6)
    assert count("rate_limit_block_total", bucket="subject") - blocked == 1
    assert len(seen) == 9


def test_counts_the_reason_of_each_refusal(world: World) -> None:
    reasons = {
        "token_missing": {},
        "token_malformed": {"Authorization": "Bearer x"},
        "role_missing": {"Authorization": f"Bearer {world.token(Role.READ)}"},
        "timestamp_missing": {"Authorization": f"Bearer {world.token(Role.SERVICE)}"},
    }
    for reason, headers in reasons.items():
        before = count("auth_failures_total", reason=reason)
        world.client.post(PATH, data=b"{}", content_type=JSON, headers=headers)
        assert count("auth_failures_total", reason=reason) - before == 1, reason


def test_a_refused_request_never_reaches_the_worker(world: World) -> None:
    world.client.post(PATH, json=world.transaction())
    assert world.worker.batches == []


def test_a_body_sent_without_its_length_is_measured(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.token(Role.SERVICE)}"}

    def send(size: int) -> int:
        undeclared = {"wsgi.input": io.BytesIO(b" " * size), "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
        answer = world.client.post(PATH, content_type=JSON, headers=headers, environ_overrides=undeclared)
        return answer.status_code

    assert send(world.settings.body_limit_bytes + 1) == 413
    assert send(world.settings.body_limit_bytes) == 401


class Unread(io.BytesIO):
    """A body that nobody may read."""

    def read(self, size: int | None = -1) -> bytes:
        raise AssertionError(f"{size} bytes were asked for")


@pytest.mark.parametrize("length", ["", "1000"])
@pytest.mark.parametrize("role", [None, Role.READ])
def test_a_body_is_not_read_before_its_senders_token_and_role(world: World, role: Role | None, length: str) -> None:
    headers = {} if role is None else {"Authorization": f"Bearer {world.token(role)}"}
    unread = {"wsgi.input": Unread(), "wsgi.input_terminated": True, "CONTENT_LENGTH": length}
    for path in (PATH, BATCH, "/labels", "/admin/safe-mode/enable"):
        answer = world.client.post(path, content_type=JSON, headers=headers, environ_overrides=unread)
        assert answer.status_code == (401 if role is None else 403)


@pytest.mark.parametrize(
    ("role", "method", "path"),
    [
        (Role.ADMIN, "POST", PATH),
        (Role.READ, "POST", PATH),
        (Role.READ, "POST", "/predictions/score/batch"),
        (Role.SERVICE, "GET", "/predictions/t-1"),
        (Role.ADMIN, "GET", "/explanations/t-1"),
        (Role.SERVICE, "GET", "/explanations"),
        (Role.ADMIN, "POST", "/labels"),
        (Role.SERVICE, "GET", "/admin/safe-mode"),
        (Role.SERVICE, "POST", "/admin/safe-mode/enable"),
        (Role.READ, "POST", "/admin/safe-mode/disable"),
        (Role.READ, "GET", "/admin/models"),
        (Role.SERVICE, "GET", "/admin/queues"),
        (Role.READ, "GET", "/metrics"),
    ],
)
def test_another_role_is_not_enough(world: World, role: Role, method: str, path: str) -> None:
    answer = world.client.open(path, method=method, headers=world.headers(method, path, role=role))
    assert answer.status_code == 403
    assert answer.get_json()["type"] == "/docs#problem-role-missing"


def test_the_signature_covers_the_query_as_it_was_sent(world: World) -> None:
    signed = "/explanations?customer_id=c-1"
    headers = world.headers("GET", signed, role=Role.READ)
    assert world.client.get("/explanations?customer_id=c-2", headers=headers).status_code == 401
    assert world.client.get("/explanations?customer_id=c%2D1", headers=headers).status_code == 401
    assert world.client.get(signed, headers=headers).status_code == 200


def test_a_signature_of_another_key_is_refused(world: World) -> None:
    body = orjson.dumps(world.transaction())
    timestamp = int(time.time())
    headers = world.headers("POST", PATH, body) | {
        "X-Request-Timestamp": str(timestamp),
        "X-Request-Signature": sign(
            generate_secret().encode(), method="POST", path=PATH, timestamp=timestamp, body=body
        ),
    }
    assert world.client.post(PATH, data=body, content_type=JSON, headers=headers).status_code == 401


class Recorder:
    """Admits everything and keeps what it was asked."""

    def __init__(self) -> None:
        self.calls: list[Sequence[AdmissionRequest]] = []

    def admit(self, requests: Sequence[AdmissionRequest]) -> list[Admission]:
        self.calls.append(requests)
        return [Admission("admitted") for _ in requests]  # type: ignore[arg-type]


class Unavailable:
    def admit(self, _requests: Sequence[AdmissionRequest]) -> list[Admission]:
        raise AdmissionUnavailableError("no Redis")


def test_replay_and_both_buckets_are_one_round_trip(make_world: Callable[..., World]) -> None:
    recorder = Recorder()
    world = make_world(admission=recorder)
    world.post(PATH, world.transaction(device_id="d-1"))
    assert len(recorder.calls) == 1
    [asked] = recorder.calls[0]
    assert (asked.subject, asked.load) == ("client-1", Load(1, {"d-1": 1}))


def test_nothing_is_admitted_while_redis_is_away(make_world: Callable[..., World]) -> None:
    world = make_world(admission=Unavailable())
    answer = world.post(PATH, world.transaction())
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert world.worker.batches == []


def test_metrics_stay_readable_while_redis_is_away(make_world: Callable[..., World]) -> None:
    world = make_world(admission=Unavailable())
    headers = {"Authorization": f"Bearer {world.token(Role.ADMIN)}"}
    assert world.client.get("/metrics", headers=headers).status_code == 200


def test_the_device_has_a_bucket_of_its_own(make_world: Callable[..., World]) -> None:
    world = make_world(changes={"device_rate_limit_capacity": 1, "device_rate_limit_refill_per_minute": 0.1})

    def send(device: str) -> Any:
        return world.post(PATH, world.transaction(device_id=device))

    assert send("d-1").status_code == 200
    limited = send("d-1")
    assert limited.status_code == 429
    assert int(limited.headers["Retry-After"]) > 1
    assert limited.headers["RateLimit-Limit"] == "1"
    assert send("d-2").status_code == 200


def test_headers_show_how_much_of_the_rate_limit_is_left(make_world: Callable[..., World]) -> None:
    world = make_world(changes={"rate_limit_capacity": 3, "rate_limit_refill_per_minute": 1})
    answer = world.post(PATH, world.transaction())
    assert answer.headers["RateLimit-Limit"] == "3"
    assert answer.headers["RateLimit-Remaining"] == "2"
    assert answer.headers["RateLimit-Reset"] == "60"
    assert "RateLimit-Limit" not in world.client.get("/health/live").headers


def test_a_batch_takes_one_token_of_requests_and_one_per_transaction(make_world: Callable[..., World]) -> None:
    changes = {"transaction_rate_limit_capacity": 90, "transaction_rate_limit_refill_per_minute": 60}
    world = make_world(changes={"rate_limit_capacity": 9, "rate_limit_refill_per_minute": 1, **changes})

    def send(items: int) -> TestResponse:
        return world.post(BATCH, {"transactions": [world.transaction() for _ in range(items)]})

    answer = send(50)
    assert (answer.status_code, answer.headers["RateLimit-Remaining"]) == (200, "8")
    blocked = count("rate_limit_block_total", bucket="transactions")
    limited = send(50)
    assert (limited.status_code, limited.headers["RateLimit-Limit"]) == (429, "90")
    assert 9 <= int(limited.headers["Retry-After"]) <= 10
    assert limited.get_json()["detail"] == "The rate limit of this subject's transactions is used up."
    assert count("rate_limit_block_total", bucket="transactions") == blocked + 1
    assert send(40).status_code == 200
    assert world.post(PATH, world.transaction()).status_code == 429


def test_a_batch_that_is_refused_for_its_size_counts_no_transactions(make_world: Callable[..., World]) -> None:
    recorder = Recorder()
    world = make_world(admission=recorder, changes={"batch_limit": 2})
    assert world.post(BATCH, {"transactions": [{"device_id": "d-1"}] * 3}).status_code == 422
    [[asked]] = recorder.calls
    assert asked.load == NO_LOAD


def test_a_full_batch_passes_with_the_default_limits(make_world: Callable[..., World]) -> None:
    world = make_world(changes={"rate_limit_capacity": 100, "rate_limit_refill_per_minute": 50.0})
    full = {"transactions": [{"transaction_id": f"t-{number}"} for number in range(1000)]}
    assert [world.post(BATCH, full).status_code for _ in range(3)] == [200, 200, 429]


def test_a_device_limits_its_own_items_of_a_batch(make_world: Callable[..., World]) -> None:
    world = make_world(changes={"device_rate_limit_capacity": 2, "device_rate_limit_refill_per_minute": 0.1})
    devices = ["d-1", None, "d-1", "d-2", "d-1", None]
    items = [world.transaction(**({} if device is None else {"device_id": device})) for device in devices]
    blocked = count("rate_limit_block_total", bucket="device")
    answer = world.post(BATCH, {"transactions": items})
    assert answer.status_code == 200
    results = answer.get_json()["results"]
    assert ["decision" in item for item in results] == [True, True, True, True, False, True]
    assert (results[4]["status"], results[4]["transaction_id"]) == (429, items[4]["transaction_id"])
    assert count("rate_limit_block_total", bucket="device") == blocked + 1
    assert world.post(PATH, world.transaction(device_id="d-1")).status_code == 429
    assert world.post(PATH, world.transaction(device_id="d-2")).status_code == 200


def test_what_is_no_device_counts_for_none(make_world: Callable[..., World]) -> None:
    recorder = Recorder()
    world = make_world(admission=recorder)
    strange: list[Any] = [1, "d" * 65, "", None, ["d-1"], {"d": 1}]
    items = [*({"device_id": device} for device in strange), [], "text", None]
    world.post(BATCH, {"transactions": items})
    [[asked]] = recorder.calls
    assert asked.load == Load(9, {}, is_batch=True)


def test_two_subjects_with_one_key_ask_the_same_in_the_same_second(world: World) -> None:
    path, now = "/explanations", int(time.time())
    signed = {
        "X-Request-Timestamp": str(now),
        "X-Request-Signature": sign(HMAC_KEY.encode(), method="GET", path=path, timestamp=now, body=b""),
    }

    def ask(subject: str) -> int:
        headers = signed | {"Authorization": f"Bearer {world.token(Role.READ, subject=subject)}"}
        return world.client.get(path, headers=headers).status_code

    assert [ask("one"), ask("other"), ask("one"), ask("other")] == [200, 200, 401, 401]


def test_a_refused_body_is_read_away_so_that_its_sender_sees_why(world: World) -> None:
    body = io.BytesIO(b" " * 1_000_000)
    declared = {"wsgi.input": body, "wsgi.input_terminated": True, "CONTENT_LENGTH": "1000000"}
    assert world.client.post(PATH, content_type=JSON, environ_overrides=declared).status_code == 413
    assert body.read() == b""
    endless = io.BytesIO(b" " * 10_000_000)
    world.client.post(PATH, content_type=JSON, environ_overrides=declared | {"wsgi.input": endless})
    assert len(endless.read()) > 7_000_000
