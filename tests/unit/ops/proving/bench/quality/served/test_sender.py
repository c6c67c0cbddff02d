from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest

from ml.domain.transaction import Transaction
from ops.client import Answer
from ops.proving.bench.quality.served import sender as served_sender
from ops.proving.bench.quality.served.platform import ReplayError
from ops.proving.bench.quality.served.sender import BATCH_PATH, SCORE_PATH, Sender

VERSION = "v20260101T000000-abcdef"
BUSY = {"status": 503, "detail": "busy"}


def transactions(count: int) -> list[Transaction]:
    return [
        Transaction(
            transaction_id=f"t-{number}",
            timestamp=1_800_000_000 + number,
            customer_id="c-1",
            terminal_id="pos-1",
            amount="10",
            currency="EUR",
            channel="pos",
        )
        for number in range(count)
    ]


def decision(transaction: dict[str, Any]) -> dict[str, Any]:
    name = transaction["transaction_id"]
    score = int(name[2:]) / 100
    return {"transaction_id": name, "decision": "approve", "score": score, "model_version": VERSION}


class Api:
    """Stands for platform and client; `respond` makes the answer of one round from the transactions asked for."""

    model_version = VERSION

    def __init__(self, respond: Callable[[int, list[dict[str, Any]]], Answer]) -> None:
        self._respond = respond
        self.asked: list[tuple[str, list[str]]] = []

    def client(self) -> "Api":
        return self

    def post(self, path: str, content: dict[str, Any]) -> Answer:
        items = content["transactions"] if path == BATCH_PATH else [content]
        self.asked.append((path, [item["transaction_id"] for item in items]))
        return self._respond(len(self.asked), items)


def results(items: Sequence[dict[str, Any]]) -> Answer:
    return Answer(200, {}, orjson.dumps({"results": list(items)}))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_sender, "_PAUSE_SECONDS", 0.0)


def test_only_what_was_not_answered_is_sent_again_and_scores_keep_their_order() -> None:
    def respond(attempt: int, items: list[dict[str, Any]]) -> Answer:
        return results(
            [BUSY if attempt == 1 and place in {1, 3} else decision(item) for place, item in enumerate(items)]
        )

    api = Api(respond)
    sender = Sender(api, rows_per_request=10)  # type: ignore[arg-type]
    assert sender.score(transactions(5)) == [0.0, 0.01, 0.02, 0.03, 0.04]
    assert [names for _, names in api.asked] == [["t-0", "t-1", "t-2", "t-3", "t-4"], ["t-1", "t-3"]]
    assert sender.retried == 2


def test_a_batch_that_was_refused_as_a_whole_is_sent_again_as_a_whole() -> None:
    def respond(attempt: int, items: list[dict[str, Any]]) -> Answer:
        return Answer(503, {}, orjson.dumps(BUSY)) if attempt == 1 else results(map(decision, items))

    api = Api(respond)
    assert Sender(api, rows_per_request=10).score(transactions(2)) == [0.0, 0.01]  # type: ignore[arg-type]
    assert [names for _, names in api.asked] == [["t-0", "t-1"]] * 2


def test_single_requests_go_to_the_route_for_one() -> None:
    api = Api(lambda _, items: Answer(200, {}, orjson.dumps(decision(items[0]))))
    assert Sender(api, rows_per_request=1).score(transactions(1)) == [0.0]  # type: ignore[arg-type]
    assert api.asked == [(SCORE_PATH, ["t-0"])]


def test_the_patience_with_a_busy_platform_ends() -> None:
    api = Api(lambda _, items: results([BUSY for _ in items]))
    with pytest.raises(ReplayError, match="too busy for 2 transactions"):
        Sender(api, rows_per_request=10).score(transactions(2))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transaction_id": "t-9"}, "got the answer of t-9"),
        ({"model_version": "v20270101T000000-abcdef"}, "scored by another model"),
        ({"score": None}, "which is no probability"),
        ({"score": 1.5}, "which is no probability"),
    ],
)
def test_a_wrong_answer_ends_the_replay(change: dict[str, Any], message: str) -> None:
    api = Api(lambda _, items: results([decision(item) | change for item in items]))
    with pytest.raises(ReplayError, match=message):
        Sender(api, rows_per_request=10).score(transactions(1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (results([{"status": 422, "detail": "The body is bad."}]), "Transaction t-0 got 422: The body is bad."),
        (results([]), "1 transactions got 0 answers"),
        (Answer(401, {}, b'{"status": 401, "detail": "No."}'), "A batch got 401: No."),
    ],
)
def test_a_refusal_or_a_missing_answer_ends_the_replay(answer: Answer, message: str) -> None:
    with pytest.raises(ReplayError, match=message):
        Sender(Api(lambda *_: answer), rows_per_request=10).score(transactions(1))  # type: ignore[arg-type]
