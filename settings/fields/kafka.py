"""Kafka: the brokers, their TLS, topics and producer."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


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
    kafka_timeout_seconds: float = Field(10.0, gt=0, description="Longest wait for Kafka's delivery reports.")
