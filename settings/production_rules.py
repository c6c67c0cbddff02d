"""The settings that production refuses: development keys and certificates, plain connections, missing checks."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from settings.fields.process import DEVELOPMENT_MARK

if TYPE_CHECKING:
    from settings.settings import Settings

_SECRETS = (
    "jwt_secret",
    "jwt_previous_secret",
    "hmac_key",
    "hmac_previous_key",
    "message_key",
    "artifact_encryption_key",
    "flower_password",
)
_KEY_IDS = ("jwt_key_id", "jwt_previous_key_id", "artifact_key_id")
_CERTIFICATES = ("_certificate_file", "_ca_file")
_PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)


def production_problems(settings: "Settings") -> list[str]:
    """Returns a sentence for each setting that production refuses."""
    return [
        *_development_keys(settings),
        *_development_certificates(settings),
        *_api_without_tls(settings),
        *_plain_connections(settings),
        *_missing_checks(settings),
    ]


def _development_keys(settings: "Settings") -> Iterator[str]:
    for name in _SECRETS:
        secret = getattr(settings, name)
        if secret is not None and secret.get_secret_value().startswith(DEVELOPMENT_MARK):
            yield f"{name.upper()} is a development key; generate one for production."
    for name in _KEY_IDS:
        if (getattr(settings, name) or "").startswith(DEVELOPMENT_MARK):
            yield f"{name.upper()} names a development key; generate one for production."


def _development_certificates(settings: "Settings") -> Iterator[str]:
    for name in type(settings).model_fields:
        path = getattr(settings, name) if name.endswith(_CERTIFICATES) else None
        if path is not None and _is_development_certificate(path):
            yield f"{name.upper()} is a development certificate; use one of your own."


def _is_development_certificate(path: Path) -> bool:
    """Whether a certificate in the file carries the development mark; an unreadable file is its user's to refuse."""
    try:
        blocks = _PEM_CERTIFICATE.findall(path.read_bytes())
        return any(DEVELOPMENT_MARK.encode() in base64.b64decode(block) for block in blocks)
    except (OSError, ValueError):
        return False


def _api_without_tls(settings: "Settings") -> Iterator[str]:
    if settings.mtls_only and settings.tls_terminated_by_proxy:
        yield "MTLS_ONLY sees no certificate behind TLS_TERMINATED_BY_PROXY; choose one of them."
    if settings.tls_certificate_file is None and not settings.tls_terminated_by_proxy:
        yield "TLS is missing; set TLS_CERTIFICATE_FILE and TLS_KEY_FILE, or TLS_TERMINATED_BY_PROXY."


def _plain_connections(settings: "Settings") -> Iterator[str]:
    for name in ("redis_url", "broker_url", "feature_redis_url"):
        url = getattr(settings, name)
        if url is not None and not url.startswith(("rediss://", "rediss+cluster://")):
            yield f"{name.upper()} is not encrypted; use rediss://."
    for shard, url in settings.score_shard_urls.items():
        if not url.startswith("rediss://"):
            yield f"SCORE_SHARD_URLS does not encrypt shard {shard}; use rediss://."
    if "tls=true" not in settings.mongo_url and not settings.mongo_url.startswith("mongodb+srv://"):
        yield "MONGO_URL is not encrypted; add tls=true."
    if settings.kafka_security_protocol == "PLAINTEXT":
        yield "KAFKA_SECURITY_PROTOCOL is PLAINTEXT; set SSL, and KAFKA_CA_FILE for a private CA."
    if settings.jwt_jwks_url is not None and not settings.jwt_jwks_url.startswith("https://"):
        yield "JWT_JWKS_URL is not encrypted; use https://."


def _missing_checks(settings: "Settings") -> Iterator[str]:
    if settings.perf_mode:
        yield "PERF_MODE keeps no decision and checks neither replays nor request rates; switch it off."
    if settings.rate_limit_capacity == 0:
        yield "RATE_LIMIT_CAPACITY is 0; the rate limit cannot be switched off for everyone."
    if settings.transaction_rate_limit_capacity == 0:
        yield "TRANSACTION_RATE_LIMIT_CAPACITY is 0; the limit of transactions cannot be switched off for everyone."
    if settings.hmac_accept_legacy_hex:
        yield "HMAC_ACCEPT_LEGACY_HEX accepts the legacy signature form; switch it off."
