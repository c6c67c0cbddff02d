"""Which port a worker or beat serves its metrics and health on: fixed by its role, its number and its shard.

Scrapers, probes and firewalls name these ports, so that they must not change with a restart. Each role has a block of a
hundred above METRICS_PORT_BASE, each shard blocks of its own a thousand above the former one's:

| role | ports at the default base |
| --- | --- |
| score | 17101 and on, one per number |
| explain, publish, labels | 17201, 17301, 17401 and on |
| retrain | 17501 and on |
| beat | 17901 and on |
| the same of the first shard of SCORE_SHARD_URLS | 18101, 18201 … |
"""

from collections.abc import Sequence
from typing import Final

_BLOCKS: Final = {"score": 1, "explain": 2, "publish": 3, "labels": 4, "retrain": 5, "beat": 9}
_BLOCK = 100
_SHARD = 1_000
_HIGHEST = 65_535


class NoMetricsPortError(Exception):
    """This process has no port of its own; METRICS_PORT gives it one."""


def metrics_port(role: str, number: int, *, base: int, shard: str | None = None, shards: Sequence[str] = ()) -> int:
    """Returns the port of a process; 0, which means any, where the base is 0.

    >>> metrics_port("score", 2, base=17_000), metrics_port("explain", 1, base=17_000, shard="b", shards=["a", "b"])
    (17102, 19201)

    Args:
        role: a queue, or `beat`.
        number: from 1, of the processes of its role on one machine.
        base: METRICS_PORT_BASE.
        shard: that it belongs to.
        shards: all of them, in the order of SCORE_SHARD_URLS.

    Raises:
        NoMetricsPortError: its number or its shard goes beyond the ports there are.
    """
    if base == 0:
        return 0
    place = 0 if shard is None else list(shards).index(shard) + 1
    port = base + place * _SHARD + _BLOCKS[role] * _BLOCK + number
    if number >= _BLOCK or port > _HIGHEST:
        raise NoMetricsPortError(
            f"{role} number {number} has no metrics port of its own above METRICS_PORT_BASE {base}: set METRICS_PORT."
        )
    return port
