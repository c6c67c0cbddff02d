"""The checks in front of every protected view, each counted once when it refuses.

Order: size, token, role, timestamp, signature, replay, rate limit; `web.routing.operations` calls them so, then looks
at the content. A body is read once token and role are known; until then its size is what it declares. Replay and all
rate limits are checked in the admission batcher, where waiting requests share one round trip to Redis, and fail closed:
when Redis cannot answer, a replayed request looks like a new one, so nothing is admitted (503). A batch costs one token
of the subject's requests and as many of its transactions as it has items; a device without tokens has its own items
refused, and no others.

`/metrics` needs a scraper's or an administrator's token but no signature, because a scraper cannot sign; unsigned
requests skip replay check and rate limit too, which need the signature's digest, so metrics stay readable while Redis
is down.

With `MTLS_ONLY` the client's certificate takes the place of token and signature. The rate limits hold for its subject;
a replay check has nothing to check, because TLS itself lets no recorded request in again, and a transaction that a
client sends twice on purpose is idempotent by its `transaction_id`.
"""

import logging
import time
from collections.abc import Mapping
from typing import Final

from ml.domain.scoring_batch import ScoringRequest
from observability import metrics
from security.admission.admission import AdmissionOutcome, AdmissionRequest, Load
from security.errors import SignatureRejectedError, TokenRejectedError
from security.roles import Role
from security.signatures.request_signatures import VerifiedSignature
from security.tokens.token_claims import Identity
from security.tokens.token_verifier import bearer_token
from tasks.clock import SHARED_CLOCK, TOLERANCE_SECONDS
from web.entrance.batcher import AdmissionCall, AdmissionResult
from web.http.errors import RateLimitedError, ReplayedError, RoleMissingError
from web.http.exchange import Exchange
from web.services import Services

_log = logging.getLogger(__name__)

_REASONS_OF_TIME: Final = frozenset(
    {"timestamp_skew", "signature_expired", "token_not_yet_valid", "token_expired", "certificate_expired"}
)
"""Refusals that a wrong clock of this machine causes as well as a wrong clock of the client's."""


def authenticate(services: Services, exchange: Exchange, role: Role, *, other_role: Role | None = None) -> Identity:
    """Returns the caller, who holds the role, or the other one.

    Raises:
        TokenRejectedError: there is no acceptable token or, with `MTLS_ONLY`, certificate.
        RoleMissingError: the token has neither.
    """
    try:
        if services.certificates is not None:
            identity = services.certificates.identify(exchange.connection)
        else:
            identity = services.tokens.verify(bearer_token(exchange.header("Authorization")))
    except TokenRejectedError as error:
        metrics.jwt_validations_total.labels(result="rejected").inc()
        metrics.jwt_failures_total.labels(reason=error.reason).inc()
        _count_refusal(exchange, error.reason)
        raise
    metrics.jwt_validations_total.labels(result="accepted").inc()
    if role not in identity.roles and other_role not in identity.roles:
        _count_refusal(exchange, "role_missing")
        if services.certificates is not None:
            raise RoleMissingError("MTLS_IDENTITIES does not give this certificate the role that this route requires.")
        raise RoleMissingError
    return identity


def check_signature(services: Services, exchange: Exchange, identity: Identity, *, body: bytes) -> VerifiedSignature:
    """Returns proof that the request, as sent, is recent and signed with a key of its caller.

    It is signed in one of two ways: by `X-Request-Signature`, or by an HTTP message signature (RFC 9421).

    Raises:
        SignatureRejectedError: timestamp or signature is missing or wrong.
    """
    try:
        if "HTTP_SIGNATURE_INPUT" in exchange.environ:
            signature = _check_message_signature(services, exchange, identity, body=body)
        else:
            signature = services.signatures.verify(
                method=exchange.method,
                path=exchange.raw_uri,
                timestamp_header=exchange.header("X-Request-Timestamp"),
                signature_header=exchange.header("X-Request-Signature"),
                body=body,
                key_id_header=exchange.header("X-Key-Id"),
                subject=identity.subject,
            )
    except SignatureRejectedError as error:
        metrics.hmac_verifications_total.labels(result="rejected").inc()
        _count_refusal(exchange, error.reason)
        raise
    metrics.hmac_verifications_total.labels(result=signature.form.value).inc()
    return signature


def _check_message_signature(
    services: Services, exchange: Exchange, identity: Identity, *, body: bytes
) -> VerifiedSignature:
    if exchange.header("X-Request-Signature") is not None:  # it would be unclear which of the two counts
        raise SignatureRejectedError("signature_ambiguous")
    message = exchange.http_message(over_tls_proxy=services.settings.tls_terminated_by_proxy)
    return services.message_signatures.verify(message, body=body, subject=identity.subject)


def admit(
    services: Services,
    exchange: Exchange,
    *,
    identity: Identity,
    signature: VerifiedSignature | None,
    load: Load,
    transactions: Mapping[str, str],
    scoring: ScoringRequest | None = None,
) -> AdmissionResult:
    """Admits a signed request once, and within the rates of its subject and of its device.

    Returns the admission result, with the records of its transactions; where scoring is sharded, the shards of repeated
    transactions are asked too.

    Args:
        services: of this process.
        exchange: the request; its rate limit headers are set from the result.
        identity: the caller.
        signature: of the request.
        load: what it takes of the rate limits.
        transactions: the customer of each transaction that it is about, by id.
        scoring: the scoring request to send as soon as it is admitted.

    Raises:
        ReplayedError: the signature was used before.
        RateLimitedError: a bucket is empty.
        AdmissionUnavailableError: Redis cannot be asked.
        ShuttingDownError: the process is shutting down.
    """
    digest = None if signature is None else signature.digest
    asked = AdmissionRequest(identity.subject, digest, load)
    # One deadline for all that follows: admission and scoring share the time.
    exchange.deadline = time.monotonic() + services.settings.score_timeout_ms / 1000
    call = AdmissionCall(asked, tuple(transactions), tuple(transactions.values()), scoring, exchange.deadline)
    result = services.admission.admit(call)
    admission = result.admission
    exchange.admission = admission
    match admission.outcome:
        case AdmissionOutcome.ADMITTED:
            if services.recall is None:
                return result
            return services.recall.complete(result, deadline=exchange.deadline)
        case AdmissionOutcome.REPLAYED:
            _count_refusal(exchange, "replayed")
            raise ReplayedError
        case AdmissionOutcome.LIMITED_SUBJECT:
            bucket = "subject"
        case AdmissionOutcome.LIMITED_TRANSACTIONS:
            bucket = "transactions"
        case AdmissionOutcome.LIMITED_DEVICE:
            bucket = "device"
    metrics.rate_limit_block_total.labels(bucket=bucket).inc()
    exchange.annotate(reason=admission.outcome.value)
    raise RateLimitedError(bucket, admission.retry_after_seconds)


def _count_refusal(exchange: Exchange, reason: str) -> None:
    metrics.auth_failures_total.labels(reason=reason).inc()
    if reason in _REASONS_OF_TIME and abs(SHARED_CLOCK.offset()) > TOLERANCE_SECONDS:
        metrics.clock_refusals_total.labels(reason=reason).inc()
        _log.warning(
            "a request was refused for its time, and this machine's clock is off",
            extra={"reason": reason, "ahead_seconds": round(SHARED_CLOCK.offset(), 3)},
        )
    exchange.annotate(reason=reason)
