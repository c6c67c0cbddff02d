"""Retries under load. `IDEMPOTENCY_RETRIES=10000` in the environment sends the full number; CI sends a thousand."""

import os
import random
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import orjson

from ml.features.entries import CUSTOMER_ENTRY, TERMINAL_ENTRY
from ml.features.history import HEADER_BYTES
from ml.stores.features.features_redis import entity_key
from ml.stores.outbox.keys_redis import OUTBOX
from tests.integration.web.conftest import RunningApi, running_api
from tests.integration.web.requests import SCORE, transaction
from tests.integration.workers.conftest import Works

RETRIES = int(os.environ.get("IDEMPOTENCY_RETRIES", "1000"))
COPIES = 100
"""Of each transaction: as many signatures as there are seconds to sign it at, within the allowed skew."""

CLIENTS = 32
WHOLE = b',"correlation_id"'
"""Where an answer's own part begins: correlation id and timings may differ between retries, nothing before them."""


def test_concurrent_retries_over_processes_get_one_answer_and_count_once(works: Works) -> None:
    entity = uuid4().hex[:8]
    items = [
        transaction(customer_id=f"c-{entity}-{number}", terminal_id=f"t-{entity}-{number}")
        for number in range(RETRIES // COPIES)
    ]
    entries = works.client.xlen(OUTBOX)
    with (
        works.worker("score"),
        works.worker("score"),
        running_api(works, WEB_PROCESSES="3", SCORE_TIMEOUT_MS="10000") as api,
    ):
        answers = retry_all(api, items)
        assert {status for found in answers.values() for status, _ in found} == {200}
        assert sum(len(found) for found in answers.values()) == len(items) * COPIES
        differing = [name for name, found in answers.items() if len({body for _, body in found}) != 1]
        assert differing == []
        with api.client() as client:
            others = [client.post(SCORE, item | {"amount": "99.00"}).status for item in items]
    assert others == [409] * len(items)
    assert works.client.xlen(OUTBOX) == entries + len(items)
    for item in items:
        customer = works.client.get(entity_key("customer", item["customer_id"]))
        terminal = works.client.get(entity_key("terminal", item["terminal_id"]))
        assert len(customer) == HEADER_BYTES + CUSTOMER_ENTRY.itemsize
        assert len(terminal) == HEADER_BYTES + TERMINAL_ENTRY.itemsize


def retry_all(api: RunningApi, items: list[dict]) -> dict[str, list[tuple[int, bytes]]]:
    """Sends every copy of every transaction, in no order, and returns status and common part of each answer by id."""
    now = int(time.time()) + COPIES // 2
    copies = [(item, now - copy) for item in items for copy in range(COPIES)]
    random.Random(5).shuffle(copies)
    answers: dict[str, list[tuple[int, bytes]]] = defaultdict(list)

    def work(number: int) -> None:
        with api.client(subject=f"retrying-{number}", timeout_seconds=30) as client:
            for item, signed_at in copies[number::CLIENTS]:
                answer = client.send("POST", SCORE, orjson.dumps(item), timestamp=signed_at)
                answers[item["transaction_id"]].append((answer.status, answer.body.partition(WHOLE)[0]))

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(work, range(CLIENTS)))
    return answers
