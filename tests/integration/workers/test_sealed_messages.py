"""What somebody gains who can write to the broker: nothing."""

import base64
import json
import pickle
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import orjson
import pytest

from ml.domain.scoring_batch import ScoringRequest
from ml.domain.transaction import Transaction
from ml.stores.decisions.keys_redis import decision_key
from ml.stores.decisions.replies_redis import RedisReplyBox
from ml.stores.outbox.keys_redis import OUTBOX
from security.messages.message_signer import MessageSigner
from tasks.messaging.message_queue_redis import RedisMessageQueue
from tasks.messaging.messages import MessagePublisher
from tasks.messaging.scoring_message import seal_batch
from tasks.wiring.clients_redis import connect_redis
from tests.integration.workers.conftest import RunningWorker, Works, wait_until

MakeTransaction = Callable[..., Transaction]
DOORBELL = "explanations.drain"


class Intruder:
    """Writes to the broker and knows the source code, but no key."""

    def __init__(self, works: Works, queue: str) -> None:
        self.client = works.client
        self.queue = queue
        self.envelope = {
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "properties": {
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "body_encoding": "utf-8",
                "delivery_tag": "x",
                "correlation_id": "x",
            },
        }

    def push(self, task: str, body: Any = None, **headers: Any) -> None:
        message_id = headers.get("id", uuid4().hex)
        deadline_ms = int(time.time() * 1000) + 60_000
        given = {"lang": "py", "task": task, "id": message_id, "sent_at": time.time(), "deadline_ms": deadline_ms}
        content = orjson.dumps(body or [[], {}, {}]).decode()
        self.client.lpush(self.queue, orjson.dumps(self.envelope | {"body": content, "headers": given | headers}))

    def push_raw(self, raw: bytes) -> None:
        self.client.lpush(self.queue, raw)


@pytest.fixture(scope="module")
def explain_worker(works: Works) -> Iterator[RunningWorker]:
    with works.worker("explain") as worker:
        # It sends itself a doorbell once it is ready, which clears the queue of what waits there.
        wait_until(lambda: runs(worker) >= 1, what="the worker's own doorbell")
        yield worker


def dropped(worker: RunningWorker, reason: str) -> float:
    return worker.metric(f'auth_failures_total{{reason="{reason}"}}')


def runs(worker: RunningWorker) -> float:
    return worker.metric(f'celery_task_total{{state="success",task="{DOORBELL}"}}')


def failures(worker: RunningWorker) -> float:
    return worker.metric(f'celery_task_total{{state="failure",task="{DOORBELL}"}}')


def captured_doorbell(works: Works, **options: Any) -> bytes:
    """Returns a doorbell as this platform sends it, taken from a queue that nobody consumes."""
    works.client.delete("retrain")
    works.app.send_task(DOORBELL, queue="retrain", retry=False, ignore_result=True, **options)
    return works.client.rpop("retrain")


def test_forged_unsigned_and_altered_doorbells_are_dropped_and_counted_by_reason(
    works: Works, explain_worker: RunningWorker
) -> None:
    intruder = Intruder(works, "explain")
    other = MessageSigner(b"o" * 32)
    deadline_ms = int(time.time() * 1000) + 60_000
    altered = orjson.loads(captured_doorbell(works))
    altered["headers"]["deadline_ms"] += 1
    expired = orjson.loads(captured_doorbell(works, expires=-5))
    expired["headers"]["expires"] = None  # Celery minds this header, but does not protect it
    before = runs(explain_worker)
    counts = {
        reason: dropped(explain_worker, f"message_{reason}")
        for reason in ("unsigned", "signature", "headers", "body", "expired")
    }
    intruder.push(DOORBELL)
    intruder.push(DOORBELL, id="m-1", deadline_ms=deadline_ms, signature=other.sign(DOORBELL, "m-1", deadline_ms, ""))
    intruder.push_raw(orjson.dumps(altered))
    intruder.push_raw(orjson.dumps(expired))
    intruder.push(DOORBELL, sent_at="now")
    intruder.push(DOORBELL, [[1, 2], {}, {}])
    # Celery's own tasks run other tasks on demand.
    intruder.push("celery.map", [[{"task": DOORBELL, "args": [], "kwargs": {}, "options": {}}, [1]], {}, {}])
    for reason, more in {"unsigned": 1, "signature": 2, "headers": 1, "body": 2, "expired": 1}.items():
        wait_until(
            lambda reason=reason, more=more: dropped(explain_worker, f"message_{reason}") == counts[reason] + more,
            what=f"the count of {reason}",
        )
    assert runs(explain_worker) == before


