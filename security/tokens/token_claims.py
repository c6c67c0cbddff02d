"""The claims of a verified token: every required one, read strictly."""

from dataclasses import dataclass
from typing import Any, Self

from security.errors import TokenRejectedError
from security.names import is_name
from security.roles import Role
from settings import Settings

MAX_AUDIENCES = 16
MAX_ROLES = 32

_ROLES = {role.value: role for role in Role}
_LATEST_EPOCH_SECONDS = 253_402_300_799  # year 9999


@dataclass(frozen=True, slots=True)
class Identity:
    """The subject of a verified token, with its roles.

    Attributes:
        subject: `sub`, 1 to 128 printable ASCII characters.
        roles: those of the token's `roles` that this platform knows; may be empty.
        token_id: `jti`.
        expires_at: `exp`, epoch seconds.
        issued_at: `iat`, epoch seconds.
    """

    subject: str
    roles: frozenset[Role]
    token_id: str
    expires_at: int
    issued_at: int = 0


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """What the claims of an accepted token must say.

    Attributes:
        issuer: the only accepted `iss`.
        audience: what `aud` must name.
        leeway_seconds: for `exp`, `iat` and `nbf`.
        max_lifetime_seconds: longest `exp` minus `iat`, so that a revocation can expire.
    """

    issuer: str
    audience: str
    leeway_seconds: int
    max_lifetime_seconds: int

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Returns the configured rules."""
        return cls(
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            leeway_seconds=settings.jwt_leeway_seconds,
            max_lifetime_seconds=settings.jwt_max_lifetime_seconds,
        )

    def identity(self, claims: dict[str, Any], now: float) -> Identity:
        """Returns the identity in the claims after checking every one of them.

        Raises:
            TokenRejectedError: `token_claims`, `token_lifetime`, `token_not_yet_valid` or `token_expired`.
        """
        subject, token_id = claims.get("sub"), claims.get("jti")
        if not is_name(subject) or not is_name(token_id):
            raise TokenRejectedError("token_claims")
        if claims.get("iss") != self.issuer or not self._is_for_us(claims.get("aud")):
            raise TokenRejectedError("token_claims")
        issued_at, expires_at = _epoch(claims, "iat"), _epoch(claims, "exp")
        not_before = _epoch(claims, "nbf") if "nbf" in claims else issued_at
        if expires_at <= issued_at:
            raise TokenRejectedError("token_claims")
        roles = _roles(claims.get("roles"))
        if expires_at - issued_at > self.max_lifetime_seconds:
            raise TokenRejectedError("token_lifetime")
        if max(issued_at, not_before) > now + self.leeway_seconds:
            raise TokenRejectedError("token_not_yet_valid")
        if expires_at <= now - self.leeway_seconds:
            raise TokenRejectedError("token_expired")
        return Identity(subject, roles, token_id, expires_at, issued_at)

    def _is_for_us(self, audience: object) -> bool:
        if isinstance(audience, str):
            return audience == self.audience
        return (
            isinstance(audience, list)
            and len(audience) <= MAX_AUDIENCES
            and all(isinstance(name, str) for name in audience)
            and self.audience in audience
        )


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
