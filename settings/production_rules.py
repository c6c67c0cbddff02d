"""The settings that production refuses: development keys and certificates, plain connections, missing checks.

Each rule looks at what the client will do with a value, not at how the value is written.
"""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from settings.fields.process import Environment
from settings.mongo_urls import MongoUrl
from settings.problems import SettingsRefusedError
from settings.production_keys import key_problems

if TYPE_CHECKING:
    from settings.settings import Settings

_ENCRYPTED_REDIS = ("rediss://", "rediss+cluster://", "unix://")
"""The server's certificate and name are always checked (`RedisSettings.redis_tls_options`); no URL prevents it."""

_MLFLOW_UNCHECKED = "MLFLOW_TRACKING_INSECURE_TLS"
"""Read by MLflow's client itself. Source: https://mlflow.org/docs/latest/api_reference/python_api/mlflow.environment_variables.html"""


def production_problems(settings: "Settings") -> list[str]:
    """Returns a sentence for each setting that production refuses to every process."""
    return [
        *key_problems(settings),
        *_plain_connections(settings),
        *_missing_checks(settings),
    ]


def refuse_unsafe_api(settings: "Settings") -> None:
    """Refuses an API that production does not want to be served.

    Not a rule of `Settings`: no other process serves the API or has its certificate.

    Raises:
        SettingsRefusedError: the API would speak without TLS, or see no client certificates.
    """
    if settings.environment is Environment.PRODUCTION and (problems := list(api_problems(settings))):
        raise SettingsRefusedError(problems)


def api_problems(settings: "Settings") -> Iterator[str]:
    """Yields a sentence for each setting that production refuses to the process that serves the API."""
    if settings.mtls_only and settings.tls_terminated_by_proxy:
        yield "MTLS_ONLY sees no certificate behind TLS_TERMINATED_BY_PROXY; choose one of them."
    if settings.tls_certificate_file is None and not settings.tls_terminated_by_proxy:
        yield "TLS is missing; set TLS_CERTIFICATE_FILE and TLS_KEY_FILE, or TLS_TERMINATED_BY_PROXY."


def _plain_connections(settings: "Settings") -> Iterator[str]:
    for name in ("redis_url", "broker_url", "feature_redis_url"):
        url = getattr(settings, name)
        if url is not None and not url.startswith(_ENCRYPTED_REDIS):
            yield f"{name.upper()} is not encrypted; use rediss://."
    for shard, url in settings.score_shard_urls.items():
        if not url.startswith(_ENCRYPTED_REDIS):
            yield f"SCORE_SHARD_URLS does not encrypt shard {shard}; use rediss://."
    yield from _mongo(MongoUrl.parse(settings.mongo_url))
    if settings.kafka_security_protocol == "PLAINTEXT":
        yield "KAFKA_SECURITY_PROTOCOL is PLAINTEXT; set SSL, and KAFKA_CA_FILE for a private CA."
    for name in ("jwt_jwks_url", "mlflow_tracking_uri"):
        if (getattr(settings, name) or "").startswith("http://"):
            yield f"{name.upper()} is not encrypted; use https://."
    unchecked = os.environ.get(_MLFLOW_UNCHECKED, "")  # noqa: TID251 - no setting of ours; MLflow's client reads it
    if unchecked.strip().lower() in {"true", "1"}:
        yield f"{_MLFLOW_UNCHECKED} keeps MLflow's certificate unchecked; take it out, and name a private CA instead."


def _mongo(url: MongoUrl) -> Iterator[str]:
    if not url.is_encrypted:
        yield "MONGO_URL is not encrypted; add tls=true."
    for option in url.unchecked:
        yield f"MONGO_URL has {option}, so that anybody could pass for the server; take it out, and set MONGO_CA_FILE."


def _missing_checks(settings: "Settings") -> Iterator[str]:
    if settings.perf_mode:
        yield "PERF_MODE keeps no decision and checks neither replays nor request rates; switch it off."
    for name in type(settings).model_fields:
        if name.endswith("rate_limit_capacity") and getattr(settings, name) == 0:
            yield f"{name.upper()} is 0; the limit cannot be switched off for everyone."
    if settings.hmac_accept_legacy_hex:
        yield "HMAC_ACCEPT_LEGACY_HEX accepts the legacy signature form; switch it off."
