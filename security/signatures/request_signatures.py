"""Request signatures: base64 HMAC-SHA256 over `METHOD|path-with-query|timestamp|body`.

An accepted method, path or timestamp holds no `|`, and the body comes last, so two different requests never share one
canonical string. `X-Key-Id` names the key; without it, the shared keys are tried.
"""

import hmac
import re
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from security.errors import SignatureRejectedError
from security.signatures.client_key_file import client_keys
from security.signatures.client_keys import SHARED_KEY_ID, ClientKeys
from settings import Settings

_METHOD = re.compile(r"[A-Z]{1,16}")
_TIMESTAMP = re.compile(r"[1-9][0-9]{0,10}")
_BASE64_SIGNATURE = re.compile(r"[A-Za-z0-9+/]{43}=")
_LEGACY_SIGNATURE = re.compile(r"[0-9a-f]{64}")


class SignatureForm(StrEnum):
    """How a request was signed; the values are results of `hmac_verifications_total`."""

    HEADER = "accepted"
    LEGACY_HEX = "accepted_legacy"
    MESSAGE = "accepted_rfc9421"


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """Proof that the request was signed with a client's key.

    Attributes:
        digest: 64 hex digits, the same for the same key and request, and for no other: the replay key.
        form: how the request was signed.
        key_id: of the key.
    """

    digest: str
    form: SignatureForm = SignatureForm.HEADER
    key_id: str = SHARED_KEY_ID


def canonical_string(method: str, path: str, timestamp: str, body: bytes) -> bytes:
    """Returns the bytes that are signed.

    >>> canonical_string("POST", "/labels?dry=1", "1700000000", b"{}")
    b'POST|/labels?dry=1|1700000000|{}'
    """
    return f"{method}|{path}|{timestamp}|".encode() + body


def sign(key: bytes, *, method: str, path: str, timestamp: str | int, body: bytes) -> str:
    """Returns the value of `X-Request-Signature`.

    Args:
        key: the shared HMAC key.
        method: upper case.
        path: path with query, exactly as sent on the request line.
        timestamp: the value of `X-Request-Timestamp`, epoch seconds.
        body: the raw body, empty if there is none.
    """
    return b64encode(_digest(key, canonical_string(method, path, str(timestamp), body))).decode()


class SignatureVerifier:
    """Verifies timestamp and signature of requests, in constant time for every well-formed signature."""

    def __init__(
        self,
        keys: ClientKeys,
        *,
        max_skew_seconds: int = 120,
        accept_legacy_hex: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.keys = keys
        self._max_skew_seconds = max_skew_seconds
        self._accept_legacy_hex = accept_legacy_hex
        self._clock = clock

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Returns the verifier of the configured keys.

        Raises:
            KeyUnusableError: a key is missing or weak; start-up must stop.
        """
        return cls(
            client_keys(settings),
            max_skew_seconds=settings.hmac_max_skew_seconds,
            accept_legacy_hex=settings.hmac_accept_legacy_hex,
        )

    def verify(
        self,
        *,
        method: str,
        path: str,
        timestamp_header: str | None,
        signature_header: str | None,
        body: bytes,
        key_id_header: str | None = None,
        subject: str | None = None,
        now: float | None = None,
    ) -> VerifiedSignature:
        """Returns proof that the request is recent and signed with a key of its subject.

        Args:
            method: as on the request line.
            path: path with query, raw as on the request line: neither decoded nor normalised.
            timestamp_header: `X-Request-Timestamp`.
            signature_header: `X-Request-Signature`.
            body: the raw body.
            key_id_header: `X-Key-Id`; without it, a shared key must have signed.
            subject: the token's subject.
            now: epoch seconds; the clock's if absent.

        Raises:
            SignatureRejectedError: reason `timestamp_missing`, `timestamp_malformed`, `timestamp_skew`,
                `signature_missing`, `signature_malformed`, `signature_key_id` or `signature_mismatch`; time is
                checked first.
        """
        timestamp = self._check_timestamp(timestamp_header, self._clock() if now is None else now)
        if not signature_header:
            raise SignatureRejectedError("signature_missing")
        legacy = self._accept_legacy_hex and _LEGACY_SIGNATURE.fullmatch(signature_header) is not None
        if not legacy and not _BASE64_SIGNATURE.fullmatch(signature_header):
            raise SignatureRejectedError("signature_malformed")
        # A URL on the wire is ASCII and has its pipes percent-encoded; anything else could be read in two ways.
        if not _METHOD.fullmatch(method) or "|" in path or not path.isascii():
            raise SignatureRejectedError("signature_mismatch")
        candidates = self.keys.ring.candidates(key_id_header, subject)
        if not candidates:
            raise SignatureRejectedError("signature_key_id")
        message = canonical_string(method, path, timestamp, body)
        for key in candidates:
            if not isinstance(key.key, bytes):  # bound to another algorithm
                raise SignatureRejectedError("signature_key_id")
            digest = _digest(key.key, message)
            # Compared as text: decoding base64 first would let several texts stand for one signature.
            expected = digest.hex() if legacy else b64encode(digest).decode()
            if hmac.compare_digest(expected, signature_header):
                form = SignatureForm.LEGACY_HEX if legacy else SignatureForm.HEADER
                return VerifiedSignature(digest.hex(), form, key.key_id)
        raise SignatureRejectedError("signature_mismatch")

    def _check_timestamp(self, header: str | None, now: float) -> str:
        if not header:
            raise SignatureRejectedError("timestamp_missing")
        if not _TIMESTAMP.fullmatch(header):
            raise SignatureRejectedError("timestamp_malformed")
        if abs(now - int(header)) > self._max_skew_seconds:
            raise SignatureRejectedError("timestamp_skew")
        return header


def _digest(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
