"""Traffic beside the steady one: batches, labels, lookups, retries of what was answered, and forgeries of it."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable

from ops.client import Client, NoAnswerError
from ops.proving.chaos.clients.ledger import Attempt, Fate, Ledger, Sent, now
from ops.proving.chaos.clients.steady import attempt, transaction

_BATCH_ROWS = 10
_PAUSE_SECONDS = 0.5
_NEWEST, _QUIET_SECONDS = 500, 2.0


class MixedTraffic:
    """Sends one request of a random kind after the other.

    Args:
        make_client: makes a connection.
        ledger: of the steady traffic, from which it takes what was answered; batches are entered into it too.
        seed: of kinds and victims.
    """

    def __init__(self, make_client: Callable[[], Client], ledger: Ledger, *, seed: int) -> None:
        self._make_client = make_client
        self._ledger = ledger
        self._chance = random.Random(seed)  # noqa: S311 - a choice of requests, no secret
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.labelled: set[str] = set()
        self.sent: Counter[str] = Counter()
        self.strange: Counter[str] = Counter()

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends."""
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        kinds = (self._batch, self._label, self._look, self._retry, self._forge)
        with self._make_client() as client:
            while not self._ends.wait(_PAUSE_SECONDS):
                kind = self._chance.choice(kinds)
                self.sent[kind.__name__.strip("_")] += 1
                try:
                    kind(client)
                except NoAnswerError:
                    self.strange["no answer"] += 1

    def _answered(self) -> Sent | None:
        """Returns one of the newest answered transactions; signed again in its own second, it would be a replay."""
        acknowledged = [
            sent
            for sent in self._ledger.of(Fate.ACKNOWLEDGED)[-_NEWEST:]
            if now() - sent.attempts[-1].started_at > _QUIET_SECONDS
        ]
        return self._chance.choice(acknowledged) if acknowledged else None

    def _expect(self, kind: str, status: int, *allowed: int) -> None:
        if status not in {*allowed, 429, 503, 504}:
            self.strange[f"{kind}: {status}"] += 1

    def _batch(self, client: Client) -> None:
        items = [transaction(self._chance) for _ in range(_BATCH_ROWS)]
        started = now()
        answer = client.post("/predictions/score/batch", {"transactions": items})
        self._expect("batch", answer.status, 200)
        if not answer.is_ok:
            return
        for item, result in zip(items, answer.json()["results"], strict=True):
            if "decision" in result:
                sent = Sent(item["transaction_id"], json.dumps(item).encode())
                sent.note(Attempt(started, now() - started, answer.status), result)
                self._ledger.open(sent)

    def _label(self, client: Client) -> None:
        if (sent := self._answered()) is None:
            return
        label = {
            "transaction_id": sent.transaction_id,
            "label": self._chance.choice(("fraud", "legitimate")),
            "source": "chargeback",
            "labelled_at": time.time(),
        }
        answer = client.post("/labels", label)
        self._expect("label", answer.status, 202)
        if answer.status == 202:
            self.labelled.add(sent.transaction_id)

    def _look(self, client: Client) -> None:
        if (sent := self._answered()) is None:
            return
        path = self._chance.choice(("/predictions/", "/explanations/"))
        answer = client.get(path + sent.transaction_id)
        self._expect("look", answer.status, 200, 404)  # an explanation may still be on its way

    def _retry(self, client: Client) -> None:
        """Asks again; the verdict compares the answers."""
        if (sent := self._answered()) is not None:
            attempt(client, sent)

    def _forge(self, client: Client) -> None:
        """Sends another payment under an id that was answered."""
        if (sent := self._answered()) is None:
            return
        forged = transaction(self._chance) | {"transaction_id": sent.transaction_id}
        self._expect("forgery", client.post("/predictions/score", forged).status, 409)
