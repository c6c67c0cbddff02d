import io
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from observability import logs
from security.masking import mask

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def log_lines() -> Iterator[Lines]:
    """Configures logging as a service does, masked for real, and returns the lines written so far."""
    root, stream = logging.getLogger(), io.StringIO()
    before = root.handlers[:], root.level, logging.raiseExceptions, sys.excepthook, threading.excepthook
    unraisable = sys.unraisablehook
    logs.configure("web", level="INFO", mask=mask, stream=stream)
    try:
        yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:], level, logging.raiseExceptions, sys.excepthook, threading.excepthook = before
        root.setLevel(level)
        sys.unraisablehook = unraisable
