"""Names of the Redis keys that more than one adapter of the delivery path touches.

| key | type | life | holds |
| --- | --- | --- | --- |
| `shrike:decision:<transaction_id>` | string | DECISION_TTL_SECONDS | decision record |
| `shrike:outbox` | stream | until both sinks acknowledged | events to store and publish |
| `shrike:awaiting:<sink>` | sorted set | until acknowledged | answered transaction ids by time, epoch ms |
| `shrike:answered:<minute>` | list | 1 h | ids of the transactions answered in a minute since the epoch |
| `shrike:doorbell:<stream>` | string | 5 s | set while a drain task is queued |
| `shrike:dead:<stream>` | stream | until re-driven | entries given up, with the reason |
| `shrike:labels` | stream | until applied | signed labels |
| `shrike:workers` | hash | field removed at shutdown; stale after 5 s | a sign of life by worker name, JSON |
| `shrike:replaced` | hash | for ever | by queue, how many workers ended themselves because they were stuck |
| `shrike:slot:<task>` | string | 5 min | set while a scheduled slot has had its run |
| `shrike:reply:<id>` | list | 60 s | replies to one web process |
| `shrike:barrier` | string | 60 s | nothing: written so that what came before it is known to be on disk |
"""

from typing import Final

OUTBOX: Final = "shrike:outbox"
LABELS: Final = "shrike:labels"
WORKERS: Final = "shrike:workers"
REPLACED: Final = "shrike:replaced"
SINKS: Final = ("explain", "publish")
ANSWERED_PREFIX: Final = "shrike:answered:"
ANSWERED_TTL_SECONDS: Final = 3_600
BARRIER: Final = "shrike:barrier"
DOORBELL_TTL_MS: Final = 5_000
REPLY_TTL_MS: Final = 60_000


def decision_key(transaction_id: str) -> str:
    """Returns the key of a transaction's decision record."""
    return f"shrike:decision:{transaction_id}"


def awaiting_key(sink: str) -> str:
    """Returns the key of the answered transactions that a sink has not acknowledged."""
    return f"shrike:awaiting:{sink}"


def answered_key(minute: int) -> str:
    """Returns the key of the transactions answered in a minute since the epoch."""
    return f"{ANSWERED_PREFIX}{minute}"


def doorbell_key(consumer: str) -> str:
    """Returns the key that is set while a drain task of a sink or inbox is queued."""
    return f"shrike:doorbell:{consumer}"


def dead_letter_key(consumer: str) -> str:
    """Returns the key of the entries that a sink or inbox gave up."""
    return f"shrike:dead:{consumer}"


def reply_key(process_id: str) -> str:
    """Returns the key of a web process's reply list."""
    return f"shrike:reply:{process_id}"


def slot_key(task: str) -> str:
    """Returns the key that is set while a scheduled task's slot has had its run."""
    return f"shrike:slot:{task}"
