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
    """Signs and verifies messages; the signature binds task name, message id, deadline and payload together."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Returns the signer of the configured key.

        Raises:
            KeyUnusableError: MESSAGE_KEY is missing or weak; start-up must stop.
        """
        return cls(check_secret("MESSAGE_KEY", settings.message_key))

    def sign(self, task: str, message_id: str, deadline_ms: int, payload: bytes | str) -> str:
        """Returns the message's signature, base64.

        Args:
            task: Celery task name.
            message_id: unique per message.
            deadline_ms: epoch milliseconds after which the work is worthless; 0 for none.
            payload: the encoded body, byte for byte as it travels.
        """
        mac = hmac.new(self._key, _DOMAIN, "sha256")
        for field in (task, message_id, str(deadline_ms), payload):
            # Half a surrogate pair, which JSON can hold and UTF-8 cannot, is no reason to fail.
            raw = field.encode(errors="surrogatepass") if isinstance(field, str) else field
            # The length in front keeps a byte from moving between neighbouring fields unnoticed.
            mac.update(len(raw).to_bytes(8, "big"))
            mac.update(raw)
        return b64encode(mac.digest()).decode()

    def verify(
        self, task: str, message_id: str, deadline_ms: int, payload: bytes | str, *, signature: str | None
    ) -> None:
        """Returns if the message is ours and unaltered.

        Raises:
            MessageRejectedError: `message_unsigned` or `message_signature`.
        """
        if not signature or not isinstance(signature, str):
            raise MessageRejectedError("message_unsigned")
        expected = self.sign(task, message_id, deadline_ms, payload)
        if not hmac.compare_digest(expected.encode(), signature.encode(errors="replace")):
            raise MessageRejectedError("message_signature")
