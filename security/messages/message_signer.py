"""Signatures of queue messages, so that write access to the broker is not enough to inject work."""

import hmac
from base64 import b64encode
from typing import Self

from security.errors import MessageRejectedError
from security.keys import check_secret
from settings import Settings

_DOMAIN = b"shrike message 1"
"""Keeps a signature of another kind, made with the same key by mistake, from passing as a message's."""


class MessageSigner:
    """Signs and verifies messages; the signature binds task name, message id, deadline and payload together.

    Args:
        key: signs, and verifies.
        previous: verifies too, while keys are rotated: the key of before, or the one to come.
    """

    def __init__(self, key: bytes, previous: bytes | None = None) -> None:
        self._key = key
        self._previous = previous

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Returns the signer of the configured keys.

        Raises:
            KeyUnusableError: MESSAGE_KEY is missing, or one of both is weak; start-up must stop.
        """
        previous = settings.message_previous_key
        return cls(
            check_secret("MESSAGE_KEY", settings.message_key),
            None if previous is None else check_secret("MESSAGE_PREVIOUS_KEY", previous),
        )

    def sign(self, task: str, message_id: str, deadline_ms: int, payload: bytes | str) -> str:
        """Returns the message's signature, base64.

        Args:
            task: Celery task name.
            message_id: unique per message.
            deadline_ms: epoch milliseconds after which the work is worthless; 0 for none.
            payload: the encoded body, byte for byte as it travels.
        """
        return _signature(self._key, (task, message_id, str(deadline_ms), payload))

    def verify(
        self, task: str, message_id: str, deadline_ms: int, payload: bytes | str, *, signature: str | None
    ) -> None:
        """Returns if the message is ours and unaltered.

        Raises:
            MessageRejectedError: `message_unsigned` or `message_signature`.
        """
        if not signature or not isinstance(signature, str):
            raise MessageRejectedError("message_unsigned")
        fields, given = (task, message_id, str(deadline_ms), payload), signature.encode(errors="replace")
        for key in (self._key, self._previous):
            if key is not None and hmac.compare_digest(_signature(key, fields).encode(), given):
                return
        raise MessageRejectedError("message_signature")


def _signature(key: bytes, fields: tuple[bytes | str, ...]) -> str:
    mac = hmac.new(key, _DOMAIN, "sha256")
    for field in fields:
        # Half a surrogate pair, which JSON can hold and UTF-8 cannot, is no reason to fail.
        raw = field.encode(errors="surrogatepass") if isinstance(field, str) else field
        # The length in front keeps a byte from moving between neighbouring fields unnoticed.
        mac.update(len(raw).to_bytes(8, "big"))
        mac.update(raw)
    return b64encode(mac.digest()).decode()
