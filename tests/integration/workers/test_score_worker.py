import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import orjson
import pytest

from ml.domain.scoring_batch import ScoringRequest
from ml.domain.transaction import Transaction
from ml.features.entries import CUSTOMER_ENTRY, TERMINAL_ENTRY
from ml.features.history import HEADER_BYTES
from ml.stores.decisions.keys_redis import decision_key
from ml.stores.features.features_redis import entity_key
from ml.stores.outbox.keys_redis import OUTBOX
from security.messages.message_signer import MessageSigner
from settings.queues import SCORE_TASK
from tasks.messaging.scoring_message import seal_batch
from tasks.upkeep.queue_status import live_workers
from tests.integration.workers.conftest import RunningWorker, Works, wait_until

MakeTransaction = Callable[..., Transaction]

pytestmark = pytest.mark.usefixtures("score_worker")


def test_answers_a_batch_in_order(works: Works, make_transaction: MakeTransaction) -> None:
    batch = [make_transaction() for _ in range(5)]
    results = works.score(*batch)
    assert [result["decision"]["transaction_id"] for result in results] == [item.transaction_id for item in batch]
    for result in results:
        assert 0.0 <= result["decision"]["score"] <= 1.0
        assert result["decision"]["decision"] in {"approve", "review", "decline"}
        assert set(result["timings"]) == {"queue_ms", "features_ms", "model_ms"}


def test_a_retry_gets_the_same_decision(works: Works, make_transaction: MakeTransaction) -> None:
    item = make_transaction()
    first, again = works.score(item)[0], works.score(item)[0]
    assert again["decision"] == first["decision"]
    assert works.score(item.model_copy(update={"customer_id": "c-2"}))[0] == {"status": "conflict"}


def test_a_batch_costs_two_round_trips_to_redis(
    works: Works, score_worker: RunningWorker, make_transaction: MakeTransaction
) -> None:
    """Features and commit. The sign of life recurs by the clock: a pipeline with the only two HSETs of a worker."""

    def made() -> tuple[float, ...]:
        trips = [score_worker.metric(f'redis_ops_total{{operation="{name}"}}') for name in ("pipeline", "evalsha")]
        statistics = works.client.info("commandstats")
        served = [statistics.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "mget", "hset")]
        return *trips, *served

    works.score(make_transaction())  # loads the scripts
    before = made()
    for rows in (1, 7, 32):
        works.score(*(make_transaction() for _ in range(rows)))
    pipelines, scripts, served_scripts, served_lookups, sign_parts = (
        after - earlier for after, earlier in zip(made(), before, strict=True)
    )
    assert (pipelines - sign_parts / 2, scripts) == (3, 3)
    assert served_scripts == 2 * (1 + 7 + 32) + 3  # customer and terminal of each, and the commits
    assert served_lookups == 0


def test_two_copies_in_two_messages_are_decided_and_counted_once(
    works: Works, make_transaction: MakeTransaction
) -> None:
    item = make_transaction(customer_id=f"c-{uuid4().hex[:8]}", terminal_id=f"t-{uuid4().hex[:8]}")
    request = ScoringRequest(item, item.fingerprint(), "corr-twin")
    batch_ids = [uuid4().hex, uuid4().hex]
    entries_before = works.client.xlen(OUTBOX)
    for batch_id in batch_ids:
        works.publisher.send(
            seal_batch(
                works.publisher,
                [request],
                batch_id=batch_id,
                reply_to=works.box.address,
                deadline_ms=int(time.time() * 1000) + 15_000,
            )
        )
    replies = [orjson.loads(works.box.wait(15) or b"{}") for _ in batch_ids]
    assert {reply["batch_id"] for reply in replies} == set(batch_ids)
    first, second = (reply["results"][0]["decision"] for reply in replies)
    assert first == second
    assert works.client.xlen(OUTBOX) == entries_before + 1
    for kind, name, entry in (
        ("customer", item.customer_id, CUSTOMER_ENTRY),
        ("terminal", item.terminal_id, TERMINAL_ENTRY),
    ):
        assert len(works.client.get(entity_key(kind, name))) == HEADER_BYTES + entry.itemsize


def test_the_worker_gives_a_sign_of_life_with_its_model(works: Works) -> None:
    (worker,) = [worker for worker in live_workers(works.client, works.sign_seal) if worker.queue == "score"]
    assert worker.model_version is not None


def test_the_worker_has_loaded_no_training_library(score_worker: RunningWorker) -> None:
    mapped = Path(f"/proc/{score_worker.pid}/maps").read_text()
    assert "onnxruntime" in mapped
    for library in ("torch", "sklearn", "xgboost", "pyarrow", "mlflow"):
        assert library not in mapped


