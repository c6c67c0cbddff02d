"""Three times as many requests as can be served."""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from ops.proving.bench.load.requests import Signer
from ops.proving.chaos.clients.ledger import Attempt, Sent, now
from ops.proving.chaos.clients.overload import Result, flood, saturate
from ops.proving.chaos.fault import Fault, Scene, Struck
from ops.proving.chaos.platform.stack import SCORE_TIMEOUT_SECONDS, SUBJECT
from security.roles import Role
from security.tokens.token_issuer import issue_token

_FACTOR = 3
_REDIS_DELAY_SECONDS = 0.015
"""How far away Redis is for the length of the trial: so the scoring path is the narrow place and not the processors,
which the load shares with the platform."""

_REFUSED_STATUSES = (429, 503)

_LEAST_CONNECTIONS = 300
_MOST_CONNECTIONS = 1200
"""Fewer than four fifths of what two web processes keep open, beyond which they close each after its answer."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an overload may do.

    Attributes:
        goodput: least share of the capacity that is still answered.
        accepted_seconds: longest 99th percentile of what is accepted: an admission deadline and a decision deadline.
        refused_seconds: longest median of what is refused.
        others: largest share of requests that are neither.
    """

    goodput: float
    accepted_seconds: float
    refused_seconds: float
    others: float


_FULL = Bounds(0.9, 2 * SCORE_TIMEOUT_SECONDS, 0.5, 0.01)
_SHORT = Bounds(0.5, math.inf, math.inf, 0.15)
"""Ten seconds on a machine that others use show that nothing collapses, not how well it holds: times do not count."""


def overload(scene: Scene) -> Struck:
    """Measures what can be served, then sends three times as much."""
    stack = scene.stack
    token = issue_token(stack.settings, subject=SUBJECT, roles=[Role.SERVICE])
    assert stack.settings.hmac_key is not None  # noqa: S101 - the stack would not have started
    signer = Signer(token, stack.settings.hmac_key.get_secret_value().encode())
    port = int(stack.env["WEB_PORT"])
    with stack.servers.valkey.proxy.delayed(_REDIS_DELAY_SECONDS):
        calm = saturate(port, signer, seconds=scene.seconds(short=5, full=10), clients=160, seed=1)
        rate = _FACTOR * calm.goodput
        # Fewer would queue in the client instead, and the platform would never have more than it can serve in time.
        connections = min(_MOST_CONNECTIONS, max(_LEAST_CONNECTIONS, round(rate * stack.score_timeout_seconds)))
        flooded = flood(
            port, signer, rate=rate, seconds=scene.seconds(short=10, full=120), connections=connections, seed=2
        )
    healed = now()
    # The suite's steady traffic takes its part of what can be served, in both.
    capacity, goodput = (result.goodput + scene.ledger.answers_per_second(result.periods) for result in (calm, flooded))
    for result in (calm, flooded):
        _enter(scene, result)
    bounds = _SHORT if scene.is_short else _FULL
    note, delays = _judged(flooded, bounds, capacity=capacity, goodput=goodput)
    return Struck(healed, note, delays=delays)


def _judged(flooded: Result, bounds: Bounds, *, capacity: float, goodput: float) -> tuple[str, tuple[str, ...]]:
    """Returns what was seen and what was too slow; capacity and goodput are in decisions per second."""
    is_accepted, is_refused = flooded.statuses == 200, np.isin(flooded.statuses, _REFUSED_STATUSES)
    share = goodput / capacity
    accepted_p99 = flooded.percentile_of(is_accepted, 99)
    refused_p50 = flooded.percentile_of(is_refused, 50)
    others = Counter(int(status) for status in flooded.statuses[~(is_accepted | is_refused)])
    note = (
        f"capacity {capacity:.0f}/s; at {_FACTOR} times that {goodput:.0f}/s ({share:.0%}), "
        f"p99 {accepted_p99 * 1000:.0f} ms; {int(is_refused.sum())} refused, half of them within "
        f"{refused_p50 * 1000:.0f} ms; others {dict(others)}"
    )
    failures = [
        (share < bounds.goodput, f"goodput fell to {share:.0%} of the capacity"),
        (accepted_p99 > bounds.accepted_seconds, f"p99 of what was accepted is {accepted_p99:.2f} s"),
        (refused_p50 > bounds.refused_seconds, f"refusals took {refused_p50:.2f} s"),
        (sum(others.values()) > bounds.others * len(flooded.statuses), f"other answers: {dict(others)}"),
    ]
    return note, tuple(text for is_broken, text in failures if is_broken)


def _enter(scene: Scene, result: Result) -> None:
    """Enters what was answered into the ledger, so that it is looked for in the sinks."""
    for transaction_id, answer in result.answers.items():
        sent = Sent(transaction_id, b"")
        sent.note(Attempt(now(), 0.0, 200), answer)
        scene.ledger.open(sent)


FAULTS = (
    Fault(
        "overload",
        "goodput stays at 90 % of capacity, what is accepted is answered in its deadline, the rest refused at once; "
        "full recovery within 10 s",
        overload,
        recovery_seconds=10.0,
        patience_seconds=300.0,
    ),
)
