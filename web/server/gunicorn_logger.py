"""gunicorn's log lines, written like all others."""

from typing import Any

from gunicorn.glogging import Logger

from observability import logs
from security.masking import masker
from settings import load_settings


class JsonLogger(Logger):  # type: ignore[misc] # gunicorn publishes no types
    """Leaves all handlers to `observability.logs`, in the master and in the workers."""

    def setup(self, cfg: Any) -> None:
        """Sets the process's logging up; gunicorn's loggers then pass their lines on to the root."""
        logs.configure("web", level=cfg.loglevel.upper(), mask=masker(load_settings()))

    def reopen_files(self) -> None:
        """Does nothing: lines go to standard error."""

    def close_on_exec(self) -> None:
        """Does nothing: no file was opened."""
