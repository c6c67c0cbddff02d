"""The errors of a request, and the single table that says how each is answered.

The exceptions carry data and no HTTP status. `problem_of` turns any exception, these or those of the packages
below, into the problem that the client gets.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from ml.domain.errors import ArtifactError, RetryableError
from ml.registry.registry import ChampionChangedError, OlderVersionError, RegistryError, UnknownVersionError
from security.audit.audit import AuditUnavailableError
from security.errors import (
    AdmissionUnavailableError,
    KeysUnavailableError,
    KeyUnusableError,
    SignatureRejectedError,
    TokenRejectedError,
)
from security.revocations.revocation import RevocationsUnavailableError
from security.safe_mode.safe_mode import SafeModeUnavailableError
from web.http import problems
from web.http.framing import TooManyChunksError
from web.http.problems import RETRY_AFTER, Kind, Problem


class WebError(Exception):
    """A request cannot be answered as asked."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with a body or a parameter; `pointer` is a JSON pointer, `#/query/…` for a parameter."""

    pointer: str
    message: str


class BodyTooLargeError(WebError):
    """The body is larger than this route allows."""


class SlowBodyError(WebError):
    """The body did not arrive in time."""


class MediaTypeError(WebError):
    """The body must be JSON: Content-Type application/json, UTF-8, no content encoding."""


class MalformedJsonError(WebError):
    """The body is not JSON."""


class InvalidBodyError(WebError):
    """The body is JSON, but not what this route expects."""

    def __init__(self, errors: list[Violation]) -> None:
        super().__init__(self.__doc__)
        self.errors = errors


class InvalidParameterError(WebError):
    """A path or query parameter is not what this route expects."""

    def __init__(self, errors: list[Violation]) -> None:
        super().__init__(self.__doc__)
        self.errors = errors


class RoleMissingError(WebError):
    """The token does not carry the role that this route requires."""


class LinkRefusedError(WebError):
    """This link was used, is too old or is none of ours; `python -m ops status --open` prints a new one."""


class ReplayedError(WebError):
    """This signature was used before; sign every request anew."""


class RateLimitedError(WebError):
    """Too many requests.

    Attributes:
        retry_after_seconds: when the bucket holds a token again.
    """

    def __init__(self, bucket: str, retry_after_seconds: float) -> None:
        owner = "subject's transactions" if bucket == "transactions" else bucket
        super().__init__(f"The rate limit of this {owner} is used up.")
        self.retry_after_seconds = retry_after_seconds


class NotFoundError(WebError):
    """There is nothing with this id."""


class RouteNotFoundError(WebError):
    """The API has no such route."""

    def __init__(self, meant: str | None = None) -> None:
        hint = "" if meant is None else f" A path has one spelling: {meant}, without a slash at its end."
        super().__init__(f"{self.__doc__}{hint}")


class ExplanationPendingError(WebError):
    """The transaction was answered; its explanation is still being stored."""


class ConflictError(WebError):
    """This transaction_id was used before with another body."""


class UntrustedRecordError(WebError):
    """The stored decision of this transaction was not written by this platform, and is not believed."""


class SafeModeError(WebError):
    """The platform is in SAFE MODE and does not score."""

    def __init__(self, reason: str) -> None:
        super().__init__(self.__doc__)
        self.reason = reason


class SelfTestFailedError(WebError):
    """The self-test did not pass, so SAFE MODE stays on.

    Attributes:
        failures: one sentence per failed check.
    """

    def __init__(self, failures: Sequence[str]) -> None:
        super().__init__("The self-test did not pass, so SAFE MODE stays on.")
        self.failures = list(failures)


class OverloadedError(WebError):
    """The platform cannot take more transactions now."""


