"""Logs at every start that PERF_MODE is on: a process that records nothing must show it."""

import logging

from settings import Settings

_log = logging.getLogger(__name__)


def warn_of_perf_mode(settings: Settings) -> None:
    """Logs a warning if this process is in PERF_MODE; to be called at every start."""
    if settings.perf_mode:
        _log.warning(
            "PERF_MODE is on: decisions leave no record, explanation or event, a retry is decided anew, "
            "and neither replays nor request rates are checked"
        )
