"""A whole web application on in-memory adapters, and requests that are signed like real ones."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ml.domain.decision import Breakdown, Decision, Reason, Thresholds
from ml.domain.errors import StoreUnavailableError
from ml.domain.label import Label
from ml.domain.scoring_batch import ScoringRequest
from ml.registry.administration import ModelAdministration
from ml.registry.registry import ModelRegistry
from ml.stores.accepted_version.accepted_version_memory import MemoryAcceptedVersion
from ml.stores.decisions.decisions import NewDecision, Reply
from ml.stores.decisions.decisions_memory import MemoryDecisionStore
from ml.stores.explanations.explanations_memory import MemoryExplanationStore
from ml.stores.outbox.outbox import Lag
from security.admission.admission import AdmissionPolicy
from security.admission.admission_memory import MemoryAdmissionControl
from security.artifacts.artifact_encryption import EncryptionKey
from security.artifacts.artifact_keys import ArtifactSigner
from security.audit.audit_memory import MemoryAuditLog
from security.keys import generate_secret
from security.messages.message_signer import MessageSigner
from security.revocations.revocation_list import RevocationList
from security.revocations.revocation_memory import MemoryRevocations
from security.roles import Role
from security.safe_mode.safe_mode import CachedSafeMode
from security.safe_mode.safe_mode_memory import MemorySafeMode
from security.signatures.http_message_verifier import MessageSignatureVerifier
from security.signatures.request_signatures import SignatureVerifier, sign
from security.tokens.page_sessions import PageSessions
from security.tokens.token_issuer import issue_token
from security.tokens.token_verifier import TokenVerifier
from security.tokens.used_links_memory import MemoryUsedLinks
from settings import ScoringTopology, Settings
from tasks.upkeep.queue_status import QueueStatus, ShardStatus, WorkerStatus
from web.app import create_app
from web.dispatch.dispatcher import Dispatcher
from web.dispatch.transport import Transport
from web.dispatch.transport_memory import MemoryTransport
from web.entrance.batcher import AdmissionBatcher
from web.entrance.check_memory import MemoryAdmissionCheck
from web.protection.capacity import scoring_share
from web.protection.circuit_breaker import CircuitBreaker
from web.protection.load_shedding import LoadShedder
from web.protection.recent_look import RecentLook
from web.scoring.batch import Batch
from web.services import Services

HMAC_KEY = generate_secret()
ARTIFACT_SIGNER = ArtifactSigner("key-1", Ed25519PrivateKey.generate(), EncryptionKey(bytes(32)))
THRESHOLDS = Thresholds(review=0.3, decline=0.7)
JSON = "application/json"


@dataclass
class MemoryLabelIntake:
    """Keeps accepted labels."""

    accepted: list[tuple[Label, str]] = field(default_factory=list)

    def accept(self, label: Label, correlation_id: str) -> None:
        self.accepted.append((label, correlation_id))


@dataclass
class MemoryQueueMonitor:
    """Shows what the test wrote into it."""

    live: list[WorkerStatus] = field(default_factory=lambda: [WorkerStatus("score@test", "score", "v1", 1.0)])
    reachable: bool = True
    behind: list[ShardStatus] = field(default_factory=list)
    trouble: str | None = None

    def workers(self) -> Sequence[WorkerStatus]:
        self._check()
        if self.trouble:
            raise StoreUnavailableError(self.trouble)
        return self.live

    def check_writes(self) -> None:
        self._check()

    def queues(self, workers: Sequence[WorkerStatus]) -> Sequence[QueueStatus]:
        self._check()
        return [QueueStatus("score", 3, 0.5, len(workers))]

    def lags(self) -> Mapping[str, Lag]:
        self._check()
        return {"explain": Lag(2, 0.25, 0)}

    def shards(self, workers: Sequence[WorkerStatus]) -> Sequence[ShardStatus]:  # noqa: ARG002 - the protocol's
        self._check()
        return self.behind

    def _check(self) -> None:
        if not self.reachable:
            raise StoreUnavailableError("Redis is unavailable")


@dataclass
class FakeSelfTest:
    """Finds what the test wrote into it."""

    found: list[str] = field(default_factory=list)

    def failures(self) -> list[str]:
        return self.found


def decide(request: ScoringRequest) -> Decision:
    """Scores by the amount alone: a thousand is certain fraud."""
    transaction = request.transaction
    score = min(1.0, float(transaction.amount) / 1000)
    return Decision(
        transaction_id=transaction.transaction_id,
        decision=THRESHOLDS.decide(score),
        score=score,
        threshold=THRESHOLDS,
        breakdown=Breakdown(score, score, score, score),
        reasons=(Reason("AMOUNT", "amount", float(transaction.amount), 1.5, "The amount is large."),),
        model_version="v1",
        scored_at="2026-11-23T14:03:27.412Z",
    )


@dataclass
class Worker:
    """Takes a scoring worker's place: decides, records and replies like one."""

    decisions: MemoryDecisionStore
    batches: list[Batch] = field(default_factory=list)
    answer: Callable[[ScoringRequest], Decision] = decide
    override: Callable[[Batch], bytes] | None = None

    def score(self, batch: Batch) -> bytes:
        self.batches.append(batch)
        if self.override is not None:
            return self.override(batch)
        entries = [
            NewDecision(
                request.transaction.transaction_id,
                request.fingerprint,
                orjson.dumps(self.answer(request).wire()),
                orjson.dumps(request.transaction.wire()),
                b"{}",
            )
            for request in batch.requests
        ]
        self.decisions.commit(entries, Reply("here", batch.batch_id, {"queue_ms": 0.2, "features_ms": 0.3}))
        return orjson.dumps(self.decisions.replies["here"].pop())


