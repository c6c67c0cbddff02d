"""Turns at loading: of the processes that serve a model, one at a time loads the next one.

A load takes processor time that scoring needs. A process that serves nothing has nothing to lose and waits for nobody.
"""

import time
from collections.abc import Callable
from typing import Protocol

LONGEST_WAIT_SECONDS = 15.0
"""After this a process loads without a turn: many processes, or one that hangs, must not hold up a new champion."""


class LoadTurn(Protocol):
    """The one turn that all processes share; every method may raise StoreUnavailableError."""

    def take(self) -> bool:
        """Takes the turn, if nobody has it, and returns whether this process has it now."""
        ...

    def give_back(self) -> None:
        """Lets the next process have it; changes nothing if this process does not have it."""
        ...


class OwnTurn:
    """The turn of a process that shares its machine with no other scoring process, and of tests."""

    def take(self) -> bool:
        """See `LoadTurn.take`."""
        return True

    def give_back(self) -> None:
        """See `LoadTurn.give_back`."""


class Queueing:
    """How long this process has waited for the turn.

    Args:
        turn: the shared one.
        clock: monotonic seconds.
    """

    def __init__(self, turn: LoadTurn, clock: Callable[[], float] = time.monotonic) -> None:
        self._turn = turn
        self._clock = clock
        self._since: float | None = None

    def is_mine(self) -> bool:
        """Returns whether this process may load now, with the turn or because it has waited long enough.

        Raises:
            StoreUnavailableError: nobody can be asked now.
        """
        now = self._clock()
        if self._since is None:
            self._since = now
        if not self._turn.take() and now - self._since < LONGEST_WAIT_SECONDS:
            return False
        self._since = None
        return True

    def is_over(self) -> None:
        """Gives the turn back.

        Raises:
            StoreUnavailableError: the turn ends by itself.
        """
        self._turn.give_back()
