"""What an answer waits for before it is given: the server's disk, its replicas, or both."""

from collections.abc import Sequence
from typing import Protocol


class Barrier(Protocol):
    """Waits until everything that was written before is safe."""

    def is_at_once(self) -> bool:
        """Returns whether the server itself replies only when everything is safe.

        Raises:
            StoreUnavailableError: the server cannot be reached.
        """
        ...

    def wait(self) -> None:
        """Returns once everything that any client had written before is safe.

        Raises:
            StoreUnavailableError: it is not known to be; it may be all the same.
        """
        ...


class Barriers:
    """Several barriers, one after the other."""

    def __init__(self, parts: Sequence[Barrier]) -> None:
        self._parts = tuple(parts)

    def is_at_once(self) -> bool:
        """See `Barrier.is_at_once`."""
        return all(part.is_at_once() for part in self._parts)

    def wait(self) -> None:
        """See `Barrier.wait`."""
        for part in self._parts:
            part.wait()
