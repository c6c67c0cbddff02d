"""A few synthetic transactions, one after the other, and a line about each."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import click

from ops.client import Answer, Client, NoAnswerError, printable
from ops.proving.deployment import SCORE_PATH, check_deployment, detail, refuse_foreign_keys
from ops.proving.synthetic import SyntheticTransactions
from ops.proving.traffic import percentile
from ops.stack.api_access import ApiAccess
from security.roles import Role

_SUBJECT = "traffic"
_TOKEN_SECONDS = 900
_RENEW_SECONDS = 600.0
_COLOURS = {"approve": "green", "review": "yellow", "decline": "red"}


@dataclass
class Sent:
    """What became of the transactions: decisions, the latencies of those in seconds, and the id of the last."""

    decisions: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    last_decided: str | None = None

    @property
    def decided(self) -> int:
        """How many got a decision."""
        return self.decisions.total()


def send_few(
    access: ApiAccess,
    *,
    count: int,
    pause_seconds: float,
    timeout_seconds: float,
    seed: int | None,
    allow_production: bool,
) -> Sent:
    """Sends the transactions, prints a line about each and one about all, and returns what became of them.

    Raises:
        ops.errors.OpsError: the deployment gets no traffic, or refuses this machine's credentials.
    """
    obstacle = check_deployment(access, allow_production=allow_production)
    if obstacle is not None:
        click.secho(f"{access.url} does not score just now: {obstacle}.", fg="yellow", err=True)
    transactions, sent = SyntheticTransactions(count, seed=seed), Sent()
    number = 0
    while number < count:
        token = access.token(_SUBJECT, [Role.SERVICE], lifetime_seconds=_TOKEN_SECONDS)
        renewed_at = time.monotonic()
        with access.client(token, timeout_seconds=timeout_seconds) as client:
            while number < count and time.monotonic() - renewed_at < _RENEW_SECONDS:
                transaction = transactions.next()
                number += 1
                place = f"{number:>{len(str(count))}}/{count}"
                click.echo(f"{place}  {transaction['transaction_id']}  {_score(access, client, transaction, sent)}")
                if number < count:
                    time.sleep(pause_seconds)
    click.echo(_summary(sent, count))
    if sent.last_decided is not None:
        click.echo(f"Read one: python -m ops request GET /predictions/{sent.last_decided} --url {access.url}")
    return sent


def _score(access: ApiAccess, client: Client, transaction: dict[str, Any], sent: Sent) -> str:
    """Sends one transaction and returns what to say about it."""
    started = time.perf_counter()
    try:
        answer = client.post(SCORE_PATH, transaction)
    except NoAnswerError as error:
        return click.style(str(error), fg="red")
    seconds = time.perf_counter() - started
    refuse_foreign_keys(access, answer)
    decided = _decision(answer, transaction["transaction_id"])
    if decided is None:
        return click.style(f"{answer.status}: {detail(answer)}", fg="red") + f"  {seconds * 1000:.1f} ms"
    decision, score = decided
    sent.decisions[decision] += 1
    sent.latencies.append(seconds)
    sent.last_decided = transaction["transaction_id"]
    return click.style(f"{decision:<8}", fg=_COLOURS.get(decision)) + f" score {score}  {seconds * 1000:.1f} ms"


def _decision(answer: Answer, transaction_id: str) -> tuple[str, str] | None:
    """Returns decision and score of an answer that is about this transaction."""
    if not answer.is_ok:
        return None
    try:
        content = answer.json()
        if content["transaction_id"] != transaction_id:
            return None
        score = content.get("score")
        return printable(str(content["decision"])), "-" if score is None else f"{score:.4f}"
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None


def _summary(sent: Sent, count: int) -> str:
    text = f"{count} sent, {sent.decided} decided"
    if sent.decided:
        kinds = ", ".join(f"{number} {decision}" for decision, number in sent.decisions.most_common())
        p50, p95 = (percentile(sent.latencies, share) * 1000 for share in (0.5, 0.95))
        text += f": {kinds}; p50 {p50:.1f} ms, p95 {p95:.1f} ms"
    return text + "."
