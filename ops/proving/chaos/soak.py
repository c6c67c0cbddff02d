"""A long run: mixed traffic, a random fault every now and then or none, and at the end the whole account.

In the last third no process of the platform is killed any more, only its servers and its network are hurt: whether a
process grows can be seen only in a life that lasts. A calm run has no faults, and compares all but its first third.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from ops.errors import StackError
from ops.proving.chaos.catalogue import FAULTS
from ops.proving.chaos.clients.ledger import Ledger, now
from ops.proving.chaos.clients.mixed import MixedTraffic
from ops.proving.chaos.clients.steady import Traffic
from ops.proving.chaos.evidence.footprint import Footprint, Growth
from ops.proving.chaos.evidence.sinks import Evidence
from ops.proving.chaos.fault import Fault, Scene, Struck, Trial
from ops.proving.chaos.platform.stack import ChaosStack, wait_for
from ops.proving.chaos.run import strike
from ops.proving.chaos.verdict import count, wait_until_delivered

GENTLE = (
    "push-reply-lost",
    "redis-frozen",
    "redis-full",
    "kafka-down",
    "kafka-lost-mid-batch",
    "poison-in-streams",
    "client-clock",
)
"""Faults that end no process."""

VIOLENT = (
    "worker-killed",
    "worker-killed-after-commit",
    "drain-killed-after-mongo",
    "drain-killed-after-kafka",
    "redis-killed",
    "mongo-down",
    "worker-clock-behind",
)
"""Faults that end processes of the platform or its servers."""

_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 10.0, 30.0
_GENTLE_SHARE = 1 / 3
_WARM_UP_SHARE = 1 / 3

ENVIRONMENT = {"DECISION_TTL_SECONDS": "300", "RETRAIN_CRON": "0 3 * * *"}
"""Records live for five minutes instead of a day, so that Redis reaches the size at which it stays; and retraining
does not run every minute: a training holds all stored transactions, which grow in number."""

_GROWS_WITH_ITS_DATA = frozenset({"mongo"})
"""The embedded stand-in for MongoDB keeps much of its data in memory; its growth is shown, and is no problem."""

_HOLDS_RECORDS = frozenset({"valkey"})
"""It grows for as long as decision records live, DECISION_TTL_SECONDS; only a longer run shows more."""

_CLIENT_SECONDS = 40.0


@dataclass(slots=True)
class SoakReport:
    """What a long run found; `trial` counts the transactions as every fault does."""

    seconds: float
    rate: float
    trial: Trial
    faults: Counter[str] = field(default_factory=Counter)
    beside: Counter[str] = field(default_factory=Counter)
    labels_lost: int = 0
    growths: list[Growth] = field(default_factory=list)
    redis_connections: tuple[int, int] = (0, 0)

    def as_json(self) -> dict[str, Any]:
        """Returns it as JSON."""
        return {
            "seconds": self.seconds,
            "rate": self.rate,
            "trial": asdict(self.trial),
            "faults": dict(self.faults),
            "beside": dict(self.beside),
            "labels_lost": self.labels_lost,
            "growths": [asdict(growth) | {"is_flat": growth.is_flat} for growth in self.growths],
            "redis_connections": self.redis_connections,
        }


def run_soak(
    stack: ChaosStack,
    evidence: Evidence,
    *,
    seconds: float,
    rate: float,
    seed: int,
    is_calm: bool = False,
    on_event: Callable[[str], None] = lambda _: None,
) -> SoakReport:
    """Runs for the time given and returns the account; calm, without any fault."""
    stack.wait_ready()
    ledger, chance = Ledger(), random.Random(seed)  # noqa: S311 - moments and victims, no secret
    traffic = Traffic(stack.client, ledger, rate=rate, seed=seed)
    mixed = MixedTraffic(partial(stack.client, timeout_seconds=_CLIENT_SECONDS), ledger, seed=seed)
    footprint = Footprint(stack)
    scene = Scene(stack, traffic, ledger, evidence, chance, is_short=True)
    begun = now()
    # Caches fill and libraries are loaded in the first third.
    gentle_from = begun + seconds * (_WARM_UP_SHARE if is_calm else 1 - _GENTLE_SHARE)
    for part in (traffic, mixed, footprint):
        part.start()
    report = SoakReport(seconds, rate, Trial())
    try:
        if is_calm:
            time.sleep(seconds)
        else:
            _hurt(scene, report, begun + seconds, gentle_from, on_event)
    finally:
        mixed.stop()
        traffic.stop()
        footprint.stop()
    report.growths = footprint.growths(gentle_from)
    report.redis_connections = _ends_of([count for at, count in footprint.connections if at >= gentle_from])
    problems, delays = report.trial.problems, [*report.trial.delays, *wait_until_delivered(stack, evidence, ledger)]
    report.trial = count(SOAK, Struck(now()), stack=stack, evidence=evidence, ledger=ledger)
    report.beside = mixed.sent
    report.labels_lost = len(mixed.labelled - evidence.labelled(mixed.labelled))
    report.trial.problems += [*problems, *_more_problems(report, mixed, _expected_to_grow(stack, now() - gentle_from))]
    report.trial.delays += delays
    return report


SOAK = Fault("soak", "nothing answered is lost, nothing is stored twice, nothing grows", lambda _scene: Struck(now()))


def _hurt(scene: Scene, report: SoakReport, until: float, gentle_from: float, on_event: Callable[[str], None]) -> None:
    """Strikes at random until the time is over; the problems of each fault count as problems of the run."""
    while True:
        time.sleep(scene.chance.uniform(_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS))
        if now() >= until:
            return
        names = GENTLE if now() >= gentle_from - _LONGEST_PAUSE_SECONDS else (*GENTLE, *VIOLENT)
        fault = FAULTS[scene.chance.choice(names)]
        struck = strike(fault, scene)
        report.faults[fault.name] += 1
        report.trial.problems += [f"{fault.name}: {problem}" for problem in struck.problems]
        report.trial.delays += [f"{fault.name}: {delay}" for delay in struck.delays]
        on_event(f"{fault.name}: {struck.note} {'; '.join((*struck.problems, *struck.delays))}")
        served = now()
        try:
            wait_for(partial(_flows, scene, served), 60, "traffic to flow again")
        except StackError as error:
            report.trial.delays.append(f"{fault.name}: {error}")


def _flows(scene: Scene, since: float) -> bool:
    return scene.ledger.answered_since(since) > 20


def _ends_of(counts: Sequence[int]) -> tuple[int, int]:
    """Returns the medians of the first and the last quarter."""
    quarter = max(1, len(counts) // 4)
    first, last = sorted(counts[:quarter]), sorted(counts[-quarter:])
    return (first[len(first) // 2], last[len(last) // 2]) if counts else (0, 0)


def _expected_to_grow(stack: ChaosStack, seconds: float) -> frozenset[str]:
    """Returns the servers whose growth over so many seconds is their data's."""
    ttl_seconds = float(stack.env.get("DECISION_TTL_SECONDS", stack.settings.decision_ttl_seconds))
    return _GROWS_WITH_ITS_DATA if seconds > 2 * ttl_seconds else _GROWS_WITH_ITS_DATA | _HOLDS_RECORDS


def _more_problems(report: SoakReport, mixed: MixedTraffic, growing: frozenset[str]) -> list[str]:
    problems = [
        f"{growth.name} grows: {growth}"
        for growth in report.growths
        if growth.name not in growing and not growth.is_flat
    ]
    if report.labels_lost:
        problems.append(f"{report.labels_lost} accepted labels are missing")
    if mixed.strange:
        problems.append(f"strange answers: {dict(mixed.strange)}")
    if not report.growths:
        problems.append("no process lived long enough to measure its growth")
    return problems
