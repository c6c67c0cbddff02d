"""Seals of stored JSON objects: the seal is the object's first member, so that a reader without the key gets JSON."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Self

from security.errors import MessageRejectedError
from security.messages.message_signer import MessageSigner
from security.messages.seal import Seal
from settings import Settings

_log = logging.getLogger(__name__)

_PREFIX: Final = b'{"seal":"'
SEAL_LENGTH: Final = 44
"""Characters of a seal: 32 bytes in base64."""

_REST: Final = len(_PREFIX) + SEAL_LENGTH + len('",')


def close(json: bytes, seal: str) -> bytes:
    """Returns a non-empty JSON object with its seal in front."""
    return b"".join((_PREFIX, seal.encode(), b'",', json[1:]))


def split(json: bytes) -> tuple[bytes, str | None]:
    """Returns the object as it was before `close`, and its seal; None if it carries none."""
    if not json.startswith(_PREFIX):
        return json, None
    return b"{" + json[_REST:], json[len(_PREFIX) : len(_PREFIX) + SEAL_LENGTH].decode(errors="replace")


class StoredSeal:
    """Seals what a store keeps, for one purpose, and tells what was altered there.

    Args:
        signer: holds the message key.
        purpose: keeps the seal of one kind of value from passing for another kind's.
        unsealed_until: until when a value without a seal is believed, epoch seconds; 0 for never. A version that did
            not seal yet leaves such values behind.
        clock: epoch seconds.
    """

    def __init__(
        self,
        signer: MessageSigner,
        purpose: str,
        *,
        unsealed_until: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._seal = Seal(signer, purpose)
        self._purpose = purpose
        self._unsealed_until = unsealed_until
        self._clock = clock
        if clock() < unsealed_until:
            _log.warning(
                "stored values without a seal are believed until %s (ACCEPT_UNSEALED_UNTIL)",
                datetime.fromtimestamp(unsealed_until, UTC).isoformat(),
                extra={"kind": purpose},
            )

    @classmethod
    def from_settings(cls, settings: Settings, purpose: str) -> Self:
        """Returns the seal of the configured key, which believes unsealed values as long as the settings say.

        Raises:
            KeyUnusableError: MESSAGE_KEY is missing or weak.
        """
        return cls(MessageSigner.from_settings(settings), purpose, unsealed_until=settings.unsealed_until)

    def sign(self, name: str, content: bytes | str) -> str:
        """Returns the seal of a value under its name, `SEAL_LENGTH` characters."""
        return self._seal.sign(name, content)

    def verify(self, name: str, content: bytes | str, seal: str | None) -> None:
        """Returns if the value may be believed.

        Raises:
            MessageRejectedError: `message_unsigned` or `message_signature`.
        """
        if seal is None and self._clock() < self._unsealed_until:
            return
        self._seal.verify(name, content, seal=seal)

    def is_valid(self, name: str, content: bytes | str, seal: str | None) -> bool:
        """Returns whether the value may be believed; a value that may not is logged."""
        try:
            self.verify(name, content, seal)
        except MessageRejectedError as error:
            _log.error(
                "a stored value is not ours and is not believed",
                extra={"kind": self._purpose, "name_of_value": name[:64], "reason": error.reason},
            )
            return False
        return True
