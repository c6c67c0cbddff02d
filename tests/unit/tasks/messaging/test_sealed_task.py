from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import Ignore

from observability import metrics
from security.errors import MessageRejectedError
from security.messages.message_replays import SeenMessages
from security.messages.message_signer import MessageSigner
from tasks import delivery, reconcile, retraining, scoring  # noqa: F401 - registers the tasks
from tasks.app import app
from tasks.messaging.doorbells import DOORBELLS
from tasks.messaging.sealed_task import MessageGate, SealedTask
from tasks.services import provide

NOW_MS = 1_800_000_000_000
SIGNER = MessageSigner(b"k" * 32)


def gate() -> MessageGate:
    return MessageGate(SIGNER, SeenMessages(now_ms=lambda: NOW_MS), now_ms=lambda: NOW_MS)


def request(
    task: str, payload: str = "", *, message_id: str = "m-1", deadline_ms: int = NOW_MS + 100, **changes: Any
) -> SimpleNamespace:
    headers = {
        "sent_at": NOW_MS / 1000,
        "deadline_ms": deadline_ms,
        "signature": SIGNER.sign(task, message_id, deadline_ms, payload),
    }
    nothing_after = dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))
    return SimpleNamespace(**({"id": message_id, "headers": headers} | nothing_after | changes))


def refused(task: str, of: SimpleNamespace, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(MessageRejectedError) as caught:
        gate().check(task, of, args, kwargs)
    return caught.value.reason


def test_signed_messages_pass_with_one_text_or_nothing() -> None:
    gate().check("drift.check", request("drift.check"), (), {})
    gate().check("scoring.score", request("scoring.score", "{}"), ("{}",), {})


def test_each_passes_once() -> None:
    checks, message = gate(), request("drift.check")
    checks.check("drift.check", message, (), {})
    with pytest.raises(MessageRejectedError, match="message_replayed"):
        checks.check("drift.check", message, (), {})


def test_a_refused_message_does_not_use_up_the_id_of_a_good_one() -> None:
    checks = gate()
    forged = request("drift.check")
    forged.headers["signature"] = "x" * 44
    with pytest.raises(MessageRejectedError, match="message_signature"):
        checks.check("drift.check", forged, (), {})
    checks.check("drift.check", request("drift.check"), (), {})


@pytest.mark.parametrize("name", ["sent_at", "deadline_ms"])
@pytest.mark.parametrize("value", [None, "soon", float("nan"), float("inf"), 10**400, -(10**400), -1, [], {}])
def test_headers_without_sense_are_refused(name: str, value: object) -> None:
    message = request("drift.check")
    message.headers[name] = value
    assert refused("drift.check", message) == "message_headers"


@pytest.mark.parametrize("message_id", [None, 7, 1.5, True, ["m-1"], {"m": 1}, b"m-1"])
def test_a_message_whose_id_is_no_text_is_refused(message_id: object) -> None:
    message = request("drift.check")
    message.id = message_id
    assert refused("drift.check", message) == "message_headers"


def test_half_a_surrogate_pair_is_a_wrong_signature_and_no_failure() -> None:
    message = request("scoring.score", "{}")
    assert refused("scoring.score", message, "\ud800") == "message_signature"
    message.id = "\udfff"
    assert refused("scoring.score", message, "{}") == "message_signature"


def test_a_message_without_headers_is_refused() -> None:
    assert refused("drift.check", request("drift.check", headers=None)) == "message_headers"


def test_unsigned_messages_are_refused() -> None:
    message = request("drift.check")
    del message.headers["signature"]
    assert refused("drift.check", message) == "message_unsigned"


@pytest.mark.parametrize("change", [{"task": "retraining.run"}, {"id": "m-2"}, {"deadline": 1}, {"payload": "x"}])
def test_a_signature_is_bound_to_task_id_deadline_and_body(change: dict[str, Any]) -> None:
    message = request("drift.check")
    message.id = change.get("id", message.id)
    message.headers["deadline_ms"] += change.get("deadline", 0)
    args = (change["payload"],) if "payload" in change else ()
    assert refused(change.get("task", "drift.check"), message, *args) == "message_signature"


@pytest.mark.parametrize(("args", "kwargs"), [((1,), {}), (("a", "b"), {}), ((), {"a": "b"}), ((["a"],), {})])
def test_other_arguments_than_one_text_are_refused(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    assert refused("drift.check", request("drift.check"), *args, **kwargs) == "message_body"


@pytest.mark.parametrize("name", ["callbacks", "errbacks", "chain", "chord"])
def test_whatever_a_message_wants_done_afterwards_is_refused(name: str) -> None:
    wanted = [{"task": "retraining.run", "args": [], "kwargs": {}, "options": {}}]
    assert refused("drift.check", request("drift.check", **{name: wanted})) == "message_body"


def test_a_doorbell_is_over_at_its_deadline_and_a_payload_is_left_to_the_pipeline() -> None:
    assert refused("drift.check", request("drift.check", deadline_ms=NOW_MS - 1)) == "message_expired"
    gate().check("scoring.score", request("scoring.score", "{}", deadline_ms=NOW_MS - 1), ("{}",), {})


def test_every_task_that_a_worker_would_run_is_sealed_celerys_own_included() -> None:
    app.finalize()
    assert {"celery.map", "celery.chord_unlock", "scoring.score", *DOORBELLS} <= set(app.tasks)
    for name, task in app.tasks.items():
        assert isinstance(task, SealedTask), name


def test_a_refused_message_is_counted_by_reason_and_ends_without_running() -> None:
    provide(MessageGate, gate())
    counter = metrics.auth_failures_total.labels(reason="message_headers")
    before = counter._value.get()
    with pytest.raises(Ignore):
        app.tasks["celery.map"]({"task": "retraining.run"}, [1])
    assert counter._value.get() == before + 1
