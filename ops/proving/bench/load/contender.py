"""One path under test, up and running."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


def _nothing_left() -> None:
    return None


@dataclass(frozen=True)
class Contender:
    """A path that takes requests.

    Attributes:
        name: as in the JSON.
        host, port: where it takes requests.
        roots: the pids at the roots of its process trees, by name; Redis, which all share, included.
        wait_until_done: returns once the work behind the answers is done too, such as delivery to MongoDB and Kafka.
    """

    name: str
    host: str
    port: int
    roots: Mapping[str, int]
    wait_until_done: Callable[[], None] = _nothing_left
