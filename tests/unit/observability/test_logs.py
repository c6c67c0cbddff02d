import json
import logging
import re
import sys
import threading
import warnings
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from observability.context import bind_correlation_id
from observability.logs import MAX_TEXT_CHARACTERS, JsonFormatter
from security.masking import mask
from tests.unit.observability.conftest import Lines

CARD = "4111 1111 1111 1111"
log = logging.getLogger("test")


def formatted(message: str, *args: object, **extra: object) -> str:
    record = logging.LogRecord("test", logging.INFO, __file__, 1, message, args, None)
    vars(record).update(extra)
    return JsonFormatter("web", mask).format(record)


def test_a_line_has_the_contracts_fields(log_lines: Lines) -> None:
    with bind_correlation_id("order-4711"):
        log.info("scored", extra={"decision": "approve", "score": 0.25, "hash_verified": True, "route": "/a/{id}"})
    line = log_lines()[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("ts"))
    assert line == {
        "level": "INFO",
        "service": "web",
        "logger": "test",
        "message": "scored",
        "correlation_id": "order-4711",
        "decision": "approve",
        "score": 0.25,
        "hash_verified": True,
        "route": "/a/{id}",
    }


def test_a_correlation_id_given_with_the_line_wins_over_the_contexts(log_lines: Lines) -> None:
    with bind_correlation_id("the-batch"):
        log.info("scored", extra={"correlation_id": "the-transaction"})
    assert log_lines()[0]["correlation_id"] == "the-transaction"


def test_no_extra_field_replaces_a_fixed_one(log_lines: Lines) -> None:
    log.info("real", extra={"service": "forged", "level": "forged", "ts": "forged", "logger": "forged"})
    line = log_lines()[0]
    assert "forged" not in line.values()


def test_a_card_number_is_masked_wherever_it_comes_from(log_lines: Lines) -> None:
    log.info("card %s", CARD)
    log.info(f"card {CARD}")  # noqa: G004 - a third party may do so
    log.info("extra", extra={"note": CARD, "nested": {"list": [CARD, {CARD: 1}]}, "number": 4111111111111111})
    log.info("arguments", extra={"task_args": (CARD,), "exception_object": ValueError(CARD)})
    try:
        raise ValueError(CARD)
    except ValueError:
        log.exception("failed")
    log.info("stack", stack_info=True)
    logging.getLogger("celery.task").error("task failed with %r", {"card": CARD})
    logging.getLogger("gunicorn.access").info('"GET /?card=%s"', CARD.replace(" ", "+"))
    logging.getLogger("somebody.else").warning(CARD)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(CARD, stacklevel=1)
    text = json.dumps(log_lines())
    assert len(log_lines()) == 10
    assert re.sub(r"\D", "", CARD) not in re.sub(r"[\s+]", "", text)
    assert text.count("1111") >= 10


def test_fields_with_secret_names_are_masked(log_lines: Lines) -> None:
    log.info("in", extra={"password": "hunter2", "headers": {"X-Request-Signature": "YWJjZGVmZ2hpamtsbW5vcA=="}})
    line = log_lines()[0]
    assert line["password"] == "[masked]"
    assert line["headers"] == {"X-Request-Signature": "[masked]"}


def test_numbers_with_secret_names_are_masked_too(log_lines: Lines) -> None:
    log.info("in", extra={"pin": 1234, "card": {"cvv": 123, "cvc": [7]}, "amount": 1234, "tokens": 5, "token": 5})
    [line] = log_lines()
    assert (line["pin"], line["card"]) == ("[masked]", {"cvv": "[masked]", "cvc": ["[masked]"]})
    assert (line["amount"], line["tokens"], line["token"]) == (1234, 5, 5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(), st.dictionaries(st.text(min_size=1), st.text() | st.floats() | st.integers() | st.binary(), max_size=3)
)
def test_every_record_is_one_line_of_json(message: str, extra: dict[str, Any]) -> None:
    reserved = vars(logging.makeLogRecord({})).keys()
    line = formatted("%s", message, **{name: value for name, value in extra.items() if name not in reserved})
    assert len(line.splitlines()) == 1
    assert json.loads(line)["level"] == "INFO"


