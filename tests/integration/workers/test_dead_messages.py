import json
from typing import Any

import pytest

from tests.integration.workers.conftest import RunningWorker, Works, transaction, wait_until
from workers.start.dead_messages_redis import dead_messages_key

_NESTED = b"[" * 4096
_UNREADABLE = (
    b"\x00\xff no json",
    b"[1, 2]",
    b"7",
    b"{}",
    b'{"body": 5}',
    b'{"body": "[]", "properties": []}',
    b'{"body": "[]", "properties": {}}',
    _NESTED,
    _NESTED + b"]" * 4096,
    b'{"body":' * 4096 + b"1" + b"}" * 4096,
    b'{"body": ' + b"9" * 5000 + b"}",
)


def envelope(body: str, **changes: Any) -> bytes:
    """Returns a message as kombu reads it, whose content Celery makes nothing of."""
    properties = {
        "correlation_id": "1",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "shrike", "routing_key": "score"},
        "priority": 0,
        "body_encoding": "utf-8",
        "delivery_tag": "1",
    }
    headers = {"lang": "py", "task": "scoring.score", "id": "1", "root_id": "1"}
    message = {
        "body": body,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": properties,
    }
    return json.dumps(message | changes).encode()


_MEANINGLESS = (
    envelope("[" * 4096),
    envelope('[["a"], {}, ' + "[" * 4096),
    envelope("9" * 5000),
    envelope("[[], {}, {}]", **{"content-type": "application/x-python-serialize"}),
    envelope("[[], {}, {}]", headers={"task": "scoring.score", "id": ["1"], "eta": "soon", "expires": 1e999}),
    envelope("[[], {}, {}]", headers={"task": ["scoring.score"], "id": "1"}),
    envelope("[[], {}, {}]", headers={}),
)


@pytest.mark.usefixtures("score_worker")
def test_what_is_no_message_is_put_aside_and_the_worker_works_on(works: Works) -> None:
    key = dead_messages_key("score")
    works.client.delete(key)
    for message in _UNREADABLE:
        works.client.lpush("score", message)
    assert works.score(transaction())[0]["status"] == "scored"
    wait_until(lambda: works.client.xlen(key) == len(_UNREADABLE), what="every unreadable message")
    kept = [fields for _, fields in works.client.xrange(key)]
    assert [fields[b"message"] for fields in kept] == list(_UNREADABLE)
    assert all(fields[b"reason"] for fields in kept)


def test_a_message_whose_content_makes_no_sense_is_dropped_and_the_worker_works_on(
    works: Works, score_worker: RunningWorker
) -> None:
    for message in _MEANINGLESS:
        works.client.lpush("score", message)
        assert works.score(transaction())[0]["status"] == "scored"
    assert "Unrecoverable error" not in score_worker.log.read_text()


def test_a_control_message_that_nobody_can_read_is_dropped_and_the_worker_works_on(
    works: Works, score_worker: RunningWorker
) -> None:
    # Channels belong to the server, not to a database; this one is named after the worker's.
    database = works.settings.redis_url.rsplit("/", 1)[1]
    channel = f"/{database}.celery.pidbox"
    before = score_worker.metric('celery_task_total{state="rejected",task="(unreadable)"}')
    for message in (_NESTED, b"7", b"[]", b"{}", b'{"properties": {}}', b"\xff", b'{"body": "[[", "properties": 1}'):
        assert works.client.publish(channel, message) >= 1
    assert works.score(transaction())[0]["status"] == "scored"
    wait_until(
        lambda: score_worker.metric('celery_task_total{state="rejected",task="(unreadable)"}') > before,
        what="an unreadable control message to be counted",
    )
    assert "Unrecoverable error" not in score_worker.log.read_text()
