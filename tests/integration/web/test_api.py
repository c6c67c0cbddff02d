import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import orjson
import pytest

from ml.stores.outbox.keys_redis import OUTBOX
from security.roles import Role
from tests.integration.web.conftest import RunningApi, running_api
from tests.integration.web.requests import SCORE, post_head, raw, transaction
from tests.integration.workers.conftest import Works, wait_until


@pytest.mark.usefixtures("score_worker")
def test_scores_through_the_real_queue_and_worker(api: RunningApi) -> None:
    with api.client() as client:
        item = transaction()
        answer = client.post(SCORE, item)
        assert answer.status == 200, answer.body
        body = answer.json()
        assert body["transaction_id"] == item["transaction_id"]
        assert set(body["timings"]) == {"queue_ms", "features_ms", "model_ms", "total_ms"}
        assert 0 <= body["score"] <= 1
        again = client.post(SCORE, item)
        split = b',"correlation_id"'
        assert again.body.partition(split)[0] == answer.body.partition(split)[0]
        assert client.post(SCORE, item | {"amount": 13}).status == 409
    with api.client(Role.READ) as reader:
        stored = reader.get(f"/predictions/{item['transaction_id']}")
        assert stored.json()["score"] == body["score"]
        pending = reader.get(f"/explanations/{item['transaction_id']}")
        assert pending.status == 404
        assert pending.headers["retry-after"] in {"1", "2"}


@pytest.mark.usefixtures("score_worker")
def test_a_lone_requests_message_leaves_with_its_admission(api: RunningApi, works: Works) -> None:
    def looked_for_a_record() -> int:
        return int(works.client.info("commandstats").get("cmdstat_exists", {"calls": 0})["calls"])

    before = looked_for_a_record()
    with api.client() as client:
        assert [client.post(SCORE, transaction()).status for _ in range(10)] == [200] * 10
    # Only the script that sends a message after its request's admission asks whether there is a record.
    assert looked_for_a_record() - before >= 10


@pytest.mark.usefixtures("score_worker")
def test_many_clients_each_get_their_own_decisions(api: RunningApi) -> None:
    def work(number: int) -> list[str]:
        wrong = []
        with api.client(subject=f"busy-{number}") as client:
            for turn in range(15):
                item = transaction(amount=f"{number + 1}.{turn:02d}", customer_id=f"c-{number}")
                answer = client.post(SCORE, item)
                if answer.status != 200 or answer.json()["transaction_id"] != item["transaction_id"]:
                    wrong.append(f"{answer.status}: {answer.body.decode()}")
        return wrong

    with ThreadPoolExecutor(16) as pool:
        assert [wrong for result in pool.map(work, range(16)) for wrong in result] == []


@pytest.mark.usefixtures("score_worker")
def test_a_batch_of_a_thousand_is_answered_in_order(api: RunningApi) -> None:
    items = [transaction(customer_id=f"c-{number % 50}") for number in range(999)]
    with api.client() as client:
        answer = client.post(f"{SCORE}/batch", {"transactions": [*items, {"transaction_id": "bad"}]})
    results = answer.json()["results"]
    assert [result.get("transaction_id") for result in results[:-1]] == [item["transaction_id"] for item in items]
    assert all("decision" in result for result in results[:-1])
    assert results[-1]["status"] == 422


@pytest.mark.usefixtures("score_worker")
def test_a_signature_is_accepted_once_across_the_processes(api: RunningApi) -> None:
    body = orjson.dumps(transaction())
    request = post_head(api, body, Content_Length=str(len(body))) + body
    statuses = [raw(api, request).split(b" ", 2)[1] for _ in range(8)]
    assert statuses == [b"200"] + [b"401"] * 7


@pytest.mark.usefixtures("score_worker")
def test_copies_of_a_transaction_in_flight_at_once_get_one_answer(works: Works, api: RunningApi) -> None:
    body, now = orjson.dumps(transaction()), int(time.time())
    entries = works.client.xlen(OUTBOX)

    def send(number: int) -> bytes:
        with api.client() as client:
            answer = client.send("POST", SCORE, body, timestamp=now - number)
        assert answer.status == 200, answer.body
        return answer.body.partition(b',"correlation_id"')[0]

    with ThreadPoolExecutor(12) as pool:
        assert len(set(pool.map(send, range(12)))) == 1
    assert works.client.xlen(OUTBOX) == entries + 1


