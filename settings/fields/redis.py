"""Redis: the servers, their credentials and their TLS."""

import ssl
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings

from settings.redis_urls import CLUSTER_MARK, SERVER_SCHEMES, cluster_node_urls, read_credentials, with_credentials


class RedisSettings(BaseSettings):
    """The Redis servers: the data on each, and the way to reach them."""

    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        description="Redis or Valkey that holds decisions, outbox, security state and, by default, all else.",
    )
    broker_url: str | None = Field(None, description="Celery's broker; default: REDIS_URL.")
    feature_redis_url: str | None = Field(
        None,
        description="The online feature store: redis://host:port/0 or, on a Redis Cluster, "
        "redis+cluster://host:port,host:port with any of its nodes; default: REDIS_URL.",
    )
    redis_credentials_file: Path | None = Field(
        None,
        description="File with one line user:password, put into every Redis URL that names none; "
        "`python -m ops keys --redis-users` makes one per kind of process.",
    )
    redis_socket_timeout_seconds: float = Field(
        5.0, gt=0, description="Longest wait for one Redis reply before the connection counts as dead."
    )
    redis_ca_file: Path | None = Field(
        None, description="PEM certificates that rediss:// servers are checked against; default: the system's."
    )
    redis_certificate_file: Path | None = Field(None, description="PEM client certificate for rediss:// servers.")
    redis_key_file: Path | None = Field(None, description="PEM private key of REDIS_CERTIFICATE_FILE.")

    @property
    def feature_store_url(self) -> str:
        """The online feature store."""
        return self.feature_redis_url or self.redis_url

    @property
    def feature_cluster_urls(self) -> list[str]:
        """The feature store's cluster, one redis:// or rediss:// URL per named node; empty if it is one server."""
        return cluster_node_urls(self.feature_store_url)

    def redis_tls_options(self, url: str) -> dict[str, Any]:
        """Returns the options that a Redis client needs beside the URL: none unless it is a `rediss://` one.

        A name that is not in the server's certificate, an unknown authority or a version below 1.2 ends the connection.
        """
        if not url.startswith("rediss"):
            return {}
        options = {
            "ssl_cert_reqs": ssl.CERT_REQUIRED,
            "ssl_check_hostname": True,
            "ssl_min_version": ssl.TLSVersion.TLSv1_2,
        }
        files = {
            "ssl_ca_certs": self.redis_ca_file,
            "ssl_certfile": self.redis_certificate_file,
            "ssl_keyfile": self.redis_key_file,
        }
        return options | {name: str(path.absolute()) for name, path in files.items() if path is not None}

    @model_validator(mode="before")
    @classmethod
    def _use_redis_credentials(cls, data: dict[str, Any]) -> dict[str, Any]:
        if not data.get("redis_credentials_file"):
            return data
        credentials = read_credentials(Path(data["redis_credentials_file"]))
        default = cls.model_fields["redis_url"].default
        urls = {name: data.get(name) for name in ("broker_url", "feature_redis_url")}
        urls["redis_url"] = data.get("redis_url") or default
        named = {name: with_credentials(url, credentials) for name, url in urls.items() if url}
        shards = data.get("score_shard_urls")
        if isinstance(shards, dict):
            own = {shard: with_credentials(url, credentials) for shard, url in shards.items()}
            return data | named | {"score_shard_urls": own}
        return data | named

    @field_validator("redis_url", "broker_url")
    @classmethod
    def _refuse_cluster(cls, url: str | None, field: ValidationInfo) -> str | None:
        if url is not None and CLUSTER_MARK in url:
            raise ValueError(f"{str(field.field_name).upper()} names a cluster, and only FEATURE_REDIS_URL may.")
        return url

    @field_validator("feature_redis_url")
    @classmethod
    def _refuse_unknown_form(cls, url: str | None) -> str | None:
        if url and not url.startswith(SERVER_SCHEMES) and not cluster_node_urls(url):
            raise ValueError(
                "FEATURE_REDIS_URL is neither redis://host:port/0 nor, for a cluster, "
                "redis+cluster://host:port,host:port without a database number; with TLS, rediss instead of redis."
            )
        return url or None
