"""Beat's schedule: `celeryconfig` holds the entries, Redis only the time of each one's last run.

RedBeat keeps whole schedule entries in Redis and trusts them: anybody with write access to Redis could have any task
sent, with beat's signature on it. Here Redis serves for the lock, so that of two beats one is idle, and for
the time of an entry's last run, so that a restarted beat neither repeats nor forgets one. A time that lies in the
future, or before what this process itself has sent, is not believed.
"""

import logging
from contextlib import suppress
from datetime import datetime
from typing import Any

from redbeat import RedBeatScheduler
from redbeat.schedulers import RedBeatSchedulerEntry, ensure_conf

_log = logging.getLogger(__name__)


class FixedScheduler(RedBeatScheduler):  # type: ignore[misc,unused-ignore]
    """Sends the configured entries, no more often than the configuration says."""

    def __init__(self, app: Any, **options: Any) -> None:
        self._sent: dict[str, datetime] = {}
        self._started = app.now()
        super().__init__(app, **options)

    def setup_schedule(self) -> None:
        """Reads nothing from Redis: there is no entry but the configured ones."""
        ensure_conf(self.app)

    @property
    def schedule(self) -> dict[str, RedBeatSchedulerEntry]:
        """The configured entries by name, each with the time of its last run."""
        return {name: self._entry(name, given) for name, given in self.app.conf.beat_schedule.items()}

    def _entry(self, name: str, given: dict[str, Any]) -> RedBeatSchedulerEntry:
        entry = self._maybe_entry(name, given)
        entry.last_run_at = self._last_run(entry)
        return entry

    def _last_run(self, entry: RedBeatSchedulerEntry) -> datetime:
        known = self._sent.get(entry.name)
        with suppress(ValueError, TypeError, KeyError, AttributeError):  # an attacker may have written anything there
            stored = self.Entry.load_meta(entry.key, app=self.app)["last_run_at"]
            if stored is not None and stored <= self.app.now() and (known is None or stored > known):
                return stored  # type: ignore[no-any-return,unused-ignore]
        return known or self._started

    def reserve(self, entry: RedBeatSchedulerEntry) -> RedBeatSchedulerEntry:
        """Notes that an entry is sent now, here and in Redis."""
        self._sent[entry.name] = self.app.now()
        return super().reserve(entry)
