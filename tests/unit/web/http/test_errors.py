import inspect

import pytest
from werkzeug.exceptions import BadRequest, MethodNotAllowed, NotFound, RequestEntityTooLarge

from ml.domain.errors import StoreUnavailableError
from security.errors import AdmissionUnavailableError, SignatureRejectedError, TokenRejectedError
from web.http import errors, problems
from web.http.errors import (
    BreakerOpenError,
    InvalidBodyError,
    RateLimitedError,
    SafeModeError,
    Violation,
    WebError,
    problem_of,
)

CLASSES = [member for _, member in inspect.getmembers(errors, inspect.isclass) if issubclass(member, WebError)]


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind is not WebError])
def test_every_error_of_the_web_has_its_place_in_the_table(kind: type[WebError]) -> None:
    assert kind in errors._TABLE


def test_kinds_have_names_of_their_own_and_are_documented() -> None:
    assert len({kind.name for kind in problems.KINDS}) == len(problems.KINDS)
    assert set(errors._TABLE.values()) <= set(problems.KINDS)


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (StoreUnavailableError("x"), 503, "unavailable"),
        (AdmissionUnavailableError("x"), 503, "unavailable"),
        (TokenRejectedError("token_expired"), 401, "unauthenticated"),
        (SignatureRejectedError("signature_mismatch"), 401, "signature-rejected"),
        (NotFound(), 404, "route-not-found"),
        (BadRequest(), 400, "bad-request"),
        (RequestEntityTooLarge(), 413, "body-too-large"),
        (ZeroDivisionError("secret"), 500, "internal"),
    ],
)
def test_answers_with_the_status_of_the_table(error: Exception, status: int, name: str) -> None:
    kind = problem_of(error).kind
    assert (kind.status, kind.name) == (status, name)


def test_an_unexpected_error_says_nothing_about_itself() -> None:
    assert "secret" not in str(problem_of(ZeroDivisionError("secret")).body())


def test_refused_tokens_all_look_alike() -> None:
    assert (
        problem_of(TokenRejectedError("token_expired")).body()
        == problem_of(TokenRejectedError("token_signature")).body()
    )


def test_says_what_is_wrong_with_a_timestamp_but_not_with_a_signature() -> None:
    details = {
        reason: problem_of(SignatureRejectedError(reason)).detail
        for reason in ("timestamp_skew", "signature_mismatch", "signature_malformed")
    }
    assert "too far" in details["timestamp_skew"]
    assert details["signature_mismatch"] == details["signature_malformed"]


def test_says_when_to_try_again() -> None:
    assert problem_of(RateLimitedError("subject", 7)).headers == {"Retry-After": "7"}
    assert problem_of(BreakerOpenError(0.2)).headers == {"Retry-After": "1"}
    assert problem_of(StoreUnavailableError("x")).headers == {"Retry-After": "1"}


def test_safe_mode_carries_its_two_members() -> None:
    body = problem_of(SafeModeError("integrity")).body()
    assert (body["status"], body["reason"]) == ("safe_mode", "integrity")


def test_a_wrong_method_names_the_right_ones() -> None:
    assert problem_of(MethodNotAllowed(valid_methods=["GET"])).headers == {"Allow": "GET"}


def test_violations_are_listed() -> None:
    body = problem_of(InvalidBodyError([Violation("/amount", "must be greater than 0")])).body()
    assert body["errors"] == [{"pointer": "/amount", "message": "must be greater than 0"}]
