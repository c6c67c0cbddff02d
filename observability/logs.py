"""Structured logs: one JSON object per line, every text masked.

All loggers end in one handler, those of libraries and Python's warnings included. So do the exceptions that Python
would print: uncaught ones, those of threads, and those of finalizers. The mask sees the finished text of each field,
so that it covers arguments, exceptions and tracebacks too. Fields beyond the fixed ones come from
`logger.info("…", extra={"decision": "approve", "score": 0.1})`.
"""

import logging
import math
import re
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, partial
from numbers import Integral
from types import TracebackType
from typing import Any, TextIO

import orjson

from observability.context import get_correlation_id

Mask = Callable[[str], str]

MAX_TEXT_CHARACTERS = 16_384
"""Longer texts are cut, so that one request cannot fill the disk."""

MAX_DEPTH = 6
_LONGEST_NUMBER_CHARACTERS = 512
"""Dropped from the end of a text that was cut before it was masked, where half a number may stand."""

_REMEMBERED_NAMES = 1024
_PROBE = "abcdefghijkl"
"""A text that the mask hides only behind the name of a secret."""
_MIN_CARD_NUMBER = 10**12  # 13 digits; a shorter number cannot be a card's

# Attributes of every record; all others were given as `extra`.
_RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Escaped by no JSON library, and yet able to move a terminal's cursor, reverse text or break a line.
_UNSAFE = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
# Loggers that get handlers of their own later, which would bypass the mask.
_OWN_HANDLERS = (
    "celery",
    "celery.task",
    "celery.redirected",
    "gunicorn",
    "gunicorn.error",
    "gunicorn.access",
    "werkzeug",
)


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON. It never raises: a record that cannot be formatted says so."""

    def __init__(self, service: str, mask: Mask) -> None:
        super().__init__()
        self._service = service
        self._mask = mask
        self._is_secret = lru_cache(_REMEMBERED_NAMES)(partial(_sounds_secret, mask))

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line, without a newline at its end or anywhere else."""
        line: dict[str, Any] = {
            "ts": _iso_time(record.created),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": self._text(_message(record)),
            "correlation_id": None,
        }
        correlation_id = get_correlation_id()
        if correlation_id is not None:
            line["correlation_id"] = self._text(correlation_id)  # a client may have chosen it
        for name, value in vars(record).items():
            # A batch's worker names each transaction's own correlation id; no other fixed field can be replaced.
            if name not in _RECORD_ATTRIBUTES and (name not in line or name == "correlation_id"):
                line[name] = self._field(name, value)
        if record.exc_info:
            line["exception"] = self._text(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = self._text(record.stack_info)
        written = orjson.dumps(line).decode()
        if written.isascii() and "\x7f" not in written:
            return written
        return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", written)

    def _text(self, text: str) -> str:
        # Cut generously before masking, to bound its cost, and to size after it: no cut leaves half a number bare.
        if len(text) > 2 * MAX_TEXT_CHARACTERS:
            text = text[: 2 * MAX_TEXT_CHARACTERS]
            masked = self._mask(_encodable(text))[:-_LONGEST_NUMBER_CHARACTERS]
        else:
            masked = self._mask(_encodable(text))
        return masked if len(masked) <= MAX_TEXT_CHARACTERS else masked[:MAX_TEXT_CHARACTERS] + "…"

    def _field(self, name: str, value: Any, depth: int = 0) -> Any:
        """Returns the value ready for JSON and masked; a name like `password` masks its text."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, float):
            return self._number(name, float(value))  # numpy's is one too, and orjson takes only Python's own
        if isinstance(value, Integral):
            return self._number(name, int(value))
        if isinstance(value, dict) and depth < MAX_DEPTH:
            return {self._text(str(key)): self._field(str(key), item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset) and depth < MAX_DEPTH:
            return [self._field(name, item, depth + 1) for item in value]
        return self._named_text(name, _printed(value))

    def _named_text(self, name: str, text: str) -> str:
        if not self._is_secret(name):
            return self._text(text)
        prefix = f"{name}="
        return self._text(prefix + text).removeprefix(prefix)

    def _number(self, name: str, value: float) -> float | str:
        """Returns the number, or its masked text if it may be a card's or, by its name, is a PIN or the like."""
        is_short = abs(value) < _MIN_CARD_NUMBER
        if self._is_secret(name):
            text = str(value)
            masked = self._named_text(name, text)
            return value if masked == text and is_short else masked
        if is_short or not math.isfinite(value):
            return value
        text = f"{value:.0f}" if isinstance(value, float) else str(value)
        masked = self._mask(text)
        is_writable = not isinstance(value, int) or abs(value) < 2**63  # JSON has no bound, orjson has one
        return value if masked == text and is_writable else masked


def configure(
    service: str,
    *,
    level: str,
    mask: Mask,
    stream: TextIO | None = None,
    make_handler: Callable[[TextIO], logging.Handler] = logging.StreamHandler,
) -> None:
    """Sends every log of this process through one JSON handler. Calling it again replaces the first call.

    Args:
        service: value of the field `service`.
        level: lowest level that is written.
        mask: replaces secrets and personal numbers; called on every text.
        stream: takes the lines; standard error if absent.
        make_handler: writes the lines to the stream; by default one by one.
    """
    handler = make_handler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonFormatter(service, mask))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    known = [logger for logger in root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    for logger in {*known, *map(logging.getLogger, _OWN_HANDLERS)}:
        logger.handlers.clear()
        logger.propagate = True
    logging.captureWarnings(capture=True)
    # A logging failure would print the raw record, arguments and all, to standard error.
    logging.raiseExceptions = False
    sys.excepthook = _log_uncaught
    sys.unraisablehook = _log_unraisable
    threading.excepthook = _log_uncaught_in_thread


def _sounds_secret(mask: Mask, name: str) -> bool:
    probe = f"{name}={_PROBE}"
    return mask(probe) != probe


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a broken __str__ or a wrong format must not lose the line
        return f"{record.msg!s} (arguments do not fit the message)"


def _printed(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - as above
        return f"<{type(value).__name__} that cannot be printed>"


def _encodable(text: str) -> str:
    # Lone surrogates cannot be written as UTF-8.
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def _iso_time(epoch_seconds: float) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    logging.getLogger("uncaught").critical("uncaught exception", exc_info=(kind, error, traceback))


def _log_unraisable(failure: "sys.UnraisableHookArgs") -> None:
    """Logs an exception of a finalizer or a callback, which Python would print as it is."""
    if failure.exc_value is not None:
        context = (failure.exc_type, failure.exc_value, failure.exc_traceback)
        logging.getLogger("uncaught").error("%s", failure.err_msg or "exception ignored", exc_info=context)


def _log_uncaught_in_thread(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value is not None and failure.exc_type is not SystemExit:
        _log_uncaught(failure.exc_type, failure.exc_value, failure.exc_traceback)
