"""Whoever can only write to Redis answers nobody: made-up records, altered records, and the way out."""

from uuid import uuid4

import orjson

from ml.domain.transaction import Transaction
from ml.stores.decisions.keys_redis import decision_key
from tests.integration.web.conftest import running_api
from tests.integration.web.requests import SCORE, transaction
from tests.integration.workers.conftest import Works


def test_a_record_that_nobody_here_wrote_answers_nothing_until_it_is_removed(works: Works) -> None:
    made_up, altered, honest = (transaction(transaction_id=f"forged-{uuid4().hex}") for _ in range(3))
    with works.worker("score"), running_api(works, SCORE_TIMEOUT_MS="10000") as api, api.client() as client:
        before = {item["transaction_id"]: client.post(SCORE, item).json() for item in (altered, honest)}
        key = decision_key(altered["transaction_id"])
        record = works.client.get(key)
        decision = before[altered["transaction_id"]]["decision"]
        other = "decline" if decision != "decline" else "approve"
        works.client.set(key, record.replace(f'"decision":"{decision}"'.encode(), f'"decision":"{other}"'.encode()))
        works.client.set(
            decision_key(made_up["transaction_id"]),
            forged_record(
                made_up,
                orjson.dumps(
                    before[altered["transaction_id"]]
                    | {"transaction_id": made_up["transaction_id"], "decision": "approve"}
                ),
            ),
        )
        for item in (made_up, altered):
            refused = client.post(SCORE, item)
            assert (refused.status, refused.json()["type"]) == (503, "/docs#problem-record-untrusted")
        batch = client.post(f"{SCORE}/batch", {"transactions": [made_up, honest]}).json()["results"]
        assert [result.get("status", 200) for result in batch] == [503, 200]
        assert client.post(SCORE, honest).json()["score"] == before[honest["transaction_id"]]["score"]
        misplaced = transaction(transaction_id=f"forged-{uuid4().hex}")
        works.client.lpush(decision_key(misplaced["transaction_id"]), "x")
        fresh = transaction(transaction_id=f"forged-{uuid4().hex}")
        batch = client.post(f"{SCORE}/batch", {"transactions": [misplaced, fresh]}).json()["results"]
        assert [result.get("status", 200) for result in batch] == [503, 200]
        assert batch[0]["type"] == "/docs#problem-record-untrusted"
        # The way out.
        works.client.delete(decision_key(made_up["transaction_id"]))
        assert client.post(SCORE, made_up).status == 200
    assert made_up["transaction_id"] in api.log.read_text()


def forged_record(item: dict, decision: bytes) -> bytes:
    """Returns a record as an intruder who knows the layout writes it."""
    received = Transaction.model_validate(item)
    fingerprint, wire = received.fingerprint(), orjson.dumps(received.wire())
    return fingerprint.encode() + f"{len(decision):08d}".encode() + decision + wire
