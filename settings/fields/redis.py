"""Redis: the servers, their credentials and their TLS."""

import ssl
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings

from settings.redis_urls import cluster_node_urls, feature_store, one_server
from settings.server_urls import read_credentials, with_credentials


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
        description="File with one line user:password, every character as it is, for each Redis URL that names none; "
        "`python -m ops keys --redis-users` makes one per kind of process.",
    )
    redis_socket_timeout_seconds: float = Field(
        5.0, gt=0, le=3_600, description="Longest wait for one Redis reply before the connection counts as dead."
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

    @field_validator("redis_url", "broker_url")
    @classmethod
    def _one_server(cls, url: str | None, field: ValidationInfo) -> str | None:
        return None if url is None else one_server(str(field.field_name).upper(), url)

    @field_validator("feature_redis_url")
    @classmethod
    def _one_server_or_a_cluster(cls, url: str | None) -> str | None:
        return None if url is None else feature_store(url)

    @model_validator(mode="after")
    def _use_redis_credentials(self) -> Self:
        if self.redis_credentials_file is not None:
            credentials = read_credentials("REDIS_CREDENTIALS_FILE", self.redis_credentials_file)
            # Past the frozen model's own way, which would count an URL that nobody gave as one that was given.
            self.__dict__.update(self._urls_with(credentials))
        return self

    def _urls_with(self, credentials: str) -> dict[str, Any]:
        """Returns the fields that name servers, with the credentials in each URL that names none."""
        urls = {"redis_url": self.redis_url, "broker_url": self.broker_url, "feature_redis_url": self.feature_redis_url}
        return {name: with_credentials(url, credentials) for name, url in urls.items() if url is not None}
