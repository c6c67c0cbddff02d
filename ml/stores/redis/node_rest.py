"""Which nodes of a cluster are left alone for a while, because they do not answer."""

import time
from collections.abc import Callable

REST_SECONDS = 1.0
"""How long a node that does not answer is not asked. Then one run asks it again, after all others."""

_BREAKS = 2
"""Connections of a node that broke in a row; one may have been idle for too long, and says nothing."""


class NodeRest:
    """Keeps one dead node from costing every run that touches it the whole of its patience.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._breaks: dict[str, int] = {}
        self._until: dict[str, float] = {}

    def is_resting(self, node: str) -> bool:
        """Whether a node is left alone now."""
        return bool(self._until) and self._until.get(node, 0.0) > self._clock()

    def is_doubtful(self, node: str) -> bool:
        """Whether a node did not answer when it was last asked."""
        return node in self._breaks

    def note_failure(self, node: str, *, is_silent: bool) -> None:
        """Notes that a node's connection failed; a silent one rests at once, a broken one at its second time."""
        self._breaks[node] = self._breaks.get(node, 0) + 1
        if is_silent or self._breaks[node] >= _BREAKS:
            self._until[node] = self._clock() + REST_SECONDS

    def note_answer(self, node: str) -> None:
        """Notes that a node answered."""
        if node in self._breaks:
            del self._breaks[node]
            self._until.pop(node, None)
