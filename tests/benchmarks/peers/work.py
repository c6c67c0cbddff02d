"""The work that every peer does, built from the platform's own parts."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from redis import Redis

from ml.domain.scoring_batch import ScoringBatch, ScoringRequest
from ml.domain.transaction import Transaction
from ml.registry.registry import ModelRegistry
from ml.registry.release import open_version
from ml.serving.pipeline import ModelSlot, ScoringPipeline
from ml.stores.decisions.decisions_redis import RedisDecisionStore
from ml.stores.features.features_redis import RedisFeatureStore
from ml.stores.redis.commands import CommandRunner
from security.admission.admission import AdmissionPolicy, AdmissionRequest, Load
from security.admission.admission_redis import RedisAdmissionControl
from security.artifacts.artifact_keys import ArtifactVerifier
from security.errors import SecurityError
from security.revocations.revocation_list import RevocationList
from security.revocations.revocation_memory import MemoryRevocations
from security.roles import Role
from security.signatures.request_signatures import SignatureVerifier
from security.tokens.token_verifier import TokenVerifier, bearer_token
from settings import Settings
from tests.seals import DECISION_SEAL, EVENT_SEAL
from web.http.errors import WebError
from web.http.json_body import parse_json, validate

SCORE_PATH = "/predictions/score"
_DEADLINE_MS = 60_000


class RefusedError(Exception):
    """A guard refused the request; `status` is the answer's."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class Guards:
    """Everything that stands in front of scoring."""

    tokens: TokenVerifier
    signatures: SignatureVerifier
    admission: RedisAdmissionControl

    @classmethod
    def build(cls, settings: Settings, client: Redis) -> "Guards":
        """Returns the guards of the configured keys and limits."""
        return cls(
            TokenVerifier.from_settings(settings, revocations=RevocationList(MemoryRevocations(), leeway_seconds=30)),
            SignatureVerifier.from_settings(settings),
            RedisAdmissionControl(client, AdmissionPolicy.from_settings(settings)),
        )

    def admit(self, headers: Mapping[str, str], path: str, body: bytes) -> Transaction:
        """Returns the transaction of a request that passes every check.

        Raises:
            RefusedError: it does not.
        """
        try:
            identity = self.tokens.verify(bearer_token(headers.get("authorization")))
            if Role.SERVICE not in identity.roles:
                raise RefusedError(403)
            signature = self.signatures.verify(
                method="POST",
                path=path,
                timestamp_header=headers.get("x-request-timestamp"),
                signature_header=headers.get("x-request-signature"),
                body=body,
            )
            transaction = validate(Transaction, parse_json(body))
        except SecurityError as error:
            raise RefusedError(401) from error
        except WebError as error:
            raise RefusedError(400) from error
        asked = AdmissionRequest(identity.subject, signature.digest, Load.of_one(transaction.device_id))
        if not self.admission.admit([asked])[0].admitted:
            raise RefusedError(429)
        return transaction


def build_pipeline(settings: Settings, client: Redis, runner: CommandRunner) -> ScoringPipeline:
    """Returns the platform's scoring of one transaction, with the promoted model loaded and warmed.

    Raises:
        MlError: there is no model, or it cannot be served.
    """
    registry = ModelRegistry(settings.models_path)
    version = registry.champion()
    if version is None:
        raise SystemExit("no model is promoted")
    model = open_version(version, registry=registry, verifier=ArtifactVerifier.from_settings(settings)).model
    model.warm_up()
    return ScoringPipeline(
        features=RedisFeatureStore(runner),
        decisions=RedisDecisionStore(
            client,
            record_ttl_seconds=settings.decision_ttl_seconds,
            outbox_limit=settings.outbox_limit,
            seal=DECISION_SEAL,
            event_seal=EVENT_SEAL,
        ),
        slot=ModelSlot(model),
        safe_mode=lambda: None,
    )


def request_for(transaction: Transaction) -> ScoringRequest:
    """Returns what the scoring takes."""
    return ScoringRequest(transaction, transaction.fingerprint(), token_hex(16))


def decide(pipeline: ScoringPipeline, request: ScoringRequest) -> dict[str, Any]:
    """Scores and records one transaction and returns the answer's body.

    Raises:
        RefusedError: it was not scored.
    """
    now_ms = time.time_ns() // 1_000_000
    batch = ScoringBatch(token_hex(8), None, now_ms + _DEADLINE_MS, now_ms, (request,))
    report = pipeline.score(batch)
    if not report.decisions:
        raise RefusedError(503)
    return {**report.decisions[0].wire(), "correlation_id": request.correlation_id}


Decide = Callable[[ScoringRequest], dict[str, Any]]
