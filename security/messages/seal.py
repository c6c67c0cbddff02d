"""Seals of values that Redis holds: only a holder of the message key can write them.

Write access to Redis alone is not enough to change such a value. It is enough to delete the value, or to put back one
that was sealed earlier: each store says what follows from that.
"""

import hmac
from typing import Any

import orjson

from security.messages.message_signer import MessageSigner


class Seal:
    """Seals the values of one purpose.

    Args:
        signer: holds the message key.
        purpose: keeps the seal of one kind of value from passing for another kind's.
    """

    def __init__(self, signer: MessageSigner, purpose: str) -> None:
        self._signer = signer
        self._purpose = purpose

    def sign(self, name: str, content: Any = b"") -> str:
        """Returns the seal that is stored beside the value.

        Args:
            name: the id, time or version that the value belongs to.
            content: the rest of the value: text and bytes count as they are, anything else as canonical JSON.
        """
        return self._signer.sign(self._purpose, name, 0, _canonical(content))

    def verify(self, name: str, content: Any = b"", *, seal: str | None) -> None:
        """Returns if the value was sealed with our key, for this purpose and this name.

        Raises:
            MessageRejectedError: `message_unsigned` or `message_signature`.
        """
        self._signer.verify(self._purpose, name, 0, _canonical(content), signature=seal)

    def is_current(self, name: str, content: Any = b"", *, seal: str) -> bool:
        """Returns whether a seal is by the key that signs now; one by the previous key must be renewed in time."""
        return hmac.compare_digest(self.sign(name, content).encode(), seal.encode(errors="replace"))


def _canonical(content: Any) -> bytes | str:
    """Returns the same bytes for the same content: JSON with its members in alphabetical order."""
    return content if isinstance(content, bytes | str) else orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
