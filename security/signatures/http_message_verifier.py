"""Accepts only HTTP message signatures that cover everything about a request."""

import hmac
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from security.errors import SignatureRejectedError
from security.signatures.client_keys import ClientKey, ClientKeys
from security.signatures.content_digest import content_digest, fits_body
from security.signatures.http_message_signatures import (
    HttpMessage,
    SignatureInput,
    parse_input,
    parse_signature,
    signature_base,
)
from security.signatures.request_signatures import SignatureForm, VerifiedSignature
from settings import Settings

_TARGETS = (frozenset({"@target-uri"}), frozenset({"@path", "@query"}), frozenset({"@request-target"}))
_SIGNED_COMPONENTS = '"@method" "@path" "@query"'


class MessageSignatureVerifier:
    """Verifies `Signature-Input` and `Signature`.

    A signature must cover `@method`, all of the target, and the body by `content-digest` if there is one; it names
    `created`, with the same allowed skew as `X-Request-Timestamp`, and `keyid`. The key decides the algorithm; an `alg`
    that names another one is refused.
    """

    def __init__(self, keys: ClientKeys, *, max_skew_seconds: int, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._max_skew_seconds = max_skew_seconds
        self._clock = clock

    @classmethod
    def from_settings(cls, settings: Settings, keys: ClientKeys) -> Self:
        """Returns the verifier of these keys with the configured window."""
        return cls(keys, max_skew_seconds=settings.hmac_max_skew_seconds)

    def verify(self, message: HttpMessage, *, body: bytes, subject: str) -> VerifiedSignature:
        """Returns proof that the request is recent and signed with a key of its subject.

        Raises:
            SignatureRejectedError: reason `signature_missing`, `signature_malformed`, `timestamp_missing`,
                `timestamp_skew`, `signature_expired`, `signature_coverage`, `signature_key_id`,
                `signature_component`, `signature_digest` or `signature_mismatch`.
        """
        input_header, signature_header = message.field("signature-input"), message.field("signature")
        if not input_header or not signature_header:
            raise SignatureRejectedError("signature_missing")
        signature_input = parse_input(input_header)
        signature = parse_signature(signature_header, signature_input.label)
        self._check_time(signature_input, self._clock())
        _check_coverage(signature_input.components, has_body=bool(body))
        key = self._key(signature_input, subject)
        base = signature_base(message, signature_input)
        if not _is_signed(key, base, signature):
            raise SignatureRejectedError("signature_mismatch")
        if "content-digest" in signature_input.components and not fits_body(
            message.field("content-digest") or "", body
        ):
            raise SignatureRejectedError("signature_digest")
        # Of the base, not of the signature: an altered copy of a signature must not count as a new request.
        digest = sha256(key.key_id.encode() + b"\n" + base).hexdigest()
        return VerifiedSignature(digest, SignatureForm.MESSAGE, key.key_id)

    def _check_time(self, signature_input: SignatureInput, now: float) -> None:
        created, expires = signature_input.numbers.get("created"), signature_input.numbers.get("expires")
        if created is None:
            raise SignatureRejectedError("timestamp_missing")
        if abs(now - created) > self._max_skew_seconds:
            raise SignatureRejectedError("timestamp_skew")
        if expires is not None and now > expires:
            raise SignatureRejectedError("signature_expired")

    def _key(self, signature_input: SignatureInput, subject: str) -> ClientKey:
        key_id = signature_input.texts.get("keyid")
        candidates = self._keys.ring.candidates(key_id, subject) if key_id else ()
        if not candidates or signature_input.texts.get("alg", candidates[0].algorithm) != candidates[0].algorithm:
            raise SignatureRejectedError("signature_key_id")
        return candidates[0]


def sign_message(
    key: bytes | Ed25519PrivateKey,
    message: HttpMessage,
    *,
    key_id: str,
    created: int,
    body: bytes,
    nonce: str | None = None,
) -> dict[str, str]:
    """Returns the headers that sign a request: `Signature-Input`, `Signature` and, with a body, `Content-Digest`."""
    digest = {"Content-Digest": content_digest(body)} if body else {}
    components = "(" + _SIGNED_COMPONENTS + (' "content-digest"' if body else "") + ")"
    algorithm = "hmac-sha256" if isinstance(key, bytes) else "ed25519"
    parameters = f';created={created};keyid="{key_id}";alg="{algorithm}"' + (f';nonce="{nonce}"' if nonce else "")
    text = f"sig1={components}{parameters}"
    signed = HttpMessage(
        message.method,
        message.scheme,
        message.authority,
        message.target,
        lambda name: digest.get("Content-Digest") if name == "content-digest" else message.field(name),
    )
    base = signature_base(signed, parse_input(text))
    signature = hmac.digest(key, base, "sha256") if isinstance(key, bytes) else key.sign(base)
    return digest | {"Signature-Input": text, "Signature": f"sig1=:{b64encode(signature).decode()}:"}


def _check_coverage(components: Sequence[str], *, has_body: bool) -> None:
    covered = frozenset(components)
    is_whole = "@method" in covered and any(target <= covered for target in _TARGETS)
    if not is_whole or (has_body and "content-digest" not in covered):
        raise SignatureRejectedError("signature_coverage")


def _is_signed(key: ClientKey, base: bytes, signature: bytes) -> bool:
    if isinstance(key.key, bytes):
        return hmac.compare_digest(hmac.digest(key.key, base, "sha256"), signature)
    return _is_signed_ed25519(key.key, base, signature)


def _is_signed_ed25519(key: Ed25519PublicKey, base: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, base)
    except InvalidSignature:
        return False
    return True
