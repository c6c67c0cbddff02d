"""The keys of a key set, kept current while the process runs, so that a rotation needs no restart."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from security.errors import KeysUnavailableError, KeyUnusableError
from security.refresher import Refresher
from security.tokens.jwks import parse_jwks
from security.tokens.jwks_origins import Fetch, JwksFile, JwksUrl
from security.tokens.token_keys import Algorithm, FixedKeys, KeySource, VerificationKey, verification_keys
from settings import Settings
from settings.production_connections import refuse_connections

FILE_SECONDS = 1.0
"""How often a file is read again."""

RETRY_SECONDS = 5.0
"""After a failure, until the set is read again; and the shortest time between two readings for unknown key ids."""

PATIENCE_SECONDS = 0.25
"""Longest wait of a request for a reading that it caused."""

_LATE = 2.0  # intervals without a reading after which the thread counts as dead

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _KeySet:
    generation: int
    keys: Sequence[VerificationKey]
    by_id: Mapping[str | None, VerificationKey]
    read_at: float


class JwksKeys:
    """The live keys of a key set, read by a background thread and never on the request path.

    A token that names an unknown key causes another reading, at most every `RETRY_SECONDS`, and waits for it, at most
    for `PATIENCE_SECONDS`: a new key works at once, and forged key ids cannot flood the set's server.

    Failure: the known keys hold for `max_age_seconds` after they were last read; after that, and before the first
    reading, no token is accepted. A set that cannot be understood is a failure. A set without a key of ours is not: it
    means that no key is valid.

    Args:
        fetch: returns the document.
        parse: returns the keys in it, or raises KeyUnusableError.
        refresh_seconds: between two readings.
        max_age_seconds: how long known keys hold without a reading.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        fetch: Fetch,
        parse: Callable[[bytes], Sequence[VerificationKey]],
        *,
        refresh_seconds: float,
        max_age_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._parse = parse
        self._refresh_seconds = refresh_seconds
        self._max_age_seconds = max_age_seconds
        self._clock = clock
        self._known: _KeySet | None = None
        self._done = threading.Condition()
        self._readings = 0  # that ended, well or not
        self._is_reading = False
        self._awaited = 1  # the reading that answers the latest question
        self._next_question = float("-inf")
        self._next_reading = float("-inf")
        interval = min(refresh_seconds, RETRY_SECONDS)
        self._refresher = Refresher(self._tick, interval_seconds=interval, name="key set")

    @property
    def generation(self) -> int:
        """See `KeySource.generation`.

        Raises:
            KeysUnavailableError: the keys are not known, or too old.
        """
        return self._live().generation

    def keys(self) -> Sequence[VerificationKey]:
        """Returns none: a token must name its key, so that not every key is tried on every token."""
        return ()

    def keys_with_id(self, key_id: str) -> Sequence[VerificationKey]:
        """See `KeySource.keys_with_id`."""
        key = self._live().by_id.get(key_id)
        if key is None and self._has_read_again():
            key = self._live().by_id.get(key_id)
        return () if key is None else (key,)

    def start(self) -> None:
        """See `KeySource.start`."""
        self._refresher.start()

    def stop(self) -> None:
        """See `KeySource.stop`."""
        self._refresher.stop()

    def refresh(self) -> None:
        """Reads the set now.

        Raises:
            KeyUnusableError: it cannot be read or understood; the known keys hold while they are young enough.
        """
        with self._done:
            self._is_reading = True
        try:
            self._replace(self._parse(self._fetch()))
            self._next_reading = self._clock() + self._refresh_seconds
        finally:
            with self._done:
                self._is_reading = False
                self._readings += 1
                self._done.notify_all()

    def _replace(self, keys: Sequence[VerificationKey]) -> None:
        known, generation = self._known, 0
        if known is not None:
            generation = known.generation if list(known.keys) == list(keys) else known.generation + 1
        if known is None or generation != known.generation:
            _log.info("tokens are verified with the keys %s", ", ".join(str(key.key_id) for key in keys) or "(none)")
        self._known = _KeySet(generation, tuple(keys), {key.key_id: key for key in keys}, self._clock())

    def _tick(self) -> None:
        if self._clock() < self._next_reading and self._readings >= self._awaited:
            return
        try:
            self.refresh()
        except KeyUnusableError as error:
            _log.error("the key set could not be read again; the one read last is used until it is too old: %s", error)

    def _live(self) -> _KeySet:
        known, now = self._known, self._clock()
        if known is None and self._has_read_again():
            known = self._known
        # Fails closed: the live keys are not known.
        if known is None:
            raise KeysUnavailableError("the key set has not been readable yet")
        if now - known.read_at > _LATE * max(self._refresh_seconds, RETRY_SECONDS):
            self._refresher.start()
        if now - known.read_at > self._max_age_seconds:
            raise KeysUnavailableError("the key set was not readable for too long")
        return known

    def _has_read_again(self) -> bool:
        """Asks for a reading if that is allowed now; returns whether the last one asked for has ended."""
        with self._done:
            if self._clock() >= self._next_question:
                self._next_question = self._clock() + RETRY_SECONDS
                # A reading that runs already may have begun before the key was published.
                self._awaited = self._readings + 1 + (self._is_reading and self._known is not None)
                self._refresher.start()
                self._refresher.wake()
            return self._done.wait_for(lambda: self._readings >= self._awaited, PATIENCE_SECONDS)


def key_source(settings: Settings) -> KeySource:
    """Returns the configured source of keys: a key set if one is named, else the keys of the settings.

    Raises:
        KeyUnusableError: a key is missing, weak or of the wrong kind; a key set's URL is first asked later.
        SettingsRefusedError: production refuses the connection to a key set's URL.
    """
    refuse_connections(settings, {"jwt_jwks_url"})
    algorithm: Algorithm = settings.jwt_algorithm
    file, url = settings.jwt_jwks_file, settings.jwt_jwks_url
    if file is None and url is None:
        return FixedKeys(verification_keys(settings))
    if file is not None and url is not None:
        raise KeyUnusableError("JWT_JWKS_FILE and JWT_JWKS_URL are both set; one key set is enough.")
    if url is not None and algorithm == "HS256":
        raise KeyUnusableError("JWT_JWKS_URL serves public keys; set JWT_ALGORITHM to RS256, ES256 or EdDSA.")
    fetch: Fetch = JwksUrl(url, ca_file=settings.jwt_jwks_ca_file) if url is not None else JwksFile(file)  # type: ignore[arg-type]
    origin = "JWT_JWKS_URL" if url is not None else "JWT_JWKS_FILE"

    def parse(document: bytes) -> Sequence[VerificationKey]:
        return parse_jwks(document, algorithm, origin=origin, holds_secrets=file is not None)

    if file is not None and not parse(fetch()):
        raise KeyUnusableError(f"JWT_JWKS_FILE: {file} holds no key for {algorithm} with a kid.")
    refresh_seconds = FILE_SECONDS if file is not None else settings.jwt_jwks_refresh_seconds
    return JwksKeys(fetch, parse, refresh_seconds=refresh_seconds, max_age_seconds=settings.jwt_jwks_max_age_seconds)