def test_control_characters_cannot_forge_or_hide_a_line() -> None:
    line = formatted('a\n{"level": "FORGED"}\r\x1b[2K\x9b2J\x7f\u2028\u202e\u2066b')
    assert line.isprintable()
    assert json.loads(line)["message"].startswith('a\n{"level"')


def test_a_lone_surrogate_or_a_wrong_format_does_not_lose_the_line() -> None:
    assert json.loads(formatted("bad \ud800 text"))["message"] == "bad \\ud800 text"
    assert json.loads(formatted("two %s %s", "arguments"))["message"].endswith("(arguments do not fit the message)")


def test_an_object_that_cannot_be_printed_does_not_lose_the_line() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    assert json.loads(formatted("x", broken=Broken()))["broken"] == "<Broken that cannot be printed>"
    assert "arguments do not fit" in json.loads(formatted("%s", Broken()))["message"]


def test_values_keep_their_types_where_json_has_them() -> None:
    line = json.loads(
        formatted(
            "x", a=1, b=2.5, c=True, d=None, e=np.float64(0.5), f=np.int64(3), g=Decimal("1.5"), h={1},
            i=float("nan"), j=2**70 + 1, k=1_700_000_000_000,
        )
    )  # fmt: skip
    assert [line[name] for name in "abcdefghi"] == [1, 2.5, True, None, 0.5, 3, "1.5", [1], None]
    assert line["j"] == str(2**70 + 1)
    assert line["k"] == 1_700_000_000_000


def test_a_huge_text_is_cut() -> None:
    line = json.loads(formatted("x " * 10**6))
    assert len(line["message"]) == MAX_TEXT_CHARACTERS + 1


def test_a_cut_never_bares_half_a_masked_number() -> None:
    for padding in range(MAX_TEXT_CHARACTERS - 20, MAX_TEXT_CHARACTERS + 1):
        message = json.loads(formatted("x" * padding + " " + CARD))["message"]
        assert "4111" not in message


def test_a_text_that_is_cut_before_it_is_masked_bares_no_half_of_a_widely_written_number() -> None:
    iban = "        ".join("DE89370400440532013000")
    for padding in range(2 * MAX_TEXT_CHARACTERS - len(iban) + 1, 2 * MAX_TEXT_CHARACTERS, 7):
        # Escapes shrink when they are undone, so that what stands at the cut comes within the size of a text.
        message = json.loads(formatted("%2520" * (padding // 5) + " " * (padding % 5) + iban))["message"]
        assert not set(message) & set("0123456789")


def test_levels_below_the_configured_one_are_not_written(log_lines: Lines) -> None:
    log.debug("hidden")
    log.info("shown")
    assert [line["message"] for line in log_lines()] == ["shown"]


def test_handlers_that_others_made_for_themselves_are_taken_away() -> None:
    gunicorn = logging.getLogger("gunicorn.error")
    gunicorn.addHandler(logging.StreamHandler())
    gunicorn.propagate = False
    root = logging.getLogger()
    before, unraisable = (root.handlers[:], root.level), sys.unraisablehook
    from observability import logs

    logs.configure("web", level="INFO", mask=mask)
    try:
        assert gunicorn.handlers == []
        assert gunicorn.propagate
        assert len(root.handlers) == 1
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        logging.captureWarnings(capture=False)
        logging.raiseExceptions = True
        sys.excepthook = sys.__excepthook__
        sys.unraisablehook = unraisable
        threading.excepthook = threading.__excepthook__


def test_uncaught_exceptions_are_logged_and_masked(log_lines: Lines) -> None:
    def fail() -> None:
        raise ValueError(CARD)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    try:
        fail()
    except ValueError:
        sys.excepthook(*sys.exc_info())
    lines = log_lines()
    assert [line["level"] for line in lines] == ["CRITICAL", "CRITICAL"]
    assert all("ValueError" in line["exception"] and CARD not in line["exception"] for line in lines)


@pytest.mark.parametrize("level", ["INFO", "ERROR"])
def test_configuring_again_replaces_the_first(log_lines: Lines, level: str) -> None:
    import io

    from observability import logs

    stream = io.StringIO()
    logs.configure("score", level=level, mask=str.upper, stream=stream)
    log.error("now")
    assert log_lines() == []
    assert json.loads(stream.getvalue())["message"] == "NOW"
