"""The client's own account: every transaction it sent, every answer it got, and the fate that follows."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any

MAY_PASS = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT, HTTPStatus.BAD_GATEWAY}
)
"""Statuses that say "not now": the client asks again with the same transaction."""


class Fate(StrEnum):
    """What the client knows of a transaction in the end.

    Acknowledged: it got an answer, which from then on is a promise. Refused: the platform said that it will never take
    it. Unknown: neither, although it was asked again and again; it may or may not have been decided.
    """

    PENDING = "pending"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sending of a transaction.

    Attributes:
        started_at: on the monotonic clock.
        seconds: until the answer, or until it was given up.
        status: HTTP status; None without an answer.
        problem: the last part of the problem's type; empty for an answer.
    """

    started_at: float
    seconds: float
    status: int | None
    problem: str = ""

    @property
    def is_answer(self) -> bool:
        """Whether it brought the decision."""
        return self.status == HTTPStatus.OK


@dataclass(slots=True, eq=False)
class Sent:
    """One transaction of the client's and everything that became of it."""

    transaction_id: str
    body: bytes
    attempts: list[Attempt] = field(default_factory=list)
    answers: list[Mapping[str, Any]] = field(default_factory=list)
    fate: Fate = Fate.PENDING

    def note(self, attempt: Attempt, answer: Mapping[str, Any] | None) -> None:
        """Adds an attempt; an answer makes the transaction acknowledged for good."""
        self.attempts.append(attempt)
        if answer is not None:
            self.answers.append(answer)
            self.fate = Fate.ACKNOWLEDGED
        elif attempt.status is not None and attempt.status not in MAY_PASS and self.fate is Fate.PENDING:
            self.fate = Fate.REFUSED


class Ledger:
    """All transactions of one trial; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: dict[str, Sent] = {}

    def open(self, sent: Sent) -> None:
        """Enters a transaction before it is sent for the first time."""
        with self._lock:
            self._sent[sent.transaction_id] = sent

    def all(self) -> list[Sent]:
        """Returns every transaction, in the order of arrival."""
        with self._lock:
            return list(self._sent.values())

    def of(self, fate: Fate) -> list[Sent]:
        """Returns the transactions of one fate."""
        return [sent for sent in self.all() if sent.fate is fate]

    def attempts(self) -> list[Attempt]:
        """Returns every attempt."""
        return [attempt for sent in self.all() for attempt in list(sent.attempts)]

    def answered_since(self, moment: float) -> int:
        """Returns how many attempts that started after a moment brought an answer."""
        return sum(attempt.is_answer for attempt in self.attempts() if attempt.started_at >= moment)

    def answers_per_second(self, periods: Sequence[tuple[float, float]]) -> float:
        """Returns how many answers a second came within some stretches of time."""
        ends = [attempt.started_at + attempt.seconds for attempt in self.attempts() if attempt.is_answer]
        answers = sum(start <= end < stop for start, stop in periods for end in ends)
        return answers / sum(stop - start for start, stop in periods)

    def failed_first(self) -> list[Sent]:
        """Returns the transactions whose first attempt brought no answer."""
        return [sent for sent in self.all() if sent.attempts and not sent.attempts[0].is_answer]

    def recovery_seconds(self, moment: float) -> float:
        """Returns for how long after a moment transactions that arrived still met a failure at first."""
        failed = [sent.attempts[0].started_at for sent in self.failed_first()]
        return max([0.0, *(started_at - moment for started_at in failed)])


def now() -> float:
    """Returns the time on the ledger's clock."""
    return time.monotonic()
