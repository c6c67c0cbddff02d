"""Bearer tokens: strict verification of JWTs.

PyJWT verifies the signature with one key object that is bound to one algorithm. Headers and claims are checked here,
because JWT libraries have been broken by reading them too permissively.
"""

import re
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence
from typing import Any, Self, get_args

from jwt import PyJWS
from jwt.exceptions import InvalidAlgorithmError, InvalidKeyError, InvalidSignatureError, InvalidTokenError

from security.errors import TokenRejectedError
from security.names import is_key_id
from security.revocations.revocation import Revocations
from security.strict_json import StrictJsonError, parse_object
from security.tokens.jwks_keys import key_source
from security.tokens.token_cache import VerifiedTokens, digest_of
from security.tokens.token_claims import ClaimRules, Identity
from security.tokens.token_keys import Algorithm, KeySource, VerificationKey
from settings import Settings

MAX_TOKEN_CHARACTERS = 4096
"""A token of ours has about 400; a longer one than this is not even decoded."""

_COMPACT_JWS = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_COMPACT_JWE_DOTS = 4
_TYPES = frozenset({"jwt", "at+jwt"})
# Keys or algorithms inside the token, extensions that we would have to understand, and encrypted or nested tokens.
_REFUSED_HEADERS = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc", "epk", "cty"})
_JWS = {
    algorithm: PyJWS([algorithm], {"verify_signature": True, "enforce_minimum_key_length": True})
    for algorithm in get_args(Algorithm)
}


def bearer_token(authorization: str | None) -> str:
    """Returns the token of an `Authorization` header.

    Raises:
        TokenRejectedError: `token_missing` without a header, `token_malformed` for another scheme.
    """
    if not authorization:
        raise TokenRejectedError("token_missing")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenRejectedError("token_malformed")
    return token


class TokenVerifier:
    """Verifies tokens against the live keys and the revocations.

    A token with a `kid` is checked with that key only; one without is tried with each live key.
    Verified tokens are remembered by the SHA-256 of the whole token: for at most 30 seconds, never beyond `exp`, and
    only until a key or a revocation changes.

    Args:
        keys: the live keys.
        revocations: the revoked tokens.
        rules: what the claims must say.
        clock: epoch seconds.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        revocations: Revocations,
        rules: ClaimRules,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._revocations = revocations
        self._rules = rules
        self._clock = clock
        self._verified = VerifiedTokens[Identity]()

    @classmethod
    def from_settings(cls, settings: Settings, *, revocations: Revocations) -> Self:
        """Returns the verifier of the configured keys.

        Raises:
            KeyUnusableError: a key is missing, weak or of the wrong kind; start-up must stop.
        """
        return cls(
            key_source(settings),
            revocations=revocations,
            rules=ClaimRules.from_settings(settings),
        )

    def start(self) -> None:
        """Starts the background threads of keys and revocations; call it after the fork."""
        self._keys.start()
        self._revocations.start()

    def stop(self) -> None:
        """Ends the background threads."""
        self._keys.stop()
        self._revocations.stop()

    def verify(self, token: str) -> Identity:
        """Returns the identity of a token.

        Raises:
            TokenRejectedError: reason `token_missing`, `token_oversized`, `token_encrypted`, `token_malformed`,
                `token_header`, `token_algorithm`, `token_key_id`, `token_signature`, `token_claims`,
                `token_lifetime`, `token_not_yet_valid`, `token_expired` or `token_revoked`.
            KeysUnavailableError: the live keys are not known.
            RevocationsUnavailableError: the revocations are not known.
        """
        if not token:
            raise TokenRejectedError("token_missing")
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise TokenRejectedError("token_oversized")
        if not token.isascii():
            raise TokenRejectedError("token_malformed")
        generation, now, digest = (self._keys.generation, self._revocations.generation), self._clock(), digest_of(token)
        identity = self._verified.get(digest, generation, now)
        if identity is None:
            identity = self._verify(token, now)
            self._verified.put(digest, identity, generation=generation, now=now, expires_at=identity.expires_at)
        return identity

    def _verify(self, token: str, now: float) -> Identity:
        if not (match := _COMPACT_JWS.fullmatch(token)):
            encrypted = token.count(".") == _COMPACT_JWE_DOTS
            raise TokenRejectedError("token_encrypted" if encrypted else "token_malformed")
        payload = self._verified_payload(token, _parse_segment(match[1]))
        identity = self._rules.identity(_parse(payload), now)
        if self._revocations.covers(token_id=identity.token_id, subject=identity.subject, issued_at=identity.issued_at):
            raise TokenRejectedError("token_revoked")
        return identity

    def _verified_payload(self, token: str, header: dict[str, Any]) -> bytes:
        """Returns the payload once one live key has verified it."""
        _check_header(header)
        for key in self._candidates(header):
            if header.get("alg") != key.algorithm:
                raise TokenRejectedError("token_algorithm")
            try:
                decoded = _JWS[key.algorithm].decode_complete(token, key.key, [key.algorithm])
            except InvalidSignatureError:
                continue
            except InvalidAlgorithmError as error:
                raise TokenRejectedError("token_algorithm") from error
            except (InvalidTokenError, InvalidKeyError) as error:
                raise TokenRejectedError("token_malformed") from error
            payload: bytes = decoded["payload"]
            return payload
        raise TokenRejectedError("token_signature")

    def _candidates(self, header: dict[str, Any]) -> Sequence[VerificationKey]:
        if "kid" not in header:
            candidates = self._keys.keys()
        else:
            key_id = header["kid"]
            if not is_key_id(key_id):
                raise TokenRejectedError("token_key_id")
            candidates = self._keys.keys_with_id(key_id)
        if not candidates:
            raise TokenRejectedError("token_key_id")
        return candidates


def _check_header(header: dict[str, Any]) -> None:
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES or _REFUSED_HEADERS & header.keys():
        raise TokenRejectedError("token_header")


def _parse_segment(segment: str) -> dict[str, Any]:
    try:
        return _parse(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except ValueError as error:  # a length that no base64 text has
        raise TokenRejectedError("token_malformed") from error


def _parse(document: bytes) -> dict[str, Any]:
    try:
        return parse_object(document)
    except StrictJsonError as error:
        raise TokenRejectedError("token_malformed") from error
