"""The outbox, the drains that empty it, and durability."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class DeliverySettings(BaseSettings):
    """How answered transactions reach MongoDB and Kafka."""

    durability: Literal["aof-everysec", "aof-fsync"] = Field(
        "aof-everysec",
        description="Whether an answer waits for Redis's memory, which it writes to disk once a second, or for the "
        "disk itself. aof-fsync needs Redis 7.2 or Valkey, and appendfsync always to stay within SCORE_TIMEOUT_MS.",
    )
    durability_replicas: int = Field(
        0,
        ge=0,
        le=10,
        description="Replicas of Redis that must have a decision or a label before it is answered (WAIT): with as many "
        "as may take over, a failover loses no answer. Without so many connected replicas nothing is answered.",
    )
    outbox_limit: int = Field(
        100_000, ge=100, le=10**9, description="Entries in the outbox beyond which scoring answers 503."
    )
    drain_batch_rows: int = Field(500, ge=1, le=10_000, description="Most outbox entries per write to a sink.")
    drain_batch_bytes: int = Field(
        4 * 1024 * 1024,
        ge=1024,
        le=1024**3,
        description="Most bytes of outbox entries per write; a larger one goes alone.",
    )
    drain_linger_ms: int = Field(
        200, ge=0, le=5_000, description="How long a drain waits for more entries before it writes."
    )
    drain_claim_idle_ms: int = Field(
        30_000,
        ge=100,
        le=86_400_000,
        description="Idle time after which another worker claims an unacknowledged entry.",
    )
    drain_max_deliveries: int = Field(
        5,
        ge=3,
        le=1_000,
        description="Deliveries after which an entry becomes a dead letter. From the third on it is delivered alone, "
        "so that none is given up for its neighbours.",
    )
    drain_retry_seconds: float = Field(
        1.0,
        ge=0,
        le=60,
        description="How long a refused entry waits before it is delivered again; twice as long after each refusal, a "
        "minute at most.",
    )
    drain_fallback_seconds: float = Field(
        2.0, gt=0, le=3_600, description="How often beat sends every drain a doorbell."
    )

    @property
    def waits_for_disk(self) -> bool:
        """Whether an answer waits until it is on Redis's disk."""
        return self.durability == "aof-fsync"
