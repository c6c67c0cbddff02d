"""Problem details (RFC 9457): the kinds of error the API knows, and how one is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from observability.context import get_correlation_id

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER = "Retry-After"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem. `name` is part of the API: it ends the problem's `type`, which links to its description.

    A retryable problem says in `Retry-After` when to come again.
    """

    name: str
    status: int
    title: str
    meaning: str
    retryable: bool = False

    @property
    def type(self) -> str:
        """Returns the problem's `type`, a link to its description on the documentation page."""
        return f"/docs#problem-{self.name}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One error as the client gets it; `members` extend or replace the standard members."""

    kind: Kind
    detail: str
    members: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Returns the JSON members, with the correlation id of the request under way."""
        kind = self.kind
        return {
            "type": kind.type,
            "title": kind.title,
            "status": kind.status,
            "detail": self.detail,
            "correlation_id": get_correlation_id(),
            **self.members,
        }


BAD_REQUEST = Kind("bad-request", 400, "Bad request", "The request is not well-formed HTTP.")
MALFORMED_JSON = Kind(
    "malformed-json",
    400,
    "The body is not JSON",
    "The body is empty, is not UTF-8 JSON, repeats a member name, nests too deeply, or holds NaN or Infinity.",
)
UNAUTHENTICATED = Kind(
    "unauthenticated",
    401,
    "Token refused",
    "The bearer token, or with MTLS_ONLY the client certificate, is missing, malformed, expired or not trusted.",
)
LINK_REFUSED = Kind(
    "link-refused",
    403,
    "Link refused",
    "The link to the status page was used, is older than five minutes or is none of this platform; "
    "`python -m ops status --open` prints a new one.",
)
CERTIFICATE_REFUSED = Kind("unauthenticated", 401, "Certificate refused", UNAUTHENTICATED.meaning)
"""The same kind in the words of an API that knows its callers by their certificates."""
SIGNATURE_REJECTED = Kind(
    "signature-rejected",
    401,
    "Signature refused",
    "X-Request-Timestamp or X-Request-Signature is missing, malformed, too old, or does not fit the request.",
)
REPLAYED = Kind(
    "replayed",
    401,
    "Request replayed",
    "This signature was accepted before; sign every request anew. Equal requests of one second have one signature.",
    retryable=True,
)
ROLE_MISSING = Kind("role-missing", 403, "Role missing", "The caller does not have the role that this route requires.")
NOT_FOUND = Kind("not-found", 404, "Not found", "There is nothing with this id.")
ROUTE_NOT_FOUND = Kind("route-not-found", 404, "No such route", "The API has no such route.")
EXPLANATION_PENDING = Kind(
    "explanation-pending",
    404,
    "Explanation not stored yet",
    "The transaction was answered and its explanation is under way; try again after Retry-After seconds.",
    retryable=True,
)
METHOD_NOT_ALLOWED = Kind("method-not-allowed", 405, "Method not allowed", "The route has no such method; see Allow.")
REQUEST_TIMEOUT = Kind("request-timeout", 408, "Request too slow", "The body did not arrive in time.")
CONFLICT = Kind(
    "conflict", 409, "Transaction id in use", "This transaction_id was scored before with a different body."
)
SELF_TEST_FAILED = Kind(
    "self-test-failed",
    409,
    "The self-test failed",
    "SAFE MODE stays on: a scoring worker, its model or a server is not well; `failures` says what is wrong.",
)
MODEL_REFUSED = Kind(
    "model-refused",
    409,
    "Model version refused",
    "The version fails a check that every scoring worker makes, or is older than the last accepted one.",
)
BODY_TOO_LARGE = Kind("body-too-large", 413, "Body too large", "The body is larger than this route accepts.")
UNSUPPORTED_MEDIA_TYPE = Kind(
    "unsupported-media-type",
    415,
    "Not JSON",
    "Content-Type must be application/json in UTF-8, without a Content-Encoding.",
)
INVALID_BODY = Kind(
    "invalid-body", 422, "Body refused", "The body is JSON but breaks the schema; `errors` points to each violation."
)
INVALID_PARAMETER = Kind(
    "invalid-parameter", 422, "Parameter refused", "A path or query parameter breaks its schema; see `errors`."
)
RATE_LIMITED = Kind(
    "rate-limited", 429, "Rate limit reached", "The subject's or the device's tokens are used up; see Retry-After."
)
INTERNAL = Kind("internal", 500, "Internal error", "Something unexpected failed; the log has it by correlation id.")
SCORING_FAILED = Kind("scoring-failed", 500, "Scoring failed", "The scoring worker could not score this transaction.")
RECORD_UNTRUSTED = Kind(
    "record-untrusted",
    503,
    "Stored decision not believed",
    "The stored decision of this transaction was altered or made up in Redis. The log names the record; an operator "
    "removes it, and the next request is scored (docs/operations.md).",
)
SAFE_MODE = Kind(
    "safe-mode",
    503,
    "SAFE MODE",
    "The platform is in SAFE MODE; `reason` says why. `status` reads `safe_mode`.",
    retryable=True,
)
OVERLOADED = Kind(
    "overloaded",
    503,
    "Overloaded",
    "Too many requests are under way, or too many answered transactions wait to be stored; try again later.",
    retryable=True,
)
SCORING_SUSPENDED = Kind(
    "scoring-suspended",
    503,
    "Scoring suspended",
    "Scoring did not answer lately, so the circuit breaker is open.",
    retryable=True,
)
UNAVAILABLE = Kind(
    "unavailable", 503, "Unavailable", "A server behind the API cannot be reached; try again later.", retryable=True
)
DEADLINE = Kind(
    "deadline",
    504,
    "No decision in time",
    "No decision came within the time limit. A retry of the same body is safe.",
    retryable=True,
)

KINDS: tuple[Kind, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Kind) and value is not CERTIFICATE_REFUSED
)
"""Every kind, for the documentation."""
