"""Shows that the paths do the same work: the same payments of equally new customers get the same scores."""

import json
from collections.abc import Sequence

import orjson

from ml.domain.transaction import Transaction
from ops.proving.bench.latency.paths import title_of
from ops.proving.bench.load.contender import Contender
from ops.proving.bench.load.loops import closed_loop
from ops.proving.bench.load.requests import Signer, single_requests
from ops.proving.bench.load.rounds import WrongAnswerError

_PAYMENTS = 24
_SECONDS_APART = 1_800
_TOLERANCE = 1e-9


def check_same_scores(contenders: Sequence[Contender], signer: Signer, *, moment: int) -> None:
    """Sends each path the same story of a customer and a terminal of its own, and compares the scores.

    Args:
        contenders: the paths.
        signer: makes the requests.
        moment: event time of the first payment, epoch seconds.

    Raises:
        WrongAnswerError: a path scores differently, or does not answer.
    """
    stories = {title_of(item.name): _scores(item, signer, _story(item.name, moment)) for item in contenders}
    (first, expected), *others = stories.items()
    for title, scores in others:
        worst = max(abs(a - b) for a, b in zip(expected, scores, strict=True))
        if worst > _TOLERANCE:
            raise WrongAnswerError(f"{title} and {first} score the same payments differently, by up to {worst:.3g}.")


def _story(name: str, moment: int) -> list[Transaction]:
    """Returns payments that grow unusual; only the names differ between paths, and no feature reads a name."""
    return [
        Transaction.model_validate_json(
            json.dumps(
                {
                    "transaction_id": f"same-{name}-{number}",
                    "timestamp": moment + number * _SECONDS_APART,
                    "customer_id": f"same-{name}-customer",
                    "terminal_id": f"same-{name}-terminal-{number % 3}",
                    "amount": f"{10 + number * number}.50",
                    "currency": "EUR",
                    "channel": "ecom",
                }
            )
        )
        for number in range(_PAYMENTS)
    ]


def _scores(contender: Contender, signer: Signer, story: Sequence[Transaction]) -> list[float]:
    result = closed_loop(contender.host, contender.port, single_requests(signer, story), connections=1)
    if result.answered != len(story):
        raise WrongAnswerError(f"{title_of(contender.name)} answered {result.answered} of {len(story)} payments.")
    return [float(orjson.loads(body)["score"]) for body in result.bodies]
