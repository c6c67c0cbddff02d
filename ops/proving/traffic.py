"""Open-loop traffic: requests leave at a constant rate whether or not earlier ones were answered.

Latency counts from the moment a request was meant to leave, so a server that stalls cannot hide its stall by
slowing the client down (coordinated omission).
"""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from ops.client import Answer, Client, NoAnswerError

SENDERS = 32
_BUSY = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
_SHORTEST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Shot:
    """One request to send.

    Attributes:
        kind: what it is an example of, for the tally.
        timestamp: signed time instead of now; two shots with equal body and time are a replay.
        is_replay: whether it must keep that time when it is sent again; another shot is signed for the time then.
    """

    kind: str
    path: str
    body: bytes
    is_signed: bool = True
    timestamp: int | None = None
    is_replay: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a shot.

    Attributes:
        answer: None if no answer came.
        latency_seconds: from the intended moment of sending to the whole answer, retries included.
        error: why no answer came.
        retries: how often it was sent again because the API was busy for the moment.
    """

    shot: Shot
    answer: Answer | None
    latency_seconds: float
    error: str | None = None
    retries: int = 0


def fire(
    shots: Sequence[Shot],
    *,
    rate: float,
    make_client: Callable[[], Client],
    on_outcome: Callable[[Outcome], None] = lambda _: None,
    senders: int = SENDERS,
    max_retries: int = 0,
    retry_budget: int | None = None,
) -> list[Outcome]:
    """Sends the shots in order at the rate and returns their outcomes in the same order.

    Args:
        shots: requests; number i is meant to leave i / rate seconds after the start.
        rate: requests per second.
        make_client: makes one connection; called once per sender.
        on_outcome: called after each outcome, by one thread at a time.
        senders: threads, and so the most requests under way at once; beyond it requests leave late, which their
            latency shows.
        max_retries: how often a request that got 503 or 504 is signed and sent again, as a client in production
            does.
        retry_budget: how often that may happen to all of them together; any number by default.
    """
    outcomes: list[Outcome | None] = [None] * len(shots)
    numbers = itertools.count()  # next() on it is atomic
    lock = threading.Lock()
    spent = itertools.count(1)
    start = time.monotonic() + 0.1

    def may_retry(retries: int) -> bool:
        return retries < max_retries and (retry_budget is None or next(spent) <= retry_budget)

    def send_some() -> None:
        with make_client() as client:
            while (number := next(numbers)) < len(shots):
                intended = start + number / rate
                time.sleep(max(0.0, intended - time.monotonic()))
                outcome = _send(client, shots[number], intended, may_retry)
                with lock:
                    outcomes[number] = outcome
                    on_outcome(outcome)

    threads = [threading.Thread(target=send_some, daemon=True) for _ in range(min(senders, len(shots)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [outcome for outcome in outcomes if outcome is not None]


def _send(client: Client, shot: Shot, intended: float, may_retry: Callable[[int], bool]) -> Outcome:
    for retries in itertools.count():
        timestamp = shot.timestamp if retries == 0 or shot.is_replay else None
        try:
            answer = client.send("POST", shot.path, shot.body, is_signed=shot.is_signed, timestamp=timestamp)
        except NoAnswerError as error:
            return Outcome(shot, None, time.monotonic() - intended, str(error), retries)
        if answer.status not in _BUSY or not may_retry(retries):
            return Outcome(shot, answer, time.monotonic() - intended, None, retries)
        time.sleep(_pause_seconds(answer))
    raise AssertionError("unreachable")


def _pause_seconds(answer: Answer) -> float:
    """Returns what `Retry-After` asks for, at most a few seconds."""
    asked = answer.headers.get("retry-after", "")
    return min(float(asked), _LONGEST_PAUSE_SECONDS) if asked.isdigit() else _SHORTEST_PAUSE_SECONDS


def percentile(values: Sequence[float], share: float) -> float:
    """Returns the smallest value that at least the given share of the values do not exceed (nearest rank).

    >>> percentile([3.0, 1.0, 2.0, 4.0], 0.5)
    2.0
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    rank = -(-len(ordered) * share // 1)  # ceiling
    return ordered[max(0, int(rank) - 1)]
