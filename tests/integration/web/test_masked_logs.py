"""The log files of real processes hold no card number, no token and no key, whatever is sent to them."""

import json
import os
import sys
from pathlib import Path
from uuid import uuid4

import orjson
from kombu import Connection

from observability.context import CORRELATION_HEADER, new_correlation_id
from ops.processes.ports import free_port
from ops.processes.spawn import spawn, stop
from security.masking.configured import secret_values
from tests.integration.web.conftest import RunningApi
from tests.integration.web.requests import raw
from tests.integration.workers.conftest import RunningWorker, Works, transaction, wait_until

CARD = "4111 1111 1111 1111"
PLAIN = CARD.replace(" ", "")


def _check(text: str, api: RunningApi, *also: str) -> None:
    for secret in {PLAIN, CARD, "4111-1111-1111-1111", *secret_values(api.settings), *also}:
        assert secret not in text


def test_what_clients_send_does_not_reach_the_apis_log(api: RunningApi) -> None:
    token = api.client()._token
    mark = new_correlation_id()  # letters alone, which no mask touches
    agent = f"{mark} {CARD} {token}"
    head = f"GET /predictions/{PLAIN}?card={PLAIN} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    raw(
        api,
        f"{head}User-Agent: {agent}\r\n{CORRELATION_HEADER}: 4111-1111-1111-1111\r\n"
        f"Authorization: Bearer {token}\r\n\r\n".encode(),
    )
    raw(api, f"{head}X_Card: {PLAIN}\r\n\r\n".encode())
    raw(api, f"GET /{PLAIN} HTTP/9.{PLAIN}\r\n\r\n".encode())
    wait_until(lambda: mark in api.log.read_text(), what="the access line")
    text = api.log.read_text()
    assert "**** **** **** 1111" in text
    _check(text, api, token)
    assert all(isinstance(orjson.loads(line), dict) for line in text.splitlines())


def test_what_messages_carry_does_not_reach_a_workers_log(
    api: RunningApi, works: Works, score_worker: RunningWorker
) -> None:
    key = works.settings.hmac_key
    assert key is not None
    mark = new_correlation_id()  # letters alone, which no mask touches
    arguments = [[CARD, key.get_secret_value()], {"card": int(PLAIN)}, {}]
    tasks = {"scoring.score": arguments, f"no.such.{mark}": arguments, PLAIN: "no arguments"}
    with Connection(works.settings.redis_url) as connection, connection.Producer(serializer="json") as producer:
        for name, body in tasks.items():
            headers = {"task": name, "id": uuid4().hex, "lang": "py", "root_id": None, "argsrepr": CARD}
            producer.publish(body, exchange="shrike", routing_key="score", headers=headers, declare=[])
        producer.publish({"no": CARD}, exchange="shrike", routing_key="score", headers={})
    wait_until(lambda: mark in score_worker.log.read_text(), what="the line about the unknown task")
    wait_until(lambda: works.client.llen("score") == 0, what="an empty queue")
    scored = transaction()
    assert works.score(scored)[0]["decision"]["transaction_id"] == scored.transaction_id
    # Celery prints its banner, which holds nothing that anybody sent, before its first line.
    _check(score_worker.log.read_text(), api)


def test_flower_logs_through_the_mask_too(api: RunningApi, works: Works, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "flower.log"
    with log.open("wb") as output:
        env = os.environ | works.env | {"FLOWER_PORT": str(port)}
        process = spawn([sys.executable, "-m", "ops", "flower"], env=env, output=output)
    try:
        flower = RunningWorker(process.pid, port, log)
        wait_until(lambda: flower.get(f"/nothing/{PLAIN}?card={PLAIN}")[0] in {401, 404}, what="Flower")
    finally:
        stop(process)
    _check(log.read_text(), api)
    assert any(json.loads(line)["service"] == "flower" for line in log.read_text().splitlines())
