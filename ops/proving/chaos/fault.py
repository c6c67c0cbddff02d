"""A fault, the scene in which it strikes, and the counts of its trials."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from ops.proving.chaos.clients.ledger import Ledger
from ops.proving.chaos.clients.steady import Traffic
from ops.proving.chaos.evidence.sinks import Evidence
from ops.proving.chaos.platform.stack import ChaosStack


@dataclass(frozen=True)
class Scene:
    """Where a fault strikes: a platform under traffic.

    Attributes:
        ledger: the account of the traffic.
        evidence: the sinks.
        chance: where and when to strike; seeded.
        is_short: whether to be content with little, as continuous integration is.
    """

    stack: ChaosStack
    traffic: Traffic
    ledger: Ledger
    evidence: Evidence
    chance: random.Random
    is_short: bool

    def seconds(self, *, short: float, full: float) -> float:
        """Returns how long something is to last."""
        return short if self.is_short else full


@dataclass(frozen=True, slots=True)
class Struck:
    """What a fault did and saw.

    Attributes:
        healed_at: when its cause was gone, on the ledger's clock.
        note: what it saw, for the report.
        problems: what was not as expected, beside what holds for every fault.
        delays: of that, what a machine may cause that is busy with something else.
        recovered_seconds: how long after that a part behind the answers took to recover, where the answers themselves
            did not suffer.
    """

    healed_at: float
    note: str = ""
    problems: tuple[str, ...] = ()
    recovered_seconds: float = 0.0
    delays: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break the platform.

    Attributes:
        name: as the command line knows it.
        expected: the outcome that must follow, one sentence.
        strike: breaks, heals, and returns what it saw; traffic flows all the while.
        recovery_seconds: how long after the cause is gone new transactions may still meet failures; None if a fault
            must not make any request fail.
        may_break_connections: whether requests may end without an answer, as when the API's process is killed.
        hung_seconds: how long a request may wait; None for what its deadlines allow.
        patience_seconds: how long the client asks again.
        may_lose: whether answered transactions may be lost, as when Redis is emptied; the loss is counted, and
            `strike` checks that it was reported.
    """

    name: str
    expected: str
    strike: Callable[[Scene], Struck]
    recovery_seconds: float | None = 15.0
    may_break_connections: bool = False
    may_lose: bool = False
    hung_seconds: float | None = None
    patience_seconds: float = 60.0


@dataclass(slots=True)
class Trial:
    """The counts of one or, added up, several trials of a fault.

    Attributes:
        acknowledged: transactions whose decision the client got.
        lost: of these, how many are missing in MongoDB or in Kafka once everything is delivered.
        duplicated: events in Kafka beyond one per decision.
        mongo_duplicates: documents in MongoDB beyond one per transaction.
        unknown: transactions that never got a decision within the client's patience.
        failed_first: transactions that met a failure when they were sent for the first time.
        recovery_seconds: how long after the cause was gone first attempts still failed, or how long the part that was
            hit took to recover; the longest of several trials.
        problems: everything that breaks a promise, whatever the machine: lost, twice, changed, refused for good.
        delays: everything that came too late or failed for a while, which a machine that is busy with something else
            can cause too.
    """

    runs: int = 0
    acknowledged: int = 0
    lost: int = 0
    duplicated: int = 0
    mongo_duplicates: int = 0
    unknown: int = 0
    failed_first: int = 0
    recovery_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    delays: list[str] = field(default_factory=list)

    @property
    def is_as_expected(self) -> bool:
        """Whether nothing broke a promise and nothing came too late."""
        return not self.problems and not self.delays

    def add(self, other: "Trial") -> None:
        """Adds another trial of the same fault."""
        self.runs += other.runs
        self.acknowledged += other.acknowledged
        self.lost += other.lost
        self.duplicated += other.duplicated
        self.mongo_duplicates += other.mongo_duplicates
        self.unknown += other.unknown
        self.failed_first += other.failed_first
        self.recovery_seconds = max(self.recovery_seconds, other.recovery_seconds)
        self.notes += [note for note in other.notes if note not in self.notes]
        self.problems += other.problems
        self.delays += other.delays