@dataclass
class World:
    """The application, what is behind it, and requests against it."""

    settings: Settings
    app: Flask
    client: FlaskClient
    services: Services
    worker: Worker
    labels: MemoryLabelIntake
    monitor: MemoryQueueMonitor
    safe_mode: MemorySafeMode
    decisions: MemoryDecisionStore
    explanations: MemoryExplanationStore
    self_test: FakeSelfTest
    audit: MemoryAuditLog
    revocations: MemoryRevocations
    used_links: MemoryUsedLinks
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def token(self, *roles: Role, subject: str = "client-1", **options: Any) -> str:
        return issue_token(self.settings, subject=subject, roles=roles, **options)

    def headers(
        self, method: str, path: str, body: bytes = b"", *, role: Role = Role.SERVICE, subject: str = "client-1"
    ) -> dict[str, str]:
        """Returns the headers of a good request; a fresh timestamp second per call keeps signatures apart."""
        timestamp = int(time.time()) - 100 + next(self.ids) % 200
        return {
            "Authorization": f"Bearer {self.token(role, subject=subject)}",
            "X-Request-Timestamp": str(timestamp),
            "X-Request-Signature": sign(HMAC_KEY.encode(), method=method, path=path, timestamp=timestamp, body=body),
        }

    def post(
        self, path: str, body: Any, *, role: Role = Role.SERVICE, content_type: str | None = JSON, **extra: str
    ) -> TestResponse:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        headers = self.headers("POST", path, raw, role=role) | {
            name.replace("_", "-"): value for name, value in extra.items()
        }
        return self.client.post(path, data=raw, content_type=content_type, headers=headers)

    def get(self, path: str, *, role: Role = Role.READ) -> TestResponse:
        return self.client.get(path, headers=self.headers("GET", path, role=role))

    def transaction(self, **members: Any) -> dict[str, Any]:
        return {
            "transaction_id": f"t-{next(self.ids)}",
            "timestamp": "2026-11-23T14:03:27Z",
            "customer_id": "c-1",
            "terminal_id": "p-1",
            "amount": 12.5,
            "currency": "EUR",
            "channel": "ecom",
        } | members


def build_world(
    settings: Settings,
    *,
    transport: Transport | None = None,
    admission: Any = None,
    breaker: CircuitBreaker | None = None,
) -> World:
    decisions, explanations = MemoryDecisionStore(), MemoryExplanationStore()
    worker, labels, monitor, safe_mode = Worker(decisions), MemoryLabelIntake(), MemoryQueueMonitor(), MemorySafeMode()
    revocations, used_links = MemoryRevocations(), MemoryUsedLinks()
    self_test, audit, registry = FakeSelfTest(), MemoryAuditLog(), ModelRegistry(settings.models_path)
    used = transport or MemoryTransport(worker.score)
    gate = admission or MemoryAdmissionControl(AdmissionPolicy.from_settings(settings))
    signatures = SignatureVerifier.from_settings(settings)
    services = Services(
        readiness=RecentLook(0.0),
        settings=settings,
        topology=ScoringTopology.from_settings(settings),
        tokens=TokenVerifier.from_settings(settings, revocations=_known(revocations)),
        signatures=signatures,
        message_signatures=MessageSignatureVerifier.from_settings(settings, signatures.keys),
        admission=AdmissionBatcher(
            MemoryAdmissionCheck(gate, decisions), timeout_seconds=settings.score_timeout_ms / 1000
        ),
        dispatcher=Dispatcher(
            lambda: used,
            breaker=breaker or CircuitBreaker(max_failures=5, window_seconds=30, open_seconds=15),
            batch_rows=settings.infer_batch_size,
            patience_seconds=1,
        ),
        decisions=decisions,
        decision_seal=None,
        explanations=explanations,
        labels=labels,
        monitor=monitor,
        safe_mode=CachedSafeMode(safe_mode, refresh_seconds=0),
        safe_mode_switch=safe_mode,
        self_test=self_test,
        registry=registry,
        models=lambda: ModelAdministration(
            registry=registry, verifier=ARTIFACT_SIGNER.verifier(), mark=MemoryAcceptedVersion(), audit=audit
        ),
        shedder=LoadShedder(scoring_share(settings.web_connections)),
        sessions=PageSessions(
            MessageSigner.from_settings(settings),
            revocations=_known(revocations),
            used=used_links,
            session_seconds=3600,
        ),
    )
    app = create_app(settings, services)
    return World(
        settings,
        app,
        app.test_client(),
        services,
        worker,
        labels,
        monitor,
        safe_mode,
        decisions,
        explanations,
        self_test,
        audit,
        revocations,
        used_links,
    )


def _known(revocations: MemoryRevocations) -> RevocationList:
    """Returns the list as a process sees it that reads it with every request."""
    return RevocationList(revocations, leeway_seconds=30, refresh_seconds=0)
