"""Which servers each kind of process connects to, and the connections that production refuses to it.

Each rule looks at what the client will do with a value, not at how the value is written.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from settings.fields.process import Environment
from settings.mongo_urls import MongoUrl
from settings.problems import SettingsRefusedError

if TYPE_CHECKING:
    from settings.settings import Settings

PLATFORM = "platform"
"""All kinds of processes together."""

_MLFLOW_UNCHECKED = "MLFLOW_TRACKING_INSECURE_TLS"
"""Read by MLflow's client itself. Source: https://mlflow.org/docs/latest/api_reference/python_api/mlflow.environment_variables.html"""

_ENCRYPTED_REDIS = ("rediss://", "rediss+cluster://", "unix://")
"""The server's certificate and name are always checked (`RedisSettings.redis_tls_options`); no URL prevents it."""

OPENED: Mapping[str, frozenset[str]] = {
    "web": frozenset({"redis_url", "broker_url", "score_shard_urls", "mongo_url", "jwt_jwks_url"}),
    "score": frozenset({"redis_url", "broker_url", "score_shard_urls", "feature_redis_url"}),
    "explain": frozenset({"redis_url", "broker_url", "score_shard_urls", "mongo_url"}),
    "publish": frozenset({"redis_url", "broker_url", "score_shard_urls", "kafka_bootstrap"}),
    "labels": frozenset({"redis_url", "broker_url", "score_shard_urls", "feature_redis_url", "mongo_url"}),
    "retrain": frozenset(
        {"redis_url", "broker_url", "score_shard_urls", "mongo_url", "kafka_bootstrap", "mlflow_tracking_uri"}
    ),
    "beat": frozenset({"redis_url", "broker_url", "score_shard_urls"}),
    "flower": frozenset({"redis_url", "broker_url"}),
}
"""By kind of process, the settings that name the servers it connects to."""

ROLES = (PLATFORM, *OPENED)

_ADDRESSES = {
    "redis_url": "write rediss://host:port/0",
    "mongo_url": "write mongodb://host/?tls=true",
    "kafka_bootstrap": "write host:port of the brokers",
}
"""The settings whose default is a server of this machine, which in production may be anybody's."""


def opened_by(settings: "Settings", role: str) -> frozenset[str]:
    """Returns the settings that name the servers that a process of this role connects to."""
    if role == PLATFORM:
        return frozenset().union(*OPENED.values())
    scores_itself = role == "web" and settings.use_local_inference
    return OPENED[role] | ({"feature_redis_url"} if scores_itself else frozenset())


def unset_addresses(settings: "Settings") -> frozenset[str]:
    """Returns the settings of servers that nobody set, so that their default leads to a server nobody chose."""
    return frozenset(_ADDRESSES.keys() - settings.model_fields_set)


def connection_problems(settings: "Settings", opened: Collection[str]) -> Iterator[str]:
    """Yields a sentence for each connection that production refuses, of those that these settings lead to."""
    unset = unset_addresses(settings)
    yield from (f"{name.upper()} is not set; {_ADDRESSES[name]}." for name in sorted(unset.intersection(opened)))
    named = frozenset(opened) - unset
    for name in ("redis_url", "broker_url", "feature_redis_url"):
        url = getattr(settings, name)
        if name in named and url is not None and not is_encrypted_redis(url):
            yield f"{name.upper()} is not encrypted; use rediss://."
    for shard, url in _shards(settings, opened).items():
        if not is_encrypted_redis(url):
            yield f"SCORE_SHARD_URLS does not encrypt shard {shard}; use rediss://."
    if "mongo_url" in named:
        yield from _mongo(MongoUrl.parse(settings.mongo_url))
    if "kafka_bootstrap" in opened and settings.kafka_security_protocol == "PLAINTEXT":
        yield "KAFKA_SECURITY_PROTOCOL is PLAINTEXT; set SSL, and KAFKA_CA_FILE for a private CA."
    for name in ("jwt_jwks_url", "mlflow_tracking_uri"):
        if name in opened and (getattr(settings, name) or "").startswith("http://"):
            yield f"{name.upper()} is not encrypted; use https://."
    unchecked = os.environ.get(_MLFLOW_UNCHECKED, "")  # noqa: TID251 - no setting of ours; MLflow's client reads it
    if "mlflow_tracking_uri" in opened and unchecked.strip().lower() in {"true", "1"}:
        yield f"{_MLFLOW_UNCHECKED} keeps MLflow's certificate unchecked; take it out, and name a private CA instead."


def refuse_connections(settings: "Settings", opened: Collection[str]) -> None:
    """Refuses connections that production does not want; called wherever a client is made, however it was started.

    Raises:
        SettingsRefusedError: one would be read or answered by strangers.
    """
    if settings.environment is not Environment.PRODUCTION:
        return
    if problems := list(connection_problems(settings, opened)):
        raise SettingsRefusedError(problems)


def refuse_plain_redis(settings: "Settings", url: str) -> None:
    """Refuses a Redis connection without TLS in production, whichever setting names it.

    Raises:
        SettingsRefusedError: it would not be encrypted.
    """
    if settings.environment is Environment.PRODUCTION and not is_encrypted_redis(url):
        raise SettingsRefusedError(
            ["A Redis connection is not encrypted; use rediss:// in REDIS_URL, FEATURE_REDIS_URL and SCORE_SHARD_URLS."]
        )


def is_encrypted_redis(url: str) -> bool:
    """Returns whether nobody between a process and this Redis can read what they say."""
    return url.startswith(_ENCRYPTED_REDIS)


def _shards(settings: "Settings", opened: Collection[str]) -> Mapping[str, str]:
    """Returns the shards that are opened: a process that belongs to one opens that one alone."""
    urls = settings.score_shard_urls if "score_shard_urls" in opened else {}
    return urls if settings.shard is None else {settings.shard: urls[settings.shard]} if urls else {}


def _mongo(url: MongoUrl) -> Iterator[str]:
    if not url.is_encrypted:
        yield "MONGO_URL is not encrypted; add tls=true."
    for option in url.unchecked:
        yield f"MONGO_URL has {option}, so that anybody could pass for the server; take it out, and set MONGO_CA_FILE."
