"""Puts this interpreter's clock forward or back by CLOCK_DRIFT_SECONDS, from its very start.

Python imports a module of this name before anything else, if it finds one. Only the wall clock moves: waits and
timeouts run on the monotonic one, as on a machine whose clock is set wrongly.
"""

import datetime as dt
import os
import time

_DRIFT_SECONDS = float(os.environ.get("CLOCK_DRIFT_SECONDS", "0"))
_time, _time_ns = time.time, time.time_ns


class _DriftingDatetime(dt.datetime):
    @classmethod
    def now(cls, tz: "dt.tzinfo | None" = None) -> "_DriftingDatetime":
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> "_DriftingDatetime":
        return cls.now(dt.UTC).replace(tzinfo=None)


time.time = lambda: _time() + _DRIFT_SECONDS
time.time_ns = lambda: _time_ns() + int(_DRIFT_SECONDS * 1_000_000_000)
dt.datetime = _DriftingDatetime  # type: ignore[misc]
