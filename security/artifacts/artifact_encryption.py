"""Envelope encryption of artifact files: AES-256-GCM under a data key, which a long-lived key wraps.

A model version gets one fresh data key. Every file is encrypted as `nonce (12 bytes) ‖ ciphertext ‖ tag (16 bytes)`
with the file's name, the version and the key id as associated data, so it decrypts only under its own name and in its
own version.

Source: NIST SP 800-38D (GCM, 96-bit random nonces); a data key encrypts a handful of files, far below its limit of 2³²
random nonces.
"""

import base64
import binascii
import json
import secrets
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from security.errors import SecurityError
from settings import DEVELOPMENT_MARK

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES
"""An encrypted file is this much larger than its content."""

_DATA_KEY_NAME = "/data-key"
"""Name under which a data key is wrapped; no file can be called so, because file names hold no slash."""


class DecryptionError(SecurityError):
    """Bytes do not decrypt: another key, altered bytes, or bytes of another file or version."""


@dataclass(frozen=True, slots=True)
class EncryptionContext:
    """The version and key that an encrypted file belongs to.

    Attributes:
        version: model version.
        key_id: id of the signing key of that version.
    """

    version: str
    key_id: str

    def associated_data(self, name: str) -> bytes:
        """Returns the unambiguous associated data of one name."""
        return json.dumps([name, self.version, self.key_id], separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key of one version's files."""

    context: EncryptionContext
    _cipher: AESGCM

    def encrypt(self, name: str, content: bytes) -> bytes:
        """Returns a file's content, encrypted."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, self.context.associated_data(name))

    def decrypt(self, name: str, encrypted: bytes) -> bytes:
        """Returns the content of an encrypted file.

        Raises:
            DecryptionError: the bytes were altered, or encrypted for another name, version, key id or key.
        """
        return _decrypt(self._cipher, encrypted, self.context.associated_data(name))


class EncryptionKey:
    """The long-lived key that wraps data keys. Its bytes never appear in `repr` or in a message."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the artifact encryption key must be {KEY_BYTES} bytes, got {len(key)}")
        self._cipher = AESGCM(key)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Returns the key held in a setting: base64 of 32 bytes, behind the development mark or not.

        Raises:
            ValueError: the text is no base64 of 32 bytes; the message does not repeat it.
        """
        try:
            key = base64.b64decode(text.removeprefix(DEVELOPMENT_MARK), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("the artifact encryption key must be base64 of 32 bytes") from None
        return cls(key)

    def new_data_key(self, context: EncryptionContext) -> tuple[DataKey, bytes]:
        """Returns a fresh data key and its wrapped form."""
        key = AESGCM.generate_key(bit_length=8 * KEY_BYTES)
        nonce = secrets.token_bytes(NONCE_BYTES)
        wrapped = nonce + self._cipher.encrypt(nonce, key, context.associated_data(_DATA_KEY_NAME))
        return DataKey(context, AESGCM(key)), wrapped

    def unwrap(self, wrapped: bytes, context: EncryptionContext) -> DataKey:
        """Returns the data key of a version.

        Raises:
            DecryptionError: it was wrapped by another key, for another version or key id, or altered.
        """
        key = _decrypt(self._cipher, wrapped, context.associated_data(_DATA_KEY_NAME))
        if len(key) != KEY_BYTES:
            raise DecryptionError("the data key has the wrong length")
        return DataKey(context, AESGCM(key))


def _decrypt(cipher: AESGCM, encrypted: bytes, associated_data: bytes) -> bytes:
    if len(encrypted) < OVERHEAD_BYTES:
        raise DecryptionError("encrypted bytes are too short")
    try:
        return cipher.decrypt(encrypted[:NONCE_BYTES], encrypted[NONCE_BYTES:], associated_data)
    except InvalidTag:
        raise DecryptionError("bytes do not decrypt with this key, as this file of this version") from None


def generate_encryption_key_text() -> str:
    """Returns a fresh key in the form that `EncryptionKey.from_text` reads, without a mark."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