class BreakerOpenError(WebError):
    """Scoring did not answer lately; the circuit breaker is open."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(self.__doc__)
        self.retry_after_seconds = retry_after_seconds


class DependencySuspendedError(WebError):
    """A server behind the API did not answer lately and is not asked yet.

    Attributes:
        retry_after_seconds: when it is asked again.
    """

    def __init__(self, dependency: str, retry_after_seconds: float) -> None:
        super().__init__(f"{dependency} did not answer lately and is not asked yet.")
        self.retry_after_seconds = retry_after_seconds


class QueueUnavailableError(WebError):
    """The scoring queue cannot be reached."""


class ShuttingDownError(WebError):
    """This process is shutting down."""


class DeadlineError(WebError):
    """No decision came in time. A retry with the same transaction_id is safe."""


class ScoringFailedError(WebError):
    """The scoring worker could not score this transaction."""


class HistoriesUnavailableError(WebError):
    """The histories of this customer or terminal cannot be read now. A retry with the same transaction_id is safe."""


_TOKEN_DETAIL = "The bearer token is missing or not accepted."  # noqa: S105 - a sentence for every cause  # nosec B105
_CERTIFICATE_MISSING = "This API knows its callers by their TLS client certificates, and this connection shows none."
_CERTIFICATE_DETAIL = "The client certificate is expired or revoked, or belongs to no caller of this API."
_SIGNATURE_DETAILS = {
    "timestamp_missing": "X-Request-Timestamp is missing.",
    "timestamp_malformed": "X-Request-Timestamp must be epoch seconds.",
    "timestamp_skew": "X-Request-Timestamp is too far from the server's time.",
    "signature_missing": "X-Request-Signature is missing.",
}
_SIGNATURE_DETAIL = "X-Request-Signature is not the signature of this request."
_RETRY_SOON_SECONDS = 1

_TABLE: dict[type[Exception], Kind] = {
    BodyTooLargeError: problems.BODY_TOO_LARGE,
    SlowBodyError: problems.REQUEST_TIMEOUT,
    MediaTypeError: problems.UNSUPPORTED_MEDIA_TYPE,
    MalformedJsonError: problems.MALFORMED_JSON,
    InvalidBodyError: problems.INVALID_BODY,
    InvalidParameterError: problems.INVALID_PARAMETER,
    TokenRejectedError: problems.UNAUTHENTICATED,
    RoleMissingError: problems.ROLE_MISSING,
    LinkRefusedError: problems.LINK_REFUSED,
    SignatureRejectedError: problems.SIGNATURE_REJECTED,
    ReplayedError: problems.REPLAYED,
    RateLimitedError: problems.RATE_LIMITED,
    NotFoundError: problems.NOT_FOUND,
    RouteNotFoundError: problems.ROUTE_NOT_FOUND,
    ExplanationPendingError: problems.EXPLANATION_PENDING,
    ConflictError: problems.CONFLICT,
    UntrustedRecordError: problems.RECORD_UNTRUSTED,
    SafeModeError: problems.SAFE_MODE,
    SelfTestFailedError: problems.SELF_TEST_FAILED,
    ArtifactError: problems.MODEL_REFUSED,
    OlderVersionError: problems.MODEL_REFUSED,
    ChampionChangedError: problems.MODEL_REFUSED,
    UnknownVersionError: problems.NOT_FOUND,
    AuditUnavailableError: problems.UNAVAILABLE,
    KeyUnusableError: problems.UNAVAILABLE,
    OverloadedError: problems.OVERLOADED,
    BreakerOpenError: problems.SCORING_SUSPENDED,
    DependencySuspendedError: problems.UNAVAILABLE,
    QueueUnavailableError: problems.UNAVAILABLE,
    ShuttingDownError: problems.UNAVAILABLE,
    ParseException: problems.BAD_REQUEST,  # a chunked body that breaks off or lies about its size
    RetryableError: problems.UNAVAILABLE,
    AdmissionUnavailableError: problems.UNAVAILABLE,
    KeysUnavailableError: problems.UNAVAILABLE,
    RevocationsUnavailableError: problems.UNAVAILABLE,
    SafeModeUnavailableError: problems.UNAVAILABLE,
    RegistryError: problems.UNAVAILABLE,
    DeadlineError: problems.DEADLINE,
    ScoringFailedError: problems.SCORING_FAILED,
    HistoriesUnavailableError: problems.UNAVAILABLE,
}
"""The one table from exception to answer; a subclass is answered as its nearest listed base."""


def problem_of(error: BaseException) -> Problem:
    """Returns the problem that answers an exception; an unknown exception is `internal`, without detail."""
    if isinstance(error, HTTPException):
        return _problem_of_http(error)
    kind = next((_TABLE[base] for base in type(error).__mro__ if base in _TABLE), problems.INTERNAL)
    if _of_certificate(error):
        kind = problems.CERTIFICATE_REFUSED
    return Problem(kind, _detail(error, kind), members=_members(error), headers=_headers(error, kind))


def _problem_of_http(error: HTTPException) -> Problem:
    """Returns the problem of an exception of Flask and Werkzeug: unknown route, wrong method, broken request."""
    if isinstance(error, RequestEntityTooLarge):
        return Problem(problems.BODY_TOO_LARGE, str(BodyTooLargeError.__doc__))
    kind = {404: problems.ROUTE_NOT_FOUND, 405: problems.METHOD_NOT_ALLOWED}.get(error.code or 500)
    if kind is None:
        kind = problems.BAD_REQUEST if 400 <= (error.code or 500) < 500 else problems.INTERNAL
    headers = {name: value for name, value in error.get_headers() if name.lower() == "allow"}
    return Problem(kind, kind.meaning, headers=headers)


def _of_certificate(error: BaseException) -> bool:
    return isinstance(error, TokenRejectedError) and error.reason.startswith("certificate_")


def _detail(error: BaseException, kind: Kind) -> str:
    if isinstance(error, TokenRejectedError):
        if not _of_certificate(error):
            return _TOKEN_DETAIL
        return _CERTIFICATE_MISSING if error.reason == "certificate_missing" else _CERTIFICATE_DETAIL
    if isinstance(error, SignatureRejectedError):
        return _SIGNATURE_DETAILS.get(error.reason, _SIGNATURE_DETAIL)
    if isinstance(error, WebError | TooManyChunksError):
        return str(error) or str(type(error).__doc__)
    if isinstance(error, ArtifactError | OlderVersionError | ChampionChangedError):
        return str(error)
    return kind.meaning


def _members(error: BaseException) -> Mapping[str, Any]:
    if isinstance(error, InvalidBodyError | InvalidParameterError):
        return {"errors": [{"pointer": item.pointer, "message": item.message} for item in error.errors]}
    if isinstance(error, SafeModeError):
        # The contract names these two members; `status` therefore is not the number here.
        return {"status": "safe_mode", "reason": error.reason}
    if isinstance(error, SelfTestFailedError):
        return {"failures": error.failures}
    return {}


def _headers(error: BaseException, kind: Kind) -> Mapping[str, str]:
    # No registered scheme stands for a certificate; RFC 9110 section 11.6.1 demands one.
    scheme = "Certificate" if _of_certificate(error) else "Bearer"
    challenge = {"WWW-Authenticate": scheme} if kind.status == 401 else {}
    if isinstance(error, RateLimitedError | BreakerOpenError | DependencySuspendedError):
        return {RETRY_AFTER: str(max(1, math.ceil(error.retry_after_seconds)))}
    if kind.retryable:
        return challenge | {RETRY_AFTER: str(_RETRY_SOON_SECONDS)}
    return challenge
