import pytest

from tests.integration.workers.conftest import Works, transaction, wait_until
from workers.start.dead_messages_redis import dead_messages_key

_UNREADABLE = (
    b"\x00\xff no json",
    b"[1, 2]",
    b"7",
    b"{}",
    b'{"body": 5}',
    b'{"body": "[]", "properties": []}',
    b'{"body": "[]", "properties": {}}',
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
