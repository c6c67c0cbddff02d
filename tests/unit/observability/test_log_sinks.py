"""Whatever way a text takes into the log, no number, account, token or key of ours comes out of it."""

import gc
import json
import logging
import re
import sys
import threading
import warnings
from collections.abc import Callable

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from observability.context import bind_correlation_id
from security.keys import generate_secret
from security.signatures.request_signatures import sign
from tests.unit.observability.conftest import Lines
from tests.unit.security.masking.test_text import card_numbers, iban_complete, ibans, luhn_complete, plain_digits

log = logging.getLogger("test")
Sink = Callable[[str], None]


def _raise(text: str) -> None:
    raise ValueError(text)


def _as_exception(text: str) -> None:
    try:
        _raise(text)
    except ValueError:
        log.exception("failed")


def _as_chained_exception(text: str) -> None:
    try:
        try:
            _raise(text)
        except ValueError as error:
            raise KeyError(text) from error
    except KeyError:
        log.warning("failed", exc_info=True)


def _as_warning(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(text, stacklevel=1)


def _uncaught(text: str) -> None:
    try:
        _raise(text)
    except ValueError:
        sys.excepthook(*sys.exc_info())


def _uncaught_in_a_thread(text: str) -> None:
    thread = threading.Thread(target=_raise, args=(text,))
    thread.start()
    thread.join()


def _in_a_finalizer(text: str) -> None:
    class Leaving:
        def __del__(self) -> None:
            _raise(text)

    leaving = Leaving()
    del leaving
    gc.collect()


def _by_a_third_party(text: str) -> None:
    logging.getLogger("third.party").error("%(what)s", {"what": text})


SINKS: dict[str, Sink] = {
    "message": log.info,
    "argument": lambda text: log.info("got %s", text),
    "repr of an argument": lambda text: log.info("got %r", {"args": (text,)}),
    "JSON in the message": lambda text: log.info("got %s", json.dumps({"value": text})),
    "field": lambda text: log.info("x", extra={"note": text}),
    "nested field": lambda text: log.info("x", extra={"note": {"list": [text, {text: 1}], "set": {text}}}),
    "exception": _as_exception,
    "chained exception": _as_chained_exception,
    "exception as a field": lambda text: log.info("x", extra={"error": ValueError(text)}),
    "bytes": lambda text: log.info("x", extra={"body": text.encode()}),
    "Celery": lambda text: logging.getLogger("celery.app.trace").error("Task raised: %s", text, extra={"data": text}),
    "gunicorn": lambda text: logging.getLogger("gunicorn.error").error("Error handling request %s", text),
    "access log": lambda text: logging.getLogger("gunicorn.access").info('"GET /?q=%s HTTP/1.1"', text),
    "warning": _as_warning,
    "uncaught": _uncaught,
    "uncaught in a thread": _uncaught_in_a_thread,
    "finalizer": _in_a_finalizer,
    "third party": _by_a_third_party,
}
sinks = st.sampled_from(sorted(SINKS))
relaxed = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def unraisable_is_logged(log_lines: Lines, monkeypatch: pytest.MonkeyPatch) -> Lines:
    """pytest collects unraisable exceptions itself; here they go where the service sends them."""
    from observability import logs

    monkeypatch.setattr(sys, "unraisablehook", logs._log_unraisable)
    return log_lines


@relaxed
@given(card=card_numbers(), sink=sinks)
def test_no_card_number_survives_any_sink(unraisable_is_logged: Lines, card: tuple[str, str], sink: str) -> None:
    number, written = card
    lines = unraisable_is_logged
    before = len(lines())
    SINKS[sink](f"card: {written} !")
    new = lines()[before:]
    assert new
    for line in new:
        for text in _texts({name: value for name, value in line.items() if name != "ts"}):
            assert number not in plain_digits(text), (sink, line)


@relaxed
@given(iban=ibans(), sink=sinks)
def test_no_iban_survives_any_sink(unraisable_is_logged: Lines, iban: tuple[str, str], sink: str) -> None:
    plain, written = iban
    lines = unraisable_is_logged
    before = len(lines())
    SINKS[sink](f"account: {written} !")
    new = lines()[before:]
    assert new
    for line in new:
        for text in _texts(line):
            assert plain not in re.sub(r"[\s\-\u00a0]", "", text).upper(), (sink, line)


@relaxed
@given(
    subject=st.text(max_size=30),
    key=st.builds(generate_secret),
    body=st.binary(max_size=50),
    sink=sinks,
    before=st.sampled_from(["", "Bearer ", "token=", "X-Request-Signature: "]),
)
def test_no_token_or_signature_survives_any_sink(
    unraisable_is_logged: Lines, subject: str, key: str, body: bytes, sink: str, before: str
) -> None:
    lines = unraisable_is_logged
    token = jwt.encode({"sub": subject.encode(errors="replace").decode()}, key, "HS256")
    signature = sign(key.encode(), method="POST", path="/labels", timestamp=1_700_000_000, body=body)
    start = len(lines())
    SINKS[sink](f"{before}{token} and {before}{signature}.")
    new = lines()[start:]
    assert new
    for text in (text for line in new for text in _texts(line)):
        assert token not in text
        assert token.split(".")[2] not in text
        assert signature not in text


def _texts(value: object) -> list[str]:
    """Returns every text in a line: names, values, at any depth."""
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [str(value)]


def test_a_card_number_sent_as_correlation_id_is_masked(log_lines: Lines) -> None:
    with bind_correlation_id("4111-1111-1111-1111"):
        log.info("x")
    assert log_lines()[0]["correlation_id"] == "****-****-****-1111"


def test_a_card_number_is_masked_as_a_number_too(log_lines: Lines) -> None:
    number = int(luhn_complete("411111111111111"))
    log.info("x", extra={"whole": number, "float": float(number), "negative": -number, "list": [number], "sum": 1e15})
    line = log_lines()[0]
    assert (line["whole"], line["float"]) == ("************1111", "************1111")
    assert str(number) not in json.dumps(line)
    assert line["sum"] == 1e15


def test_an_iban_in_the_text_of_a_cut_message_is_not_bared(log_lines: Lines) -> None:
    iban = iban_complete("DE", "370400440532013000")
    for missing in range(len(iban)):
        log.info("password=%s %s", "x" * (2 * 16_384 - 10 - len(iban) + missing), iban)
    assert all(iban[:8] not in json.dumps(line) for line in log_lines())


@pytest.mark.usefixtures("log_lines")
def test_handlers_of_loggers_that_exist_are_taken_away() -> None:
    from observability import logs
    from security.masking import mask

    third_party = logging.getLogger("third.party.loud")
    third_party.addHandler(logging.StreamHandler())
    third_party.propagate = False
    logs.configure("web", level="INFO", mask=mask)
    assert third_party.handlers == []
    assert third_party.propagate
