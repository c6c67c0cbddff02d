"""Counts the outcomes of the demo's requests while they are answered."""

from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from ops.proving.demo.live import REPLAYED_ORIGINAL, VALID
from ops.proving.traffic import Outcome


@dataclass
class Tally:
    """Answers, refusals and errors.

    Attributes:
        decisions: the answer to each valid transaction by its id.
        refused: how often each problem was the answer to a request that had to be refused.
        errors: a sentence for each request that was not treated as it should have been.
        latencies_ms: of answered valid transactions, from the intended moment of sending.
    """

    decisions: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    retried: int = 0
    seen: int = 0

    def count(self, outcome: Outcome) -> None:
        """Counts one outcome."""
        self.seen += 1
        self.retried += outcome.retries
        kind = outcome.shot.kind
        answer = outcome.answer
        if answer is None:
            self.errors.append(outcome.error or f"{kind}: no answer")
        elif kind in {VALID, REPLAYED_ORIGINAL}:
            if answer.is_ok:
                decision = answer.json()
                self.decisions[decision["transaction_id"]] = decision
                self.latencies_ms.append(outcome.latency_seconds * 1000)
            else:
                self.errors.append(f"a valid transaction got {answer.status}: {_detail(outcome)}")
        elif HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            self.refused[problem_name(answer.json())] += 1
        else:
            self.errors.append(f"a request that is {kind} got {answer.status}")


def problem_name(problem: dict[str, Any]) -> str:
    """Returns the short name that a problem's type ends with.

    >>> problem_name({"type": "/docs#problem-replayed"})
    'replayed'
    """
    return str(problem.get("type", "unknown")).rpartition("problem-")[2]


def _detail(outcome: Outcome) -> str:
    try:
        return str(outcome.answer.json().get("detail")) if outcome.answer else ""
    except ValueError:
        return "not JSON"
