"""Issues tokens, for tools and tests."""

import secrets
import time
from collections.abc import Iterable

import orjson
from jwt import PyJWS

from security.errors import KeyUnusableError
from security.keys import check_secret
from security.roles import Role
from settings import Settings


def issue_token(
    settings: Settings,
    *,
    subject: str,
    roles: Iterable[Role],
    lifetime_seconds: int = 3600,
    token_id: str | None = None,
    private_key: bytes | None = None,
    now: float | None = None,
) -> str:
    """Returns a signed token that the verifier of the same settings accepts.

    Args:
        settings: algorithm, issuer, audience, key id and, for HS256, the secret.
        subject: `sub`.
        roles: `roles`.
        lifetime_seconds: `exp` minus `iat`.
        token_id: `jti`; a random one if absent.
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
        "jti": token_id or secrets.token_hex(16),
        "iat": issued_at,
        "exp": issued_at + lifetime_seconds,
        "roles": sorted(roles),
    }
    algorithm = settings.jwt_algorithm
    key = check_secret("JWT_SECRET", settings.jwt_secret) if algorithm == "HS256" else private_key
    if key is None:
        raise KeyUnusableError(f"A private key is needed to issue {algorithm} tokens.")
    headers = {"kid": settings.jwt_key_id} if settings.jwt_key_id else None
    return PyJWS([algorithm]).encode(orjson.dumps(claims), key, algorithm, headers)
