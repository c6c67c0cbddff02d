"""The measurement: interleaved rounds, every path with the same transactions, answers checked."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from ml.domain.transaction import Transaction
from ops.errors import OpsError
from ops.proving.bench.load.contender import Contender
from ops.proving.bench.load.loops import LoadResult, closed_loop, open_loop
from ops.proving.bench.load.requests import Signer, TransactionSupply, batch_requests, single_requests
from ops.proving.bench.load.usage import read_usage

OPEN, CLOSED, BATCH = "open", "closed", "batch"
_BATCH_CONNECTIONS = 2
_REST_SECONDS = 0.5  # between rounds, so that work left over from one is not counted in the next


class WrongAnswerError(OpsError):
    """A path answered with another transaction's decision, or with something that is no decision."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: rounds per path and kind.
        rates: constant arrival rates, requests per second.
        seconds: length of an open-loop round.
        connections: connections of the closed loop, and the most of the open loop.
        closed_requests: most requests of a closed-loop round, which ends after `seconds`.
        batch_rows: transactions per request on the batch route.
    """

    rounds: int = 5
    rates: tuple[float, ...] = (100.0, 250.0)
    seconds: float = 6.0
    connections: int = 64
    closed_requests: int = 9000
    batch_rows: int = 500


@dataclass(frozen=True, slots=True)
class Round:
    """One measured round of one path.

    Attributes:
        kind: `open`, `closed` or `batch`.
        rate: of an open loop, requests per second.
        requests, answered: transactions sent, and answered with a decision.
        throughput: decisions per second.
        p50_ms, p95_ms, p99_ms: latencies; infinite if that many failed.
        cpu_ms: CPU milliseconds per decision, by process, until the work behind the answers was done.
        latencies_ms: of every request, for the picture.
    """

    contender: str
    kind: str
    number: int
    rate: float | None
    requests: int
    answered: int
    throughput: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms: dict[str, float]
    latencies_ms: tuple[float, ...] = ()

    @property
    def cpu_total_ms(self) -> float:
        """CPU milliseconds per decision, all processes of the path."""
        return sum(self.cpu_ms.values())

    def document(self) -> dict[str, Any]:
        """Returns the form of the report, without the single latencies."""
        content = asdict(self)
        del content["latencies_ms"]
        return content | {"cpu_total_ms": self.cpu_total_ms}


def run_rounds(
    contenders: Sequence[Contender],
    supply: TransactionSupply,
    signer: Signer,
    plan: Plan,
    *,
    batched: Contender | None,
    progress: Callable[[str, float], None],
) -> list[Round]:
    """Measures every path in turn, round after round, the order rotating.

    Args:
        contenders: the paths.
        supply: the transactions.
        signer: makes the requests.
        plan: how much.
        batched: the path whose batch route is measured as well.
        progress: called with the current step and the finished share.

    Raises:
        WrongAnswerError: an answer belongs to another transaction or is no decision.
    """
    kinds: list[tuple[str, float | None]] = [*((OPEN, rate) for rate in plan.rates), (CLOSED, None)]
    steps = plan.rounds * (len(contenders) * len(kinds) + (batched is not None))
    results: list[Round] = []
    for number in range(plan.rounds):
        for kind, rate in kinds:
            turn = number % len(contenders)
            count = round((rate or 0.0) * plan.seconds) if kind == OPEN else plan.closed_requests
            for contender in (*contenders[turn:], *contenders[:turn]):
                progress(f"{kind} {rate or ''} {contender.name}".replace("  ", " "), len(results) / steps)
                results.append(
                    _measure(contender, supply, signer, plan, kind=kind, rate=rate, number=number, count=count)
                )
            supply.advance(count)
        if batched is not None:
            progress(f"batch {batched.name}", len(results) / steps)
            count = plan.closed_requests * 2
            results.append(_measure(batched, supply, signer, plan, kind=BATCH, rate=None, number=number, count=count))
            supply.advance(count)
    return results


def _measure(
    contender: Contender,
    supply: TransactionSupply,
    signer: Signer,
    plan: Plan,
    *,
    kind: str,
    rate: float | None,
    number: int,
    count: int,
) -> Round:
    transactions = supply.take(count, name=f"{contender.name}-{kind}{int(rate or 0)}-{number}")
    is_batch = kind == BATCH
    if is_batch:
        requests = batch_requests(signer, transactions, rows=plan.batch_rows)
    else:
        requests = single_requests(signer, transactions)
    time.sleep(_REST_SECONDS)
    before = read_usage(contender.roots)
    if rate is None:
        connections = _BATCH_CONNECTIONS if is_batch else plan.connections
        result = closed_loop(contender.host, contender.port, requests, connections=connections, seconds=plan.seconds)
    else:
        result = open_loop(contender.host, contender.port, requests, rate=rate, connections=plan.connections)
    if is_batch:
        answered = _check_batches(contender, transactions, result, plan.batch_rows)
    else:
        answered = _check(contender, transactions, result)
    contender.wait_until_done()
    used = read_usage(contender.roots).since(before)
    return Round(
        contender=contender.name,
        kind=kind,
        number=number,
        rate=rate,
        requests=len(result.statuses) * (plan.batch_rows if is_batch else 1),
        answered=answered,
        throughput=answered / result.seconds,
        p50_ms=result.percentile_ms(0.50),
        p95_ms=result.percentile_ms(0.95),
        p99_ms=result.percentile_ms(0.99),
        cpu_ms={name: seconds * 1000 / max(1, answered) for name, seconds in used.items()},
        latencies_ms=tuple((result.latency_seconds * 1000).tolist()),
    )


def _check(contender: Contender, transactions: Sequence[Transaction], result: LoadResult) -> int:
    """Returns how many answers there are; each must be the decision of its own transaction."""
    # A closed loop ends with its time, not with its transactions.
    for transaction, status, body in zip(transactions, result.statuses, result.bodies, strict=False):
        if status == 200:
            _check_decision(contender, transaction, orjson.loads(body))
    return result.answered


def _check_batches(contender: Contender, transactions: Sequence[Transaction], result: LoadResult, rows: int) -> int:
    answered = 0
    for position, (status, body) in enumerate(zip(result.statuses, result.bodies, strict=True)):
        part = transactions[position * rows : (position + 1) * rows]
        if status != 200:
            continue
        for transaction, item in zip(part, orjson.loads(body)["results"], strict=True):
            if "decision" in item:
                _check_decision(contender, transaction, item)
                answered += 1
    return answered


def _check_decision(contender: Contender, transaction: Transaction, decision: dict[str, Any]) -> None:
    score = decision.get("score")
    if decision.get("transaction_id") != transaction.transaction_id or not (
        isinstance(score, float) and 0.0 <= score <= 1.0
    ):
        raise WrongAnswerError(
            f"{contender.name} answered {transaction.transaction_id} with {decision.get('transaction_id')!r}, "
            f"score {score!r}."
        )
