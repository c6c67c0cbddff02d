"""Bearer tokens: strict verification of JWTs, and issuing them for tools and tests.

PyJWT checks the signature with one key object that is bound to one algorithm; everything else about a token is
checked here, because a permissive reading of headers and claims is where JWT libraries have been broken before.
"""

import re
import secrets
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, Self

import orjson
from jwt import PyJWS
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidAlgorithmError, InvalidKeyError, InvalidSignatureError, InvalidTokenError
from pydantic import SecretStr

from security.errors import KeyUnusableError, TokenRejectedError
from security.keys import PublicKey, check_secret, load_public_key
from security.roles import Role
from security.strict_json import StrictJsonError, parse_object
from settings import Settings

Algorithm = Literal["HS256", "RS256", "ES256", "EdDSA"]

MAX_TOKEN_CHARACTERS = 4096
"""A token of ours has about 400; beyond this, nothing is even decoded."""

MAX_AUDIENCES = 16
MAX_ROLES = 32
CACHE_SECONDS = 30.0
CACHE_TOKENS = 1024

_COMPACT_JWS = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_KEY_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_NAME = re.compile(r"[!-~]{1,128}")  # printable ASCII: it becomes part of Redis keys and log lines
_TYPES = frozenset({"jwt", "at+jwt"})
# Keys or algorithms the token brings along, extensions we would have to understand, and encrypted or nested tokens.
_REFUSED_HEADERS = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc", "epk", "cty"})
_ROLES = {role.value: role for role in Role}
_LATEST_EPOCH_SECONDS = 253_402_300_799  # year 9999


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a verified token speaks for.

    Attributes:
        subject: `sub`, 1 to 128 printable ASCII characters.
        roles: the roles we know among the token's `roles`; may be empty.
        token_id: `jti`.
        expires_at: `exp`, epoch seconds.
    """

    subject: str
    roles: frozenset[Role]
    token_id: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One key, the only algorithm it may verify, and the `kid` it answers to (none: tokens carry no `kid`)."""

    key: bytes | PublicKey
    algorithm: Algorithm
    key_id: str | None = None


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
    """Verifies tokens against at most two live keys, so that a key can be replaced without refusing anybody.

    A token with a `kid` is checked with that key only; one without is tried with each live key.
    Verified tokens are remembered by the SHA-256 of the whole token for at most 30 seconds and never beyond `exp`.
    """

    def __init__(
        self,
        keys: Iterable[VerificationKey],
        *,
        issuer: str,
        audience: str,
        leeway_seconds: int = 30,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = tuple(keys)
        self._issuer = issuer
        self._audience = audience
        self._leeway_seconds = leeway_seconds
        self._clock = clock
        self._cache: dict[bytes, tuple[float, Identity]] = {}
        self._jws = {
            key.algorithm: PyJWS([key.algorithm], {"verify_signature": True, "enforce_minimum_key_length": True})
            for key in self._keys
        }

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Returns the verifier of the configured keys.

        Raises:
            KeyUnusableError: a key is missing, weak or of the wrong kind; start-up must stop.
        """
        return cls(
            verification_keys(settings),
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            leeway_seconds=settings.jwt_leeway_seconds,
        )

    def verify(self, token: str) -> Identity:
        """Returns whom the token speaks for.

        Raises:
            TokenRejectedError: reason `token_missing`, `token_malformed`, `token_header`, `token_algorithm`,
                `token_key_id`, `token_signature`, `token_claims`, `token_not_yet_valid` or `token_expired`.
        """
        if not token:
            raise TokenRejectedError("token_missing")
        if len(token) > MAX_TOKEN_CHARACTERS or not (match := _COMPACT_JWS.fullmatch(token)):
            raise TokenRejectedError("token_malformed")
        now = self._clock()
        digest = sha256(token.encode()).digest()
        cached = self._cache.get(digest)
        if cached is not None and now < cached[0]:
            return cached[1]
        payload = self._verified_payload(token, _parse_segment(match[1]))
        identity = self._identity(_parse(payload), now)
        self._remember(digest, identity, now)
        return identity

    def _verified_payload(self, token: str, header: dict[str, Any]) -> bytes:
        """Returns the payload once one live key has verified it."""
        _check_header(header)
        for key in self._candidates(header):
            if header.get("alg") != key.algorithm:
                raise TokenRejectedError("token_algorithm")
            try:
                decoded = self._jws[key.algorithm].decode_complete(token, key.key, [key.algorithm])
            except InvalidSignatureError:
                continue
            except InvalidAlgorithmError as error:
                raise TokenRejectedError("token_algorithm") from error
            except (InvalidTokenError, InvalidKeyError) as error:
                raise TokenRejectedError("token_malformed") from error
            payload: bytes = decoded["payload"]
            return payload
        raise TokenRejectedError("token_signature")

    def _candidates(self, header: dict[str, Any]) -> tuple[VerificationKey, ...]:
        if "kid" not in header:
            return self._keys
        key_id = header["kid"]
        if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
            raise TokenRejectedError("token_key_id")
        named = tuple(key for key in self._keys if key.key_id == key_id)
        if not named:
            raise TokenRejectedError("token_key_id")
        return named

    def _identity(self, claims: dict[str, Any], now: float) -> Identity:
        """Returns the identity in the claims after checking every one of them."""
        subject, token_id = claims.get("sub"), claims.get("jti")
        if not _is_name(subject) or not _is_name(token_id):
            raise TokenRejectedError("token_claims")
        if claims.get("iss") != self._issuer or not self._is_for_us(claims.get("aud")):
            raise TokenRejectedError("token_claims")
        issued_at, expires_at = _epoch(claims, "iat"), _epoch(claims, "exp")
        not_before = _epoch(claims, "nbf") if "nbf" in claims else issued_at
        if expires_at <= issued_at:
            raise TokenRejectedError("token_claims")
        roles = _roles(claims.get("roles"))
        if max(issued_at, not_before) > now + self._leeway_seconds:
            raise TokenRejectedError("token_not_yet_valid")
        if expires_at <= now - self._leeway_seconds:
            raise TokenRejectedError("token_expired")
        return Identity(str(subject), roles, str(token_id), expires_at)

    def _is_for_us(self, audience: object) -> bool:
        if isinstance(audience, str):
            return audience == self._audience
        return (
            isinstance(audience, list)
            and len(audience) <= MAX_AUDIENCES
            and all(isinstance(name, str) for name in audience)
            and self._audience in audience
        )

    def _remember(self, digest: bytes, identity: Identity, now: float) -> None:
        # Emptying a full cache is cheaper than ordering it, and only holders of valid tokens can fill it.
        if len(self._cache) >= CACHE_TOKENS:
            self._cache.clear()
        self._cache[digest] = (min(now + CACHE_SECONDS, identity.expires_at), identity)


def verification_keys(settings: Settings) -> list[VerificationKey]:
    """Returns the current key and, during a rotation, the previous one.

    Raises:
        KeyUnusableError: a key is missing or weak, or two keys share one key id.
    """
    if settings.jwt_algorithm == "HS256":
        keys = [VerificationKey(_hmac_key("JWT_SECRET", settings.jwt_secret), "HS256", settings.jwt_key_id)]
        if settings.jwt_previous_secret is not None:
            previous = _hmac_key("JWT_PREVIOUS_SECRET", settings.jwt_previous_secret)
            keys.append(VerificationKey(previous, "HS256", settings.jwt_previous_key_id))
    else:
        if settings.jwt_public_key_file is None:
            raise KeyUnusableError(f"JWT_PUBLIC_KEY_FILE is not set; {settings.jwt_algorithm} needs it.")
        algorithm = settings.jwt_algorithm
        current = load_public_key("JWT_PUBLIC_KEY_FILE", settings.jwt_public_key_file, algorithm)
        keys = [VerificationKey(current, algorithm, settings.jwt_key_id)]
        if settings.jwt_previous_public_key_file is not None:
            path = settings.jwt_previous_public_key_file
            old = load_public_key("JWT_PREVIOUS_PUBLIC_KEY_FILE", path, algorithm)
            keys.append(VerificationKey(old, algorithm, settings.jwt_previous_key_id))
    if len(keys) == 2 and keys[0].key_id == keys[1].key_id is not None:
        raise KeyUnusableError("JWT_KEY_ID and JWT_PREVIOUS_KEY_ID must differ.")
    return keys


def issue_token(
    settings: Settings,
    *,
    subject: str,
    roles: Iterable[Role],
    lifetime_seconds: int = 3600,
    private_key: bytes | None = None,
    now: float | None = None,
) -> str:
    """Returns a signed token that the verifier of the same settings accepts.

    Args:
        settings: algorithm, issuer, audience, key id and, for HS256, the secret.
        subject: `sub`.
        roles: `roles`.
        lifetime_seconds: `exp` minus `iat`.
        private_key: PEM of the private key; needed by every algorithm but HS256.
        now: epoch seconds of issue; the current time if absent.

    Raises:
        KeyUnusableError: the signing key is missing or weak.
    """
    issued_at = int(time.time() if now is None else now)
    claims = {
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience,
        "sub": subject,
        "jti": secrets.token_hex(16),
        "iat": issued_at,
        "exp": issued_at + lifetime_seconds,
        "roles": sorted(roles),
    }
    algorithm = settings.jwt_algorithm
    key = _hmac_key("JWT_SECRET", settings.jwt_secret) if algorithm == "HS256" else private_key
    if key is None:
        raise KeyUnusableError(f"A private key is needed to issue {algorithm} tokens.")
    headers = {"kid": settings.jwt_key_id} if settings.jwt_key_id else None
    return PyJWS([algorithm]).encode(orjson.dumps(claims), key, algorithm, headers)


def _hmac_key(name: str, secret: SecretStr | None) -> bytes:
    key = check_secret(name, secret)
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(key)
    except InvalidKeyError as error:  # a public key as the secret would let everybody sign
        raise KeyUnusableError(f"{name} is a public or private key, not a secret.") from error
    return key


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


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _epoch(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    # `type` and not `isinstance`: true is an int to Python.
    if type(value) is not int or not 0 < value <= _LATEST_EPOCH_SECONDS:
        raise TokenRejectedError("token_claims")
    return value


def _roles(value: object) -> frozenset[Role]:
    if not isinstance(value, list) or len(value) > MAX_ROLES or not all(isinstance(role, str) for role in value):
        raise TokenRejectedError("token_claims")
    # An identity provider may put other applications' roles beside ours.
    return frozenset(_ROLES[role] for role in value if role in _ROLES)
