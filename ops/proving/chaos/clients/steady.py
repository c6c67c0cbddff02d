"""Steady signed traffic of a client that behaves.

Transactions arrive at a constant rate, whatever became of the earlier ones, and one that got no decision is asked for
again, with growing pauses, until its patience ends.
"""

import heapq
import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from ops.client import Answer, Client, NoAnswerError
from ops.proving.chaos.clients.ledger import Attempt, Fate, Ledger, Sent, now

PATH = "/predictions/score"
_CUSTOMERS, _TERMINALS = 200, 300
_CHANNELS = ("pos", "ecom", "atm", "mobile")
# A signature holds for one second and is accepted once: a retry that came sooner would have to be a replay.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 2.1, 8.0


def transaction(chance: random.Random, *, moment: float | None = None) -> dict[str, Any]:
    """Returns a plain transaction with an id of its own, now unless another moment is given."""
    return {
        "transaction_id": f"chaos-{uuid4().hex}",
        "timestamp": round(time.time() if moment is None else moment, 3),
        "customer_id": f"chaos-C{chance.randrange(_CUSTOMERS)}",
        "terminal_id": f"chaos-T{chance.randrange(_TERMINALS)}",
        "amount": f"{chance.lognormvariate(3.5, 0.8):.2f}",
        "currency": "EUR",
        "channel": chance.choice(_CHANNELS),
    }


class Traffic:
    """Sends transactions from `start` to `stop` and enters everything into the ledger.

    Args:
        make_client: makes one connection; called once per sender.
        ledger: the account.
        rate: arrivals per second.
        senders: threads, and so the most requests under way at once.
        patience_seconds: how long after its arrival a transaction is asked for again.
        make_transaction: makes the next transaction's wire form.
        seed: of the transactions and pauses.
    """

    def __init__(
        self,
        make_client: Callable[[], Client],
        ledger: Ledger,
        *,
        rate: float,
        senders: int = 48,
        patience_seconds: float = 60.0,
        make_transaction: Callable[[random.Random], dict[str, Any]] = transaction,
        seed: int = 1,
    ) -> None:
        self._make_client = make_client
        self._ledger = ledger
        self._interval = 1.0 / rate
        self._patience_seconds = patience_seconds
        self._make_transaction = make_transaction
        self._chance = random.Random(seed)  # noqa: S311 - amounts and pauses, no secret
        self._due: list[tuple[float, int, Sent, float]] = []  # when, tie-breaker, what, when it arrived
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._is_arriving = True
        self._open = 0
        self._threads = [threading.Thread(target=self._send_some, daemon=True) for _ in range(senders)]
        self._arrivals = threading.Thread(target=self._arrive, daemon=True)

    def start(self) -> None:
        """Begins."""
        self._arrivals.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends the arrivals, and returns once every transaction has met its fate."""
        with self._changed:
            self._is_arriving = False
            self._changed.notify_all()
        self._arrivals.join()
        for thread in self._threads:
            thread.join()

    def _arrive(self) -> None:
        next_at = now()
        while self._is_arriving:
            wire = self._make_transaction(self._chance)
            sent = Sent(wire["transaction_id"], json.dumps(wire).encode())
            self._ledger.open(sent)
            with self._changed:
                self._open += 1
                heapq.heappush(self._due, (next_at, next(self._numbers), sent, next_at))
                self._changed.notify()
            next_at += self._interval
            time.sleep(max(0.0, next_at - now()))

    def _send_some(self) -> None:
        with self._make_client() as client:
            while (item := self._next()) is not None:
                _, _, sent, arrived_at = item
                retry_after = attempt(client, sent)
                self._conclude(sent, arrived_at, retry_after)

    def _next(self) -> tuple[float, int, Sent, float] | None:
        """Waits for the next due transaction; None once none can become due any more."""
        with self._changed:
            while True:
                if not self._due and not self._open and not self._is_arriving:
                    self._changed.notify_all()
                    return None
                wait = self._due[0][0] - now() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)
                self._changed.wait(wait)

    def _conclude(self, sent: Sent, arrived_at: float, retry_after: float) -> None:
        with self._changed:
            again_at = now() + self._pause(len(sent.attempts), retry_after)
            if sent.fate is Fate.PENDING and again_at - arrived_at < self._patience_seconds:
                heapq.heappush(self._due, (again_at, next(self._numbers), sent, arrived_at))
            else:
                if sent.fate is Fate.PENDING:
                    sent.fate = Fate.UNKNOWN
                self._open -= 1
            self._changed.notify()

    def _pause(self, attempts: int, retry_after: float) -> float:
        grown = min(_FIRST_PAUSE_SECONDS * 1.5 ** (attempts - 1), _LONGEST_PAUSE_SECONDS)
        return max(retry_after, grown) * self._chance.uniform(1.0, 1.2)


def attempt(client: Client, sent: Sent) -> float:
    """Sends a transaction once, notes the outcome, and returns the pause that the platform asks for, in seconds."""
    started_at = now()
    try:
        answer = client.send("POST", PATH, sent.body)
    except NoAnswerError as error:
        cause = type(error.__cause__).__name__
        sent.note(Attempt(started_at, now() - started_at, None, f"no answer ({cause})"), None)
        return 0.0
    seconds = now() - started_at
    if answer.is_ok:
        sent.note(Attempt(started_at, seconds, answer.status), answer.json())
        return 0.0
    sent.note(Attempt(started_at, seconds, answer.status, problem_of(answer)), None)
    asked = answer.headers.get("retry-after", "")
    return float(asked) if asked.isdigit() else 0.0


def problem_of(answer: Answer) -> str:
    """Returns the name of the problem in an answer; empty if it names none."""
    with suppress(ValueError, AttributeError):
        content: Mapping[str, Any] = answer.json()
        if content.get("status") == "safe_mode":
            return "safe_mode"
        return str(content.get("type", "")).rpartition("problem-")[2]
    return "not-json"
