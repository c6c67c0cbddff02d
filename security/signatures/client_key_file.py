"""Client keys from the settings and from a file that is read again every second."""

import logging
from collections.abc import Sequence
from pathlib import Path

from security.errors import KeyUnusableError
from security.keys import check_secret
from security.refresher import Refresher
from security.signatures.client_keys import (
    PREVIOUS_SHARED_KEY_ID,
    SHARED_KEY_ID,
    ClientKey,
    ClientKeys,
    FixedClientKeys,
    KeyRing,
    parse_client_keys,
)
from settings import Settings

FILE_SECONDS = 1.0

_log = logging.getLogger(__name__)


class ClientKeyFile:
    """The shared keys and those of a file, which a background thread reads again.

    Failure: a file that cannot be read or understood is logged once, and the known keys hold.

    Raises:
        KeyUnusableError: the file is unusable at the start, which must stop.
    """

    def __init__(self, path: Path, shared: Sequence[ClientKey]) -> None:
        self._path = path
        self._shared = tuple(shared)
        self._document = b""
        self._problem = ""
        self._refresher = Refresher(self._refresh_quietly, interval_seconds=FILE_SECONDS, name="client keys")
        self.ring = KeyRing(self._shared)
        self.refresh()

    def start(self) -> None:
        """See `ClientKeys.start`."""
        self._refresher.start()

    def stop(self) -> None:
        """See `ClientKeys.stop`."""
        self._refresher.stop()

    def refresh(self) -> None:
        """Reads the file now.

        Raises:
            KeyUnusableError: it is unusable; the known keys hold.
        """
        try:
            document = self._path.read_bytes()
        except OSError as error:
            raise KeyUnusableError(f"HMAC_KEYS_FILE: {self._path} cannot be read ({error.strerror}).") from error
        if document != self._document:
            keys = parse_client_keys(document, origin=f"HMAC_KEYS_FILE: {self._path}")
            self.ring = KeyRing((*self._shared, *keys))
            self._document = document
            _log.info("loaded %d client keys from the file", len(keys))

    def _refresh_quietly(self) -> None:
        problem = ""
        try:
            self.refresh()
        except KeyUnusableError as error:
            problem = str(error)
        if problem and problem != self._problem:
            _log.error("the client keys could not be read again; those read last stay in use: %s", problem)
        self._problem = problem


def client_keys(settings: Settings) -> ClientKeys:
    """Returns the configured keys.

    Raises:
        KeyUnusableError: there is none, or one is weak or malformed; start-up must stop.
    """
    file = settings.hmac_keys_file
    shared = []
    if settings.hmac_key is not None or file is None:
        shared.append(ClientKey(SHARED_KEY_ID, "hmac-sha256", check_secret("HMAC_KEY", settings.hmac_key)))
    if settings.hmac_previous_key is not None:
        previous = check_secret("HMAC_PREVIOUS_KEY", settings.hmac_previous_key)
        shared.append(ClientKey(PREVIOUS_SHARED_KEY_ID, "hmac-sha256", previous))
    return FixedClientKeys(shared) if file is None else ClientKeyFile(file, shared)
