"""Redis keys of the outbox, for its adapters, the commit script's caller and the label inbox.

| key | type | TTL | holds |
| --- | --- | --- | --- |
| `shrike:outbox` | stream | until both sinks acknowledged | events to store and publish |
| `shrike:awaiting:<sink>` | sorted set | until acknowledged | answered transaction ids by time, epoch ms |
| `shrike:answered:<minute>` | list | 1 h | ids of the transactions answered in a minute since the epoch |
| `shrike:doorbell:<group>` | string | 5 s | set while a drain task of the consumer group is queued |
| `shrike:dead:<group>` | stream | until re-driven | entries that were given up, with the reason |
"""

from typing import Final

OUTBOX: Final = "shrike:outbox"
ANSWERED_PREFIX: Final = "shrike:answered:"
ANSWERED_TTL_SECONDS: Final = 3_600
DOORBELL_TTL_MS: Final = 5_000


def awaiting_key(sink: str) -> str:
    """Returns the key of the answered transactions that a sink has not acknowledged."""
    return f"shrike:awaiting:{sink}"


def answered_key(minute: int) -> str:
    """Returns the key of the transactions answered in a minute since the epoch."""
    return f"{ANSWERED_PREFIX}{minute}"


def doorbell_key(group: str) -> str:
    """Returns the key that is set while a drain task of a consumer group is queued."""
    return f"shrike:doorbell:{group}"


def dead_letter_key(group: str) -> str:
    """Returns the key of the entries that a consumer group gave up."""
    return f"shrike:dead:{group}"
