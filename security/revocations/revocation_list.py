"""The revocations in the memory of one process, read again in the background twice a second."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from security.refresher import Refresher
from security.revocations.revocation import Revocation, RevocationStore, RevocationsUnavailableError, RevokedKind

_log = logging.getLogger(__name__)

REFRESH_SECONDS = 0.5
_LATE = 2.0  # intervals without a reading after which a request reads by itself


@dataclass(frozen=True, slots=True)
class _Known:
    """The list, indexed for lookups."""

    version: str
    generation: int
    tokens: frozenset[str] = frozenset()
    subjects: dict[str, int] = field(default_factory=dict)  # subject to the last moment of issue that is covered


class RevocationList:
    """The shared list, in memory.

    After `start`, a thread reads the version every interval, and the list when the version has changed. Without
    `start`, or when the thread is late, one request per interval reads and the others never wait.

    Failure: the last known list holds. Before the first successful reading no request is admitted: the first one waits
    for that reading, and fails with it.

    Args:
        store: the shared list.
        leeway_seconds: how far the issuer's clock may be ahead.
        refresh_seconds: the interval.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        store: RevocationStore,
        *,
        leeway_seconds: int,
        refresh_seconds: float = REFRESH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._leeway_seconds = leeway_seconds
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._reading = threading.Lock()
        self._known: _Known | None = None
        self._due = float("-inf")
        self._readings = 0  # that ended, well or not
        self._refresher = Refresher(self._refresh_quietly, interval_seconds=refresh_seconds, name="revocations")

    @property
    def generation(self) -> int:
        """See `Revocations.generation`."""
        if self._clock() >= self._due:
            self._read_late()
        known = self._known
        return self._first_reading().generation if known is None else known.generation

    def covers(self, *, token_id: str, subject: str, issued_at: int) -> bool:
        """See `Revocations.covers`."""
        known = self._known or self._first_reading()
        return token_id in known.tokens or issued_at <= known.subjects.get(subject, -1)

    def start(self) -> None:
        """See `Revocations.start`."""
        self._refresher.start()

    def stop(self) -> None:
        """See `Revocations.stop`."""
        self._refresher.stop()

    def refresh(self) -> None:
        """Reads the list now if it changed.

        Raises:
            RevocationsUnavailableError: it cannot be read; the last known list holds.
        """
        with self._reading:
            self._read()

    def _refresh_quietly(self) -> None:
        try:
            self.refresh()
        except RevocationsUnavailableError as error:
            _log.warning("the revocations could not be read again; those read last stay in use: %s", error)

    def _read_late(self) -> None:
        if self._known is not None and self._reading.acquire(blocking=False):
            try:
                self._read()
            except RevocationsUnavailableError as error:
                _log.warning("the revocations could not be read again; those read last stay in use: %s", error)
            finally:
                self._reading.release()

    def _first_reading(self) -> _Known:
        """Returns what is known; reads it if nothing is, once for all who ask meanwhile: they share its failure too."""
        readings = self._readings
        with self._reading:
            if self._known is None and self._readings == readings:
                self._read()
        # Fails closed: the revocations are not known yet.
        if self._known is None:
            raise RevocationsUnavailableError("the revocations have not been readable yet")
        return self._known

    def _read(self) -> None:
        self._due = self._clock() + _LATE * self._refresh_seconds  # also after a failure: no request tries at once
        try:
            self._read_what_changed()
        finally:
            self._readings += 1

    def _read_what_changed(self) -> None:
        known = self._known
        if known is not None and self._store.version() == known.version:
            return
        snapshot = self._store.read()
        generation = 0 if known is None else known.generation + 1
        self._known = self._form(snapshot.version, generation, snapshot.entries)

    def _form(self, version: str, generation: int, entries: Sequence[Revocation]) -> _Known:
        tokens = frozenset(entry.name for entry in entries if entry.kind is RevokedKind.TOKEN)
        subjects = {
            entry.name: entry.revoked_at + self._leeway_seconds
            for entry in entries
            if entry.kind is RevokedKind.SUBJECT
        }
        return _Known(version, generation, tokens, subjects)
