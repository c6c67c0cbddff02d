"""The decision records that wait under the previous message key until they end by themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import redis

from ml.stores.decisions.decisions import DecisionRecord
from ml.stores.decisions.decisions_redis import read_records
from ml.stores.decisions.keys_redis import decision_key
from ml.stores.redis.failures_redis import redis_failures_as_unavailable

MOST_RECORDS: Final = 1_000_000
"""Records of one server that are looked at: about a minute, in small reads that keep Redis from nothing else."""

_PAGE = 500

VerifyRecord = Callable[[str, DecisionRecord], bool]
"""Whether a key sealed a record, given its transaction's id."""


@dataclass(frozen=True, slots=True)
class RecordCount:
    """Records of the previous key on one server.

    Attributes:
        previous: how many there are.
        seconds_left: until the last of these has ended.
        is_whole: whether all records were looked at.
    """

    previous: int = 0
    seconds_left: float = 0.0
    is_whole: bool = True


def count_records(
    client: "redis.Redis", *, by_current: VerifyRecord, by_either: VerifyRecord, most: int = MOST_RECORDS
) -> RecordCount:
    """Returns how many records the previous key sealed; what neither key sealed is refused already, and not counted.

    Raises:
        StoreUnavailableError: Redis cannot be reached.
    """
    prefix = len(decision_key(""))
    found_keys: Any = client.scan_iter(match=decision_key("*"), count=_PAGE)
    previous, seconds_left, seen = 0, 0.0, 0
    with redis_failures_as_unavailable():
        while keys := list(islice(found_keys, _PAGE)):
            if seen >= most:
                return RecordCount(previous, seconds_left, is_whole=False)
            seen += len(keys)
            names = [key.decode(errors="replace")[prefix:] for key in keys]
            values: Any = client.mget(keys)
            found = zip(keys, names, read_records(values), strict=True)
            old = [
                key
                for key, name, record in found
                if record is not None and not by_current(name, record) and by_either(name, record)
            ]
            previous += len(old)
            seconds_left = max(seconds_left, _longest_life_seconds(client, old))
    return RecordCount(previous, seconds_left)


def _longest_life_seconds(client: "redis.Redis", keys: list[bytes]) -> float:
    with client.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.pttl(key)
        return max((reply / 1000 for reply in pipeline.execute()), default=0.0)