def test_a_captured_doorbell_runs_its_task_once(works: Works, explain_worker: RunningWorker) -> None:
    raw, intruder = captured_doorbell(works), Intruder(works, "explain")
    before, replayed = runs(explain_worker), dropped(explain_worker, "message_replayed")
    for _ in range(4):
        intruder.push_raw(raw)
    wait_until(lambda: dropped(explain_worker, "message_replayed") == replayed + 3, what="three dropped copies")
    assert runs(explain_worker) == before + 1


def test_a_good_doorbell_carries_no_other_task_along(works: Works, explain_worker: RunningWorker) -> None:
    works.client.delete("retrain")
    message = orjson.loads(captured_doorbell(works))
    wanted = {"task": "retraining.run", "args": [], "kwargs": {}, "options": {}, "immutable": True}
    body = [[], {}, {"callbacks": [wanted], "errbacks": [wanted], "chain": [wanted], "chord": None}]
    message["body"] = orjson.dumps(body).decode()
    before, refused = runs(explain_worker), dropped(explain_worker, "message_body")
    Intruder(works, "explain").push_raw(orjson.dumps(message))
    wait_until(lambda: dropped(explain_worker, "message_body") == refused + 1, what="the refused message")
    assert runs(explain_worker) == before
    assert works.client.llen("retrain") == 0


def test_pickles_are_not_opened_and_rubbish_stops_nobody(
    works: Works, explain_worker: RunningWorker, tmp_path: Any
) -> None:
    intruder, mark = Intruder(works, "explain"), tmp_path / "opened"
    content = pickle.dumps((_Opens(str(mark)), {}, {}))
    message = intruder.envelope | {
        "headers": {"lang": "py", "task": DOORBELL, "id": "p"},
        "body": base64.b64encode(content).decode(),
        "content-type": "application/x-python-serialize",
        "content-encoding": "binary",
    }
    message["properties"] = message["properties"] | {"body_encoding": "base64"}
    intruder.push_raw(orjson.dumps(message))
    before = runs(explain_worker)
    intruder.push_raw(captured_doorbell(works))
    wait_until(lambda: runs(explain_worker) == before + 1, what="a good doorbell behind the pickle")
    assert not mark.exists()


