"""Kafka: the brokers, their TLS, topics and producer."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from settings.server_urls import are_hosts


class KafkaSettings(BaseSettings):
    """Where decisions and transactions are published."""

    kafka_bootstrap: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, comma separated.")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL"] = Field(
        "PLAINTEXT", description="How the Kafka connection is protected."
    )
    kafka_ca_file: Path | None = Field(None, description="PEM certificates that Kafka's brokers are checked against.")
    kafka_certificate_file: Path | None = Field(None, description="PEM client certificate for Kafka's brokers.")
    kafka_key_file: Path | None = Field(None, description="PEM private key of KAFKA_CERTIFICATE_FILE.")
    kafka_topic_scored: str = Field("transactions.scored", description="Topic of decisions.")
    kafka_topic_raw: str = Field("transactions.raw", description="Topic of the transactions as received.")
    kafka_linger_ms: int = Field(5, ge=0, le=1000, description="Kafka producer linger.")
    kafka_timeout_seconds: float = Field(10.0, gt=0, le=3_600, description="Longest wait for Kafka's delivery reports.")

    @field_validator("kafka_bootstrap")
    @classmethod
    def _refuse_unreadable_brokers(cls, text: str) -> str:
        brokers = ",".join(broker.strip() for broker in text.split(","))
        # librdkafka would take a scheme for another protocol than KAFKA_SECURITY_PROTOCOL, and the rest for a host.
        if not are_hosts(brokers):
            raise ValueError("KAFKA_BOOTSTRAP cannot be read; write host:port,host:port, without a scheme.")
        return brokers

    @field_validator("kafka_topic_scored", "kafka_topic_raw")
    @classmethod
    def _refuse_what_is_no_topic(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", name) or name in {".", ".."}:
            raise ValueError("a topic is 1 to 249 of A-Z, a-z, 0-9, point, underscore and hyphen.")
        return name
