"""Redis keys of the decision records and the replies that carry them.

| key | type | TTL | holds |
| --- | --- | --- | --- |
| `shrike:decision:<transaction_id>` | string | DECISION_TTL_SECONDS | decision record |
| `shrike:reply:<id>` | list | 60 s | replies to one waiting process |
"""

from typing import Final

REPLY_TTL_MS: Final = 60_000


def decision_key(transaction_id: str) -> str:
    """Returns the key of a transaction's decision record."""
    return f"shrike:decision:{transaction_id}"


def reply_key(process_id: str) -> str:
    """Returns the key of a process's reply list."""
    return f"shrike:reply:{process_id}"
