"""The services that the views of one web process use: built once, by `web.wiring` or by a test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from flask import Flask

from ml.domain.label import Label
from ml.registry.administration import ModelAdministration
from ml.registry.registry import ModelRegistry
from ml.stores.decisions.decision_seal import DecisionSeal
from ml.stores.decisions.decisions import DecisionReader
from ml.stores.explanations.explanations import ExplanationReader
from ml.stores.outbox.outbox import Lag
from security.client_certificates import CertificateMap
from security.safe_mode.safe_mode import CachedSafeMode, SafeModeStore
from security.signatures.http_message_verifier import MessageSignatureVerifier
from security.signatures.request_signatures import SignatureVerifier
from security.tokens.page_sessions import PageSessions
from security.tokens.token_verifier import TokenVerifier
from settings import ScoringTopology, Settings
from tasks.upkeep.housekeeping import Housekeeping
from tasks.upkeep.queue_status import QueueStatus, ShardStatus, WorkerStatus
from web.dispatch.local_scoring import LocalScoring
from web.entrance.batcher import AdmissionBatcher
from web.entrance.open_admission import OpenAdmission
from web.entrance.recall import ShardRecall
from web.protection.draining import Draining
from web.protection.load_shedding import LoadShedder
from web.protection.recent_look import RecentLook
from web.scoring.queue import ScoringQueue
from web.status.memory import StatusMemory

_EXTENSION = "shrike"


class LabelIntake(Protocol):
    """Takes confirmed outcomes in."""

    def accept(self, label: Label, correlation_id: str) -> None:
        """Takes a label over durably.

        Raises:
            RetryableError: the label may be lost; the client must send it again.
        """
        ...


class QueueMonitor(Protocol):
    """Looks at queues and workers; every method may raise StoreUnavailableError."""

    def workers(self) -> Sequence[WorkerStatus]:
        """Returns the workers that gave a sign of life within the last seconds."""
        ...

    def check_writes(self) -> None:
        """Returns if the servers that scoring needs take writes; those of shards are looked at by `shards`."""
        ...

    def queues(self, workers: Sequence[WorkerStatus]) -> Sequence[QueueStatus]:
        """Returns every queue, with its consumers among these workers."""
        ...

    def lags(self) -> Mapping[str, Lag]:
        """Returns how many entries each consumer of a stream has not acknowledged, and their age."""
        ...

    def shards(self, workers: Sequence[WorkerStatus]) -> Sequence[ShardStatus]:
        """Returns every shard, with its consumers among these workers; none where scoring is not sharded."""
        ...


@dataclass(frozen=True, slots=True)
class ScoringServers:
    """What readiness needs of the servers.

    Attributes:
        shards: their state.
        workers: those that gave a sign of life.
        trouble: why the signs of life cannot be read, in a sentence; None if they can.
    """

    shards: Sequence[ShardStatus]
    workers: Sequence[WorkerStatus]
    trouble: str | None = None


class SelfTest(Protocol):
    """Checks whether scoring would work if SAFE MODE were off."""

    def failures(self) -> Sequence[str]:
        """Returns one sentence per failed check; none if SAFE MODE may end."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a view may call. Nothing in here has connected anywhere before its first use.

    Attributes:
        topology: the Redis servers that scoring runs on.
        safe_mode: the switch as the request path reads it, from memory.
        safe_mode_switch: the switch itself, for administrators.
        self_test: must pass before SAFE MODE ends.
        registry: the model versions, read only.
        shedder: keeps room for administrators and probes.
        models: changes the champion for an administrator; made when it is first needed.
        certificates: subject and roles of each client certificate, if they count instead of tokens and signatures.
        local_scoring: this process's own model, if it scores by itself.
        recall: reads the shards' records of repeated transactions, if scoring is sharded.
        upkeep: the small jobs beside the requests.
        draining: begins when the process is told to stop.
        readiness: what anonymous probes have seen of the servers lately; None if scoring's Redis could not be used.
        sessions: links and cookies of the status page.
        status: what the status page remembers.
    """

    settings: Settings
    topology: ScoringTopology
    tokens: TokenVerifier
    signatures: SignatureVerifier
    message_signatures: MessageSignatureVerifier
    admission: AdmissionBatcher | OpenAdmission
    dispatcher: ScoringQueue
    decisions: DecisionReader
    decision_seal: DecisionSeal | None
    explanations: ExplanationReader
    labels: LabelIntake
    monitor: QueueMonitor
    safe_mode: CachedSafeMode
    safe_mode_switch: SafeModeStore
    self_test: SelfTest
    registry: ModelRegistry
    shedder: LoadShedder
    models: Callable[[], ModelAdministration]
    sessions: PageSessions
    certificates: CertificateMap | None = None
    local_scoring: LocalScoring | None = None
    recall: ShardRecall | None = None
    upkeep: Housekeeping | None = None
    draining: Draining = field(default_factory=Draining)
    readiness: RecentLook[ScoringServers | None] = field(default_factory=RecentLook)
    status: StatusMemory = field(default_factory=StatusMemory)


def provide_services(app: Flask, services: Services) -> None:
    """Makes the services available to the app's views."""
    app.extensions[_EXTENSION] = services


def services_of(app: Flask) -> Services:
    """Returns the services of an app."""
    services: Services = app.extensions[_EXTENSION]
    return services
