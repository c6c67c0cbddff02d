"""Rendezvous hashing: which of several places a key belongs to, the same in every process and on every machine.

Each place gets a score from the key and its own name, and the highest wins. A place that joins takes only the keys it
now wins, an equal share from each; one that leaves gives up only its own.
Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM ToN 6(1), 1998.
"""

from collections.abc import Iterable
from hashlib import blake2b

_SCORE_BYTES = 8


def choose(places: Iterable[str], key: str) -> str:
    """Returns the place of a key; the order of the places does not matter.

    >>> choose(["s1", "s2", "s3"], "customer-7") == choose(["s3", "s1", "s2"], "customer-7")
    True

    Raises:
        ValueError: there is no place.
    """
    name = key.encode()
    # Equal scores are practically impossible; the later name would win.
    return max(places, key=lambda place: (_score(place, name), place))


def _score(place: str, key: bytes) -> bytes:
    return blake2b(key, key=place.encode(), digest_size=_SCORE_BYTES).digest()