@pytest.mark.usefixtures("score_worker")
def test_the_rate_limit_holds_across_the_processes(works: Works) -> None:
    limits = {"RATE_LIMIT_CAPACITY": "10", "RATE_LIMIT_REFILL_PER_MINUTE": "1", "WEB_PROCESSES": "2"}
    with running_api(works, SCORE_TIMEOUT_MS="3000", **limits) as api:

        def attempt(_: int) -> int:
            with api.client(subject=subject) as client:
                return client.post(SCORE, transaction()).status

        subject = f"eager-{uuid4().hex}"
        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(attempt, range(20)))
    assert sorted(statuses) == [200] * 10 + [429] * 10


def test_a_label_reaches_the_stream(api: RunningApi, works: Works) -> None:
    before = works.client.xlen("shrike:labels")
    places = {"customer_id": "c-1", "terminal_id": "pos-77"}
    label = {
        "transaction_id": "t-1",
        "label": "fraud",
        "source": "chargeback",
        "labelled_at": int(time.time()),
    } | places
    with api.client() as client:
        assert client.post("/labels", label | places).status == 202
    assert works.client.xlen("shrike:labels") == before + 1


@pytest.mark.usefixtures("score_worker")
def test_ready_only_while_a_scoring_worker_is_alive(api: RunningApi) -> None:
    wait_until(lambda: api.status("/health/ready") == 200, what="readiness")
    with api.client(Role.ADMIN) as admin:
        queues = admin.get("/admin/queues").json()
        assert {queue["queue"]: queue["consumers"] for queue in queues["queues"]}["score"] == 1
        assert admin.get("/admin/models").json()["champion"] == queues["workers"][0]["model_version"]


@pytest.mark.usefixtures("score_worker")
def test_safe_mode_stops_both_processes_within_a_second(api: RunningApi) -> None:
    with api.client(Role.ADMIN) as admin, api.client() as client:
        assert admin.post("/admin/safe-mode/enable", {"reason": "drill"}).status == 200
        try:
            time.sleep(1)
            answers = [client.post(SCORE, transaction()) for _ in range(10)]
            assert {answer.status for answer in answers} == {503}
            assert answers[0].json()["status"] == "safe_mode"
            assert answers[0].json()["reason"] == "drill"
            assert api.status("/health/ready") == 503
        finally:
            assert admin.send("POST", "/admin/safe-mode/disable", b"").status == 200
        time.sleep(1)
        assert client.post(SCORE, transaction()).status == 200


def test_metrics_add_up_both_processes(api: RunningApi) -> None:
    for _ in range(20):
        assert api.status("/health/live") == 200
    with api.client(Role.ADMIN) as admin:
        first = admin.get("/metrics").body.decode()
    [line] = re.findall(r'fraud_backend_requests_total\{.*path="/health/live".*\} (\S+)', first)
    assert float(line) >= 20
    assert 'circuit_breaker_state{dependency="scoring"} 0.0' in first


@pytest.mark.usefixtures("score_worker")
def test_a_chunked_body_is_signed_and_scored_like_any_other(api: RunningApi) -> None:
    body = orjson.dumps(transaction())
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:10], body[10:])) + b"0\r\n\r\n"
    answer = raw(api, post_head(api, body, Transfer_Encoding="chunked") + chunks)
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.usefixtures("score_worker")
def test_a_stop_answers_what_is_under_way(works: Works) -> None:
    with running_api(works, SCORE_TIMEOUT_MS="3000") as api:
        statuses: list[int] = []
        stopping = threading.Event()

        def work() -> None:
            with api.client() as client:
                while not stopping.is_set():
                    statuses.append(client.post(SCORE, transaction()).status)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        os.kill(api.process.pid, signal.SIGTERM)
        stopping.set()
        for thread in threads:
            thread.join(20)
        api.process.wait(25)
        assert statuses
        assert set(statuses) == {200}
