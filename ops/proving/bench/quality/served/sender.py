"""Sends a replay's labels and transactions to the platform, and accepts nothing but complete answers."""

import math
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Self

import orjson

from ml.domain.label import Label
from ml.domain.transaction import Transaction
from ops.proving.bench.quality.served.platform import ReplayError, ServedPlatform
from ops.proving.traffic import Shot, fire

SCORE_PATH, BATCH_PATH, LABEL_PATH = "/predictions/score", "/predictions/score/batch", "/labels"

_BUSY = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
_MAX_TRIES = 10
_PAUSE_SECONDS = 2.0
_LABEL_SENDERS = 8


class Sender:
    """One client of the platform. What the platform is too busy for is sent again, a bounded number of times.

    Args:
        platform: where to.
        rows_per_request: transactions in one batch request; 1 sends each by itself.
    """

    def __init__(self, platform: ServedPlatform, *, rows_per_request: int) -> None:
        self._platform = platform
        self._rows = rows_per_request
        self._client = platform.client()
        self.retried = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.__exit__()

    def score(self, transactions: Sequence[Transaction]) -> list[float]:
        """Returns the scores of transactions, at most `rows_per_request`, which are taken in their order.

        A transaction that was counted in the features and not answered gets the same features when it is sent again.

        Raises:
            ReplayError: an answer is missing, of another transaction or model, no probability, or a refusal.
            ops.client.NoAnswerError: the API does not answer.
        """
        scores: dict[str, float] = {}
        pending = list(transactions)
        for _ in range(_MAX_TRIES):
            items = self._ask(pending)
            if len(items) != len(pending):
                raise ReplayError(f"{len(pending)} transactions got {len(items)} answers.")
            answered = {
                transaction.transaction_id: self._score_of(transaction, item)
                for transaction, item in zip(pending, items, strict=True)
                if item.get("status") not in _BUSY
            }
            scores |= answered
            pending = [transaction for transaction in pending if transaction.transaction_id not in answered]
            if not pending:
                return [scores[transaction.transaction_id] for transaction in transactions]
            self.retried += len(pending)
            time.sleep(_PAUSE_SECONDS)
        raise ReplayError(f"The platform was too busy for {len(pending)} transactions, {_MAX_TRIES} times.")

    def _ask(self, transactions: Sequence[Transaction]) -> list[dict[str, Any]]:
        """Returns one answer or problem per transaction."""
        if self._rows == 1:
            return [self._client.post(SCORE_PATH, transaction.wire()).json() for transaction in transactions]
        answer = self._client.post(BATCH_PATH, {"transactions": [transaction.wire() for transaction in transactions]})
        content: dict[str, Any] = answer.json()
        if answer.status in _BUSY:
            return [content for _ in transactions]
        if not answer.is_ok:
            raise ReplayError(f"A batch got {answer.status}: {content.get('detail')}")
        results: list[dict[str, Any]] = content["results"]
        return results

    def _score_of(self, transaction: Transaction, item: dict[str, Any]) -> float:
        name, score = transaction.transaction_id, item.get("score")
        if "decision" not in item:
            raise ReplayError(f"Transaction {name} got {item.get('status')}: {item.get('detail')}")
        if item["transaction_id"] != name:
            raise ReplayError(f"Transaction {name} got the answer of {item['transaction_id']}.")
        if item["model_version"] != self._platform.model_version:
            raise ReplayError(f"Transaction {name} was scored by another model, {item['model_version']}.")
        if not isinstance(score, float | int) or not 0.0 <= score <= 1.0:
            raise ReplayError(f"Transaction {name} got the score {score}, which is no probability.")
        return float(score)

    def label(self, labels: Sequence[Label]) -> None:
        """Posts labels and waits until the features know them.

        Raises:
            ReplayError: a label was not taken, or not applied.
        """
        shots = [Shot("label", LABEL_PATH, orjson.dumps(label.wire())) for label in labels]
        outcomes = fire(
            shots, rate=math.inf, make_client=self._platform.client, senders=_LABEL_SENDERS, max_retries=_MAX_TRIES
        )
        self.retried += sum(outcome.retries for outcome in outcomes)
        for outcome in outcomes:
            if outcome.answer is None or outcome.answer.status != HTTPStatus.ACCEPTED:
                raise ReplayError(f"A label was not taken: {outcome.error or outcome.answer}.")
        self._platform.wait_until_drained("labels")
