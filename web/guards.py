"""The checks in front of every protected view, each counted once when it refuses.

Order: size, token, role, timestamp, signature, replay, rate limit; `web.operations` calls them so, then looks at the
content. Replay and both rate limits are judged at the entrance, where waiting requests share one round trip to Redis,
and fail closed: when Redis cannot answer, a replayed request cannot be told from a new one, so nothing is admitted
(503). A batch costs one token, like a single request: the bucket limits requests, and the batch limit bounds what one
request may hold.

`/metrics` needs an administrator's token but no signature, because a scraper cannot sign; unsigned requests skip
replay check and rate limit too, which need the signature's digest, so metrics stay readable while Redis is down.
"""

from collections.abc import Mapping, Sequence

from flask import g, request

from ml.stores.decisions import DecisionRecord
from observability import metrics
from observability.flask_hooks import annotate
from security.admission import Admission, AdmissionOutcome, AdmissionRequest
from security.errors import SignatureRejectedError, TokenRejectedError
from security.roles import Role
from security.signing import VerifiedSignature
from security.tokens import Identity, bearer_token
from web.entrance import Arrival
from web.errors import BodyTooLargeError, RateLimitedError, ReplayedError, RoleMissingError
from web.services import Services

_DISCARDED_BYTES = 2 * 1024 * 1024
_DISCARD_STEP_BYTES = 64 * 1024


def read_body(limit_bytes: int) -> bytes:
    """Returns the raw body.

    Raises:
        BodyTooLargeError: it is larger than the limit, by its Content-Length or, sent in chunks, in fact.
    """
    if (request.content_length or 0) > limit_bytes:
        _discard_body()
        raise BodyTooLargeError
    # Werkzeug cuts a body of undeclared length silently; one byte more tells a body that is cut from one that fits.
    request.max_content_length = limit_bytes + 1
    body = request.get_data(cache=False)
    if len(body) > limit_bytes:
        _discard_body()
        raise BodyTooLargeError
    return body


def _discard_body() -> None:
    """Reads some of a refused body: a connection closed on unread bytes is reset, and the client never sees why."""
    unread = request.environ["wsgi.input"]
    for _ in range(_DISCARDED_BYTES // _DISCARD_STEP_BYTES):
        if len(unread.read(_DISCARD_STEP_BYTES)) < _DISCARD_STEP_BYTES:
            return


def authenticate(services: Services, role: Role) -> Identity:
    """Returns the caller, who holds the role.

    Raises:
        TokenRejectedError: there is no acceptable token.
        RoleMissingError: the token lacks the role.
    """
    try:
        identity = services.tokens.verify(bearer_token(request.headers.get("Authorization")))
    except TokenRejectedError as error:
        metrics.jwt_validations_total.labels(result="rejected").inc()
        metrics.jwt_failures_total.labels(reason=error.reason).inc()
        _count_refusal(error.reason)
        raise
    metrics.jwt_validations_total.labels(result="accepted").inc()
    if role not in identity.roles:
        _count_refusal("role_missing")
        raise RoleMissingError
    return identity


def check_signature(services: Services, body: bytes) -> VerifiedSignature:
    """Returns proof that the request, as sent, is recent and signed.

    Raises:
        SignatureRejectedError: timestamp or signature is missing or wrong.
    """
    try:
        signature = services.signatures.verify(
            method=request.method,
            path=request.environ["RAW_URI"],
            timestamp_header=request.headers.get("X-Request-Timestamp"),
            signature_header=request.headers.get("X-Request-Signature"),
            body=body,
        )
    except SignatureRejectedError as error:
        metrics.hmac_verifications_total.labels(result="rejected").inc()
        _count_refusal(error.reason)
        raise
    metrics.hmac_verifications_total.labels(result="accepted_legacy" if signature.legacy else "accepted").inc()
    return signature


def admit(
    services: Services,
    identity: Identity,
    signature: VerifiedSignature,
    *,
    device_id: str | None,
    transaction_ids: Sequence[str],
) -> Mapping[str, DecisionRecord]:
    """Lets a signed request in once, and within its subject's and its device's rate.

    Returns those of the transactions that were decided before, by id; they come in the same round trip.

    Raises:
        ReplayedError: the signature was used before.
        RateLimitedError: a bucket is empty.
        AdmissionUnavailableError: Redis cannot be asked.
        ShuttingDownError: the process is shutting down.
    """
    asked = AdmissionRequest(identity.subject, signature.digest, device_id)
    passage = services.entrance.enter(Arrival(asked, tuple(transaction_ids)))
    admission = passage.admission
    g.rate_limit = admission
    match admission.outcome:
        case AdmissionOutcome.ADMITTED:
            return passage.records
        case AdmissionOutcome.REPLAYED:
            _count_refusal("replayed")
            raise ReplayedError
        case AdmissionOutcome.LIMITED_SUBJECT:
            bucket = "subject"
        case AdmissionOutcome.LIMITED_DEVICE:
            bucket = "device"
    metrics.rate_limit_block_total.labels(bucket=bucket).inc()
    annotate(reason=admission.outcome.value)
    raise RateLimitedError(bucket, admission.retry_after_seconds)


def rate_limit_headers() -> dict[str, str]:
    """Returns the `RateLimit-*` headers of the request under way, none if no bucket was asked."""
    admission: Admission | None = g.get("rate_limit")
    if admission is None or admission.limit is None:
        return {}
    return {
        "RateLimit-Limit": str(admission.limit),
        "RateLimit-Remaining": str(admission.remaining),
        "RateLimit-Reset": str(admission.reset_seconds),
    }


def _count_refusal(reason: str) -> None:
    metrics.auth_failures_total.labels(reason=reason).inc()
    annotate(reason=reason)
