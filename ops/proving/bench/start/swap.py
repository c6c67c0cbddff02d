"""A change of model under load: open-loop requests, and a new champion in the middle of them."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from ml.registry.registry import ModelRegistry
from ml.registry.release import open_version, release
from ops.proving.bench.load.contender import Contender
from ops.proving.bench.load.loops import LoadResult, open_loop
from ops.proving.bench.load.requests import Signer, TransactionSupply, single_requests
from ops.proving.bench.load.rounds import WrongAnswerError
from security.artifacts.artifact_keys import ArtifactSigner

_CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Swap:
    """The cost of one change of model.

    Attributes:
        requests, failed: sent over both windows; answered with anything but a decision.
        before_p99_ms: of the window before the change.
        during_p99_ms: of the window that begins with it.
        swap_seconds: from the promotion to the first answer of the new version.
    """

    requests: int
    failed: int
    before_p99_ms: float
    during_p99_ms: float
    swap_seconds: float

    @property
    def p99_ratio(self) -> float:
        """The change's p99 divided by the one before."""
        return self.during_p99_ms / self.before_p99_ms


def copy_of_champion(registry: ModelRegistry, signer: ArtifactSigner) -> str:
    """Returns a new version with the champion's content: loading it costs what loading any costs."""
    champion = registry.champion()
    if champion is None:
        raise WrongAnswerError("No model is promoted.")
    files = open_version(champion, registry=registry, verifier=signer.verifier()).files
    return release(files, registry=registry, signer=signer, metrics={}).model.version


def swap_under_load(
    contender: Contender,
    supply: TransactionSupply,
    signer: Signer,
    *,
    registry: ModelRegistry,
    version: str,
    rate: float,
    seconds: float,
) -> Swap:
    """Sends requests for two windows at a constant rate and promotes a version between them.

    Raises:
        WrongAnswerError: no answer came from the new version.
    """
    window = round(rate * seconds)
    transactions = supply.take(2 * window, name=f"swap-{version}")
    requests = single_requests(signer, transactions)
    supply.advance(2 * window)
    promotion = threading.Timer(seconds, lambda: registry.promote(version))
    promotion.start()
    result = open_loop(contender.host, contender.port, requests, rate=rate, connections=_CONNECTIONS)
    promotion.join()
    first = _first_answer_of(version, result)
    return Swap(
        requests=2 * window,
        failed=2 * window - result.answered,
        before_p99_ms=_p99_ms(result, slice(0, window)),
        during_p99_ms=_p99_ms(result, slice(window, None)),
        swap_seconds=(first - window) / rate,
    )


def _first_answer_of(version: str, result: LoadResult) -> int:
    for number, (status, body) in enumerate(zip(result.statuses, result.bodies, strict=True)):
        if status == 200 and orjson.loads(body)["model_version"] == version:
            return number
    raise WrongAnswerError(f"No answer came from {version}: it was promoted, and the workers did not load it.")


def _p99_ms(result: LoadResult, rows: slice) -> float:
    latency = np.where(result.statuses[rows] == 200, result.latency_seconds[rows], np.inf)
    return float(np.quantile(latency, 0.99, method="inverted_cdf") * 1000)


def wait_for_next_poll(seconds: float) -> None:
    """Lets every worker poll the registry once more, so that swaps do not overlap."""
    time.sleep(seconds)


def medians(swaps: Sequence[Swap]) -> tuple[float, float]:
    """Returns the median p99 before and during the changes, ms."""
    return (
        float(np.median([swap.before_p99_ms for swap in swaps])),
        float(np.median([swap.during_p99_ms for swap in swaps])),
    )
