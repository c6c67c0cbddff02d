import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
import redis
from celery import Celery

from ml.domain.errors import StoreUnavailableError
from ops.embedded.valkey import valkey
from ops.processes.ports import free_port
from security.messages.message_signer import MessageSigner
from settings import Settings
from settings.queues import SCORE_TASK
from tasks.messaging.message_queue_redis import RedisMessageQueue, envelope
from tasks.messaging.messages import MessagePublisher, MessageSealer
from tasks.wiring.connections import Connections
from tasks.wiring.scoring_queue import message_queue

_DATABASE = 6
_KEY = b"k" * 32


@contextmanager
def celery_app(url: str) -> Iterator[Celery]:
    app = Celery("test", set_as_current=False)
    app.config_from_object("celeryconfig")
    app.conf.broker_url = url
    try:
        yield app
    finally:
        app.close()


@pytest.fixture
def url(valkey_url: str) -> str:
    return f"{valkey_url.rsplit('/', 1)[0]}/{_DATABASE}"


def test_a_message_is_what_celery_itself_would_send(url: str) -> None:
    payload, message_id, deadline_ms = '{"items":["ä \\" \\u2028"]}', uuid4().hex, 1_800_000_000_000
    signer = MessageSigner(_KEY)
    headers = {
        "sent_at": 1.0,
        "deadline_ms": deadline_ms,
        "signature": signer.sign(SCORE_TASK, message_id, deadline_ms, payload),
    }
    with celery_app(url) as app, redis.Redis.from_url(url) as client:
        client.delete("score")
        app.send_task(
            SCORE_TASK,
            args=(payload,),
            task_id=message_id,
            headers=headers,
            argsrepr="(signed)",
            kwargsrepr="{}",
            retry=False,
            ignore_result=True,
        )
        publisher = MessagePublisher(app, signer, RedisMessageQueue(client))
        for _ in range(2):  # the second finds the form of the first
            publisher.publish(SCORE_TASK, payload, message_id=message_id, deadline_ms=deadline_ms)
        sent = [comparable(client.rpop("score") or b"{}") for _ in range(3)]
    assert sent[1] == sent[0]
    assert sent[2] == sent[0]


def test_a_doorbell_is_what_celery_itself_would_send(url: str) -> None:
    task, message_id, deadline_ms = "explanations.drain", uuid4().hex, 1_800_000_000_000
    signer = MessageSigner(_KEY)
    with celery_app(url) as app, redis.Redis.from_url(url) as client:
        client.delete("explain")
        app.send_task(
            task,
            task_id=message_id,
            headers={"sent_at": 1.0},
            argsrepr="(signed)",
            kwargsrepr="{}",
            retry=False,
            ignore_result=True,
        )
        sent = comparable(client.rpop("explain") or b"{}")
        doorbell = MessageSealer(app, signer, envelope).seal(task, None, message_id=message_id, deadline_ms=deadline_ms)
    made = comparable(doorbell.content)
    signature = made["headers"]["signature"]
    # What signs other doorbells of this process, if anything does, has a key and a deadline of its own.
    for message in (sent, made):
        message["headers"] = {
            name: value for name, value in message["headers"].items() if name not in {"signature", "deadline_ms"}
        }
    assert doorbell.queue == "explain"
    assert made == sent
    signer.verify(task, message_id, deadline_ms, "", signature=signature)


def comparable(raw: bytes) -> dict[str, Any]:
    """Returns a message, body decoded, without its time and the properties that no worker of ours reads."""
    message: dict[str, Any] = orjson.loads(raw)
    message["body"] = orjson.loads(message["body"])
    del message["headers"]["sent_at"]
    for name in ("delivery_tag", "reply_to", "argsrepr", "kwargsrepr"):
        message["properties"].pop(name, None)
    return message


def test_a_broker_that_is_away_is_reported_soon_and_one_that_comes_back_is_used_again(tmp_path: Path) -> None:
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    settings = Settings(_env_file=None, redis_url=url, score_timeout_ms=500)
    with celery_app(url) as app:
        publisher = MessagePublisher(app, MessageSigner(_KEY), message_queue(Connections(settings)))
        for _ in range(2):
            started = time.monotonic()
            with pytest.raises(StoreUnavailableError):
                publisher.connect()
            with pytest.raises(StoreUnavailableError):
                publisher.publish(SCORE_TASK, "{}", message_id=uuid4().hex)
            assert time.monotonic() - started < 20  # a busy machine is slow, an unbounded wait is slower
        for _ in range(2):
            with valkey(tmp_path, port=port), redis.Redis(port=port) as client:
                before = client.llen("score")
                publisher.publish(SCORE_TASK, "{}", message_id=uuid4().hex)
                assert client.llen("score") == before + 1
            with pytest.raises(StoreUnavailableError):
                publisher.publish(SCORE_TASK, "{}", message_id=uuid4().hex)