HUGE = 10**400
ODD_HEADERS: list[dict[str, Any]] = [
    *({"id": value} for value in (7, 1.5, True, None, [], ["m"], {}, {"m": 1}, "", HUGE, "\ud800", "m" * 100_000)),
    *({"task": value} for value in (7, None, [], {}, "", "no.such.task", HUGE)),
    *({"sent_at": value} for value in (HUGE, -HUGE, [], None, 1e308)),
    *({"deadline_ms": value} for value in (HUGE, -HUGE, 1.5, [], None)),
    *({"signature": value} for value in (7, [], {}, "\ud800", HUGE)),
    *({"eta": value} for value in (7, [], "soon", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", HUGE)),
    *({"expires": value} for value in ([], "soon", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", HUGE)),
    *({"retries": value} for value in ("x", [], HUGE)),
    *({"timelimit": value} for value in (7, "x", [], [HUGE, HUGE])),
    *({name: HUGE} for name in ("root_id", "parent_id", "group", "argsrepr", "kwargsrepr", "origin", "lang", "shadow")),
    *({name: [[]]} for name in ("root_id", "parent_id", "group", "argsrepr", "kwargsrepr", "origin", "lang", "shadow")),
    {"stamped_headers": 7, "stamps": 7},
]
ODD_BODIES: list[Any] = [
    None,
    7,
    "x",
    {},
    {"a": 1},
    [],
    [[]],
    [[], {}],
    [7, 7, 7],
    [[], [], []],
    [[], {}, None],
    [HUGE],
]


def test_no_value_of_a_message_stops_the_worker(works: Works, explain_worker: RunningWorker) -> None:
    intruder, before, failed = Intruder(works, "explain"), runs(explain_worker), failures(explain_worker)
    given = {
        "lang": "py",
        "task": DOORBELL,
        "id": "m-1",
        "sent_at": time.time(),
        "deadline_ms": int(time.time() * 1000),
        "signature": "x" * 44,  # without one, nothing else is looked at
    }
    for headers in ODD_HEADERS:
        message = intruder.envelope | {"body": "[[], {}, {}]", "headers": given | headers}
        intruder.push_raw(json.dumps(message).encode())
    for body in ODD_BODIES:
        intruder.push_raw(json.dumps(intruder.envelope | {"body": json.dumps(body), "headers": given}).encode())
    intruder.push_raw(captured_doorbell(works))
    wait_until(lambda: runs(explain_worker) == before + 1, what="the good doorbell behind all of them")
    assert failures(explain_worker) == failed


class _Opens:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return open, (self.path, "w")


def test_workers_take_no_orders_by_remote_control(works: Works, explain_worker: RunningWorker) -> None:
    before, refused = runs(explain_worker), dropped(explain_worker, "remote_control")
    works.app.control.broadcast("shutdown")
    works.app.control.add_consumer("retrain")
    wait_until(lambda: dropped(explain_worker, "remote_control") == refused + 2, what="two refused orders")
    pongs = works.app.control.inspect(timeout=3, limit=1).ping()
    assert pongs is not None
    Intruder(works, "explain").push_raw(captured_doorbell(works))
    wait_until(lambda: runs(explain_worker) == before + 1, what="a worker that still works")


def test_a_captured_scoring_message_is_decided_and_counted_once_by_one_worker_and_by_two(
    works: Works, make_transaction: MakeTransaction
) -> None:
    """One worker drops the copies; of two workers the second finds the decision made, and changes nothing."""
    copies = 6
    with works.worker("score") as first, works.worker("score") as second:

        def scored(worker: RunningWorker) -> float:
            return worker.metric('fraud_inference_requests_total{outcome="scored"}')

        before = [scored(worker) for worker in (first, second)]
        entries, item = works.client.xlen(OUTBOX), make_transaction()
        raw = captured_score(works, item)
        for _ in range(copies):
            works.client.lpush("score", raw)

        def seen() -> float:
            return sum(
                dropped(worker, "message_replayed") + worker.metric("fraud_inference_requests_total{")
                for worker in (first, second)
            )

        wait_until(lambda: seen() >= copies, what="every copy to be taken")
        assert sum(scored(worker) for worker in (first, second)) == sum(before) + 1
        assert sum(dropped(worker, "message_replayed") for worker in (first, second)) >= copies - 2
    assert works.client.xlen(OUTBOX) == entries + 1
    assert works.client.exists(decision_key(item.transaction_id)) == 1


def captured_score(works: Works, item: Transaction) -> bytes:
    """Returns a scoring message as the web process sends it, taken from a database that no worker reads."""
    elsewhere = connect_redis(works.settings, url=works.settings.redis_url.rsplit("/", 1)[0] + "/8")
    elsewhere.delete("score")
    publisher = MessagePublisher(works.app, MessageSigner.from_settings(works.settings), RedisMessageQueue(elsewhere))
    request = ScoringRequest(item, item.fingerprint(), "corr-captured")
    deadline_ms = int(time.time() * 1000) + 120_000
    # Nobody reads the answers: in the tests' shared box they would be taken for those of the next test.
    reply_to = RedisReplyBox(elsewhere).address
    publisher.send(seal_batch(publisher, [request], batch_id=uuid4().hex, reply_to=reply_to, deadline_ms=deadline_ms))
    return elsewhere.rpop("score")
