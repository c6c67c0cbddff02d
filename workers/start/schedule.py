"""Beat's schedule: `celeryconfig` holds the entries, Redis only the time of each one's last run.

RedBeat keeps whole schedule entries in Redis and trusts them: anybody with write access to Redis could have any task
sent, with beat's signature on it. Here Redis serves for the lock, so that of two beats one is idle, and for
the time of an entry's last run, so that a restarted beat neither repeats nor forgets one. A time that lies in the
future, or before what this process itself has sent, is not believed.

A Redis that does not answer, or refuses, ends no beat: it asks again a second later. Nor does a lock that was lost, or
that somebody else wrote: beat sends nothing until it has the lock again. What stands in its place and would outlive
every lock is given the life of one.
"""

import logging
from contextlib import suppress
from datetime import datetime
from typing import Any

from celery import signals
from redbeat import RedBeatScheduler
from redbeat.schedulers import (
    LUA_EXTEND_TO_SCRIPT,
    RedBeatSchedulerEntry,
    acquire_distributed_beat_lock,
    ensure_conf,
    get_redis,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import LockError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tasks.complaints import Complaints
from tasks.connections_redis import broker_connection_class

_UNAVAILABLE = (RedisConnectionError, RedisTimeoutError)
_PAUSE_SECONDS = 1.0

_log = logging.getLogger(__name__)

# It would wait for the lock without a look at what holds it; `FixedScheduler.tick` takes the lock.
signals.beat_init.disconnect(acquire_distributed_beat_lock)


class FixedScheduler(RedBeatScheduler):  # type: ignore[misc,unused-ignore]
    """Sends the configured entries, no more often than the configuration says."""

    lock: Any = None

    def __init__(self, app: Any, **options: Any) -> None:
        self._sent: dict[str, datetime] = {}
        self._started = app.now()
        self._complaints = Complaints()
        own = {"connection_class": broker_connection_class(app.conf.redbeat_redis_url)}
        app.conf.redbeat_redis_options = app.conf.redbeat_redis_options | own
        super().__init__(app, **options)

    def is_active(self) -> bool:
        """Whether this beat schedules; one that waits for the lock does not."""
        return not self.lock_key or self.lock is not None

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
        # An attacker may have written anything there, a value of another type too.
        with suppress(ValueError, TypeError, KeyError, AttributeError, ResponseError):
            stored = self.Entry.load_meta(entry.key, app=self.app)["last_run_at"]
            if stored is not None and stored <= self.app.now() and (known is None or stored > known):
                return stored  # type: ignore[no-any-return,unused-ignore]
        return known or self._started

    def reserve(self, entry: RedBeatSchedulerEntry) -> RedBeatSchedulerEntry:
        """Notes that an entry is sent now, in Redis and here; one that Redis refuses to note stays due.

        Where a value of another type is in the way, the note here has to do: nobody must stop an entry with one.
        """
        try:
            reserved = super().reserve(entry)
        except ResponseError as error:
            _log.warning("the last run of %s cannot be kept in Redis; delete %s: %s", entry.name, entry.key, error)
            reserved = entry
        self._sent[entry.name] = self.app.now()
        return reserved

    def tick(self, *args: Any, **options: Any) -> float:
        """Sends what is due, if this beat has the lock; returns the seconds to the next turn."""
        try:
            if self.lock_key and not self._has_lock():
                return _PAUSE_SECONDS
            return super().tick(*args, **options)  # type: ignore[no-any-return,unused-ignore]
        except _UNAVAILABLE as error:
            if self._complaints.is_due(str(error)):
                _log.warning("nothing is scheduled until Redis answers: %s", error)
        except (LockError, ResponseError) as error:
            self.lock = None
            if self._complaints.is_due(str(error)):
                _log.warning("nothing is scheduled until %s is this beat's again: %s", self.lock_key, error)
        return _PAUSE_SECONDS

    def _has_lock(self) -> bool:
        """Returns whether this beat has the lock, and takes it if nobody has."""
        if self.lock is not None:
            return True
        client = get_redis(self.app)
        lock = client.lock(self.lock_key, timeout=self.lock_timeout)
        lock.lua_extend = client.register_script(LUA_EXTEND_TO_SCRIPT)  # redis-py's own adds to the time that is left
        if lock.acquire(blocking=False):
            _log.info("beat has the lock")
            self.lock = lock
            return True
        # Every lock has its expiry. Whatever else stands there would keep all beats waiting for ever.
        if client.pexpire(self.lock_key, int(self.lock_timeout * 1000), lt=True):
            _log.warning("%s holds what no beat wrote; it expires in %s s", self.lock_key, self.lock_timeout)
        return False

    def close(self) -> None:
        """Gives the lock back; one that cannot be given back expires."""
        with suppress(*_UNAVAILABLE, LockError, ResponseError):
            super().close()