def publish_raw(works: Works, transaction: Transaction, *, signature: str | None, payload: str | None = None) -> str:
    """Puts a message on the queue as somebody with write access to Redis would."""
    message_id = uuid4().hex
    request = ScoringRequest(transaction, transaction.fingerprint(), "corr-attacker")
    content = payload or orjson.dumps({"reply_to": works.box.address, "items": [request.wire()]}).decode()
    headers = {"sent_at": time.time(), "deadline_ms": int(time.time() * 1000) + 10_000}
    if signature is not None:
        headers["signature"] = signature
    works.app.send_task(SCORE_TASK, args=(content,), task_id=message_id, headers=headers, retry=False)
    return message_id


def test_unsigned_and_forged_messages_are_dropped_and_counted(
    works: Works, score_worker: RunningWorker, make_transaction: MakeTransaction
) -> None:
    def refused() -> float:
        return score_worker.metric("auth_failures_total{")

    before = refused()
    unsigned, forged = make_transaction(), make_transaction()
    publish_raw(works, unsigned, signature=None)
    publish_raw(works, forged, signature=MessageSigner(b"k" * 32).sign(SCORE_TASK, "x", 0, "{}"))
    wait_until(lambda: refused() == before + 2, what="the count of refused messages")
    assert works.client.exists(decision_key(unsigned.transaction_id), decision_key(forged.transaction_id)) == 0
    assert works.score(make_transaction())[0]["status"] == "scored"


@pytest.mark.parametrize("header", [{"deadline_ms": "soon"}, {"deadline_ms": float("inf")}, {"sent_at": "x" * 50}])
def test_headers_that_make_no_sense_are_refused_like_a_bad_signature(
    works: Works, score_worker: RunningWorker, make_transaction: MakeTransaction, header: dict
) -> None:
    before = score_worker.metric("auth_failures_total{")
    headers = {"sent_at": time.time(), "deadline_ms": 0, "signature": "x"} | header
    works.app.send_task(SCORE_TASK, args=("{}",), task_id=uuid4().hex, headers=headers, retry=False)
    wait_until(lambda: score_worker.metric("auth_failures_total{") == before + 1, what="the count of refused messages")
    assert works.score(make_transaction())[0]["status"] == "scored"


def test_an_expired_message_is_dropped_and_counted(
    works: Works, score_worker: RunningWorker, make_transaction: MakeTransaction
) -> None:
    def expired() -> float:
        return score_worker.metric('fraud_inference_requests_total{outcome="expired"}')

    before, late = expired(), make_transaction()
    request = ScoringRequest(late, late.fingerprint(), "corr-late")
    works.publisher.send(
        seal_batch(
            works.publisher,
            [request],
            batch_id=uuid4().hex,
            reply_to=works.box.address,
            deadline_ms=int(time.time() * 1000) - 5_000,  # the worker's clock is read over a busy connection
        )
    )
    wait_until(lambda: expired() == before + 1, what="the count of expired requests")
    assert works.client.exists(decision_key(late.transaction_id)) == 0


def test_a_poison_payload_stops_nobody(works: Works, make_transaction: MakeTransaction) -> None:
    signer = MessageSigner.from_settings(works.settings)
    for payload in ("not json", "{}", '{"reply_to":"x","items":[{"transaction":{}}]}'):
        message_id, deadline_ms = uuid4().hex, int(time.time() * 1000) + 10_000
        signature = signer.sign(SCORE_TASK, message_id, deadline_ms, payload)
        headers = {"sent_at": time.time(), "deadline_ms": deadline_ms, "signature": signature}
        works.app.send_task(SCORE_TASK, args=(payload,), task_id=message_id, headers=headers, retry=False)
    assert works.score(make_transaction())[0]["status"] == "scored"


def test_every_task_shows_in_the_events_that_flower_reads(works: Works, make_transaction: MakeTransaction) -> None:
    seen: dict[str, set[str]] = {}
    wanted = {"task-received", "task-started", "task-succeeded"}
    sent = 20

    def note(event: dict[str, str]) -> None:
        seen.setdefault(event["uuid"], set()).add(event["type"])

    with works.app.connection_for_read() as connection:
        receiver = works.app.events.Receiver(connection, handlers=dict.fromkeys(wanted, note))
        events = receiver.itercapture(limit=None, timeout=20, wakeup=False)
        next(events)  # it listens from here on
        for _ in range(sent):
            works.score(make_transaction())
        for _ in events:
            if sum(types == wanted for types in seen.values()) >= sent:
                break
    assert sum(types == wanted for types in seen.values()) >= sent
