"""Tokens, request signatures, TLS of the API and rate limits."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from settings.server_urls import check_web_url

_LONGEST_UNSEALED = timedelta(days=8)
_SLOWEST_REFILL = 0.001


def _refuse_a_refill_of_next_to_nothing(tokens_per_minute: float) -> float:
    if 0 < tokens_per_minute < _SLOWEST_REFILL:
        raise ValueError(f"a refill is 0 or at least {_SLOWEST_REFILL} tokens a minute.")
    return tokens_per_minute


_Capacity = Annotated[int, Field(ge=0, le=10**9)]
"""A thousand times as much is still a whole number in Redis's scripts."""
_Refill = Annotated[float, Field(ge=0, le=10**9), AfterValidator(_refuse_a_refill_of_next_to_nothing)]


class SecuritySettings(BaseSettings):
    """Who may call the API, how often, and how a caller proves who it is."""

    jwt_algorithm: Literal["HS256", "RS256", "ES256", "EdDSA"] = Field(
        "HS256", description="The one accepted algorithm."
    )
    jwt_secret: SecretStr | None = Field(None, description="HS256 secret, at least 32 bytes.")
    jwt_public_key_file: Path | None = Field(None, description="PEM public key for RS256, ES256 and EdDSA.")
    jwt_key_id: str | None = Field(None, description="Key id (`kid`) of the current JWT key.")
    jwt_previous_secret: SecretStr | None = Field(None, description="HS256 secret still accepted during a rotation.")
    jwt_previous_public_key_file: Path | None = Field(None, description="PEM key still accepted during a rotation.")
    jwt_previous_key_id: str | None = Field(None, description="Key id of the previous JWT key.")
    jwt_jwks_url: str | None = Field(
        None, description="URL of a JSON Web Key Set that replaces the keys above; https in production."
    )
    jwt_jwks_file: Path | None = Field(
        None, description="File with a JSON Web Key Set that replaces the keys above; read again every second."
    )
    jwt_jwks_ca_file: Path | None = Field(None, description="PEM certificates that JWT_JWKS_URL is checked against.")
    jwt_jwks_refresh_seconds: float = Field(300.0, ge=1, le=30 * 86_400, description="How often JWT_JWKS_URL is read.")
    jwt_jwks_max_age_seconds: float = Field(
        3600.0,
        ge=10,
        le=400 * 86_400,
        description="How long known keys hold while the key set cannot be read; then no token is good.",
    )
    jwt_issuer: str = Field("shrike", description="Required `iss`.")
    jwt_audience: str = Field("shrike-api", description="Required `aud`.")
    jwt_leeway_seconds: int = Field(30, ge=0, le=300, description="Clock leeway for `exp` and `iat`.")
    jwt_max_lifetime_seconds: int = Field(
        30 * 86_400, ge=60, le=400 * 86_400, description="Longest `exp` minus `iat`; revocations are kept as long."
    )
    hmac_key: SecretStr | None = Field(None, description="Shared key of X-Request-Signature, at least 32 bytes.")
    hmac_previous_key: SecretStr | None = Field(None, description="HMAC_KEY still accepted during a rotation.")
    hmac_keys_file: Path | None = Field(
        None, description="JSON file with clients' own signature keys (docs/authentication.md); read every second."
    )
    hmac_max_skew_seconds: int = Field(
        120, ge=1, le=3600, description="Largest distance of X-Request-Timestamp from now."
    )
    hmac_accept_legacy_hex: bool = Field(
        default=False, description="Also accept the lower-case hex form of the signature."
    )
    message_key: SecretStr | None = Field(None, description="Key that signs Celery messages, at least 32 bytes.")
    message_previous_key: SecretStr | None = Field(
        None, description="MESSAGE_KEY still, or already, accepted during a rotation (docs/key-rotation.md)."
    )
    accept_unsealed_until: AwareDatetime | None = Field(
        None,
        description="Until when decisions, outbox entries and workers' signs of life without a seal are believed "
        "(2026-03-01T12:00:00Z): for DECISION_TTL_SECONDS after an upgrade from a version that wrote none.",
    )
    rate_limit_capacity: _Capacity = Field(100, description="Token bucket size per JWT subject; 0 switches it off.")
    rate_limit_refill_per_minute: _Refill = Field(50.0, description="Tokens a subject regains per minute.")
    rate_limit_overrides: dict[str, tuple[_Capacity, _Refill]] = Field(
        default_factory=dict,
        description='Per subject (capacity, refill per minute) of its requests, JSON: {"demo": [0, 0]}; its '
        "transactions have at least as much, and no limit where its requests have none.",
    )
    transaction_rate_limit_capacity: _Capacity | None = Field(
        None,
        description="Token bucket size of the transactions that a JWT subject scores, alone or in batches; 0 switches "
        "it off. Default: 2000, more where RATE_LIMIT_CAPACITY is more, off where that is 0.",
    )
    transaction_rate_limit_refill_per_minute: _Refill | None = Field(
        None,
        description="Transactions a subject regains per minute. Default: 600, more where "
        "RATE_LIMIT_REFILL_PER_MINUTE is more.",
    )
    device_rate_limit_capacity: _Capacity = Field(
        100, description="Token bucket size per device_id; 0 switches it off."
    )
    device_rate_limit_refill_per_minute: _Refill = Field(50.0, description="Tokens a device regains per minute.")
    tls_certificate_file: Path | None = Field(None, description="PEM certificate chain of the API.")
    tls_key_file: Path | None = Field(None, description="PEM private key of the API.")
    tls_client_ca_file: Path | None = Field(
        None,
        description="PEM certificates that clients' are checked against; without it none is asked for.",
    )
    tls_client_certificates: Literal["optional", "required"] = Field(
        "optional", description="Whether a client without a certificate may connect, for probes and tokens."
    )
    mtls_only: bool = Field(
        default=False,
        description="A verified client certificate counts instead of token and request signature; nothing else does.",
    )
    mtls_identities: dict[str, tuple[str, list[str]]] = Field(
        default_factory=dict,
        description="Whom certificates speak for, JSON of name to subject and roles: "
        '{"URI:spiffe://shop/checkout": ["checkout", ["service"]]}; names are URI:, DNS: or CN:.',
    )
    tls_terminated_by_proxy: bool = Field(default=False, description="A proxy in front of the API speaks TLS.")

    @field_validator("jwt_jwks_url")
    @classmethod
    def _refuse_unreadable_url(cls, url: str | None) -> str | None:
        return None if url is None else check_web_url("JWT_JWKS_URL", url)

    @field_validator("accept_unsealed_until", mode="before")
    @classmethod
    def _ask_for_the_time_zone(cls, value: object) -> object:
        try:
            moment = datetime.fromisoformat(str(value).strip())
        except ValueError:
            return value  # malformed in another way, or epoch seconds; pydantic knows
        if moment.tzinfo is None:
            raise ValueError("must name its time zone, such as 2026-03-01T12:00:00Z")
        return value

    @field_validator("accept_unsealed_until")
    @classmethod
    def _refuse_a_distant_moment(cls, moment: datetime | None) -> datetime | None:
        """A seal that is not asked for is none: the time without must end by itself."""
        if moment is not None and moment > datetime.now(UTC) + _LONGEST_UNSEALED:
            raise ValueError(f"must lie at most {_LONGEST_UNSEALED.days} days ahead")
        return moment

    @property
    def unsealed_until(self) -> float:
        """Until when stored values without a seal are believed, epoch seconds; 0 for never."""
        return 0.0 if self.accept_unsealed_until is None else self.accept_unsealed_until.timestamp()
