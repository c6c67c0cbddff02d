"""Load in a process of its own, so that the suite's proxies do not share an interpreter with it."""

import json
import random
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.processes.ports import LOOPBACK
from ops.proving.bench.load.loops import LoadResult, closed_loop, open_loop
from ops.proving.bench.load.requests import Signer
from ops.proving.chaos.clients.ledger import now
from ops.proving.chaos.clients.steady import PATH, transaction

_SLICE_SECONDS = 20.0
_LONGEST_CLOSED = 200_000


@dataclass(frozen=True)
class Result:
    """What became of a load.

    Attributes:
        answers: of the requests that got 200, by transaction id.
        statuses: [N] HTTP status, 0 without an answer.
        latency_seconds: [N] from the intended sending to the answer, NaN without one.
        periods: when, on the ledger's clock: beginning and end of each stretch.
    """

    answers: dict[str, dict[str, Any]]
    statuses: NDArray[np.int64]
    latency_seconds: NDArray[np.float64]
    periods: tuple[tuple[float, float], ...]

    @property
    def seconds(self) -> float:
        """How long requests were sent."""
        return sum(stop - start for start, stop in self.periods)

    @property
    def goodput(self) -> float:
        """Decisions per second."""
        return float((self.statuses == 200).sum()) / self.seconds

    def percentile_of(self, is_counted: NDArray[np.bool_], percent: float) -> float:
        """Returns a percentile of the latency of some of the requests, seconds; 0 if there are none."""
        counted = self.latency_seconds[is_counted]
        return float(np.percentile(counted, percent)) if len(counted) else 0.0


def saturate(port: int, signer: Signer, *, seconds: float, clients: int, seed: int) -> Result:
    """Returns the result of some clients that each wait for an answer before they ask again."""
    return _elsewhere(_saturate, port, signer, seconds, clients, seed)


def flood(port: int, signer: Signer, *, rate: float, seconds: float, connections: int, seed: int) -> Result:
    """Returns the result of requests at a constant rate, whatever the answers."""
    return _elsewhere(_flood, port, signer, rate, seconds, connections, seed)


def _elsewhere(function: Any, *arguments: Any) -> Result:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        result: Result = pool.submit(function, *arguments).result()
    return result


def _saturate(port: int, signer: Signer, seconds: float, clients: int, seed: int) -> Result:
    requests = _requests(signer, min(_LONGEST_CLOSED, round(seconds * 1500)), seed)
    start = now()
    result = closed_loop(LOOPBACK, port, requests, connections=clients, seconds=seconds)
    return _result([result], [(start, start + seconds)])


def _flood(port: int, signer: Signer, rate: float, seconds: float, connections: int, seed: int) -> Result:
    results, periods = [], []
    left = seconds
    while left > 0:
        # Signed slice by slice: a signature is good for two minutes.
        part = min(left, _SLICE_SECONDS)
        requests = _requests(signer, round(rate * part), seed + round(left))
        start = now()
        periods.append((start, start + part))
        results.append(open_loop(LOOPBACK, port, requests, rate=rate, connections=connections))
        left -= part
    return _result(results, periods)


def _requests(signer: Signer, count: int, seed: int) -> list[bytes]:
    chance = random.Random(seed)  # noqa: S311 - amounts, no secret
    return [signer.request(PATH, json.dumps(transaction(chance)).encode()) for _ in range(count)]


def _result(results: Sequence[LoadResult], periods: Sequence[tuple[float, float]]) -> Result:
    statuses = np.concatenate([result.statuses for result in results])
    bodies = [body for result in results for body in result.bodies]
    decisions = [json.loads(body) for status, body in zip(statuses, bodies, strict=True) if status == 200]
    return Result(
        {decision["transaction_id"]: decision for decision in decisions},
        statuses,
        np.concatenate([result.latency_seconds for result in results]),
        tuple(periods),
    )
