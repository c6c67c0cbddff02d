"""The entries of a stream and of its dead letters that wait under the previous message key."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import redis

from ml.stores.redis.failures_redis import redis_failures_as_unavailable

_PAGE = 500

Verify = Callable[[str, bytes], bool]
"""Whether a key sealed an entry, given its transaction's id and its content."""


@dataclass(frozen=True, slots=True)
class SealCounts:
    """Entries of a stream: sealed by the previous key, and by neither."""

    previous: int = 0
    neither: int = 0


def count_entries(client: "redis.Redis", stream: str, *, by_current: Verify, by_either: Verify) -> SealCounts:
    """Returns how many entries of a stream the present key did not seal.

    Raises:
        StoreUnavailableError: Redis cannot be reached.
    """
    others = [entry for entry in _entries(client, stream) if not by_current(*entry)]
    previous = sum(by_either(*entry) for entry in others)
    return SealCounts(previous, len(others) - previous)


def _entries(client: Any, stream: str) -> Iterator[tuple[str, bytes]]:  # redis-py types replies as unions
    after = "-"
    while True:
        with redis_failures_as_unavailable():
            page = client.xrange(stream, min=after, count=_PAGE)
        for entry_id, fields in page:
            after = f"({entry_id.decode()}"
            yield fields.get(b"id", b"").decode(errors="replace"), fields.get(b"event", b"")
        if len(page) < _PAGE:
            return
