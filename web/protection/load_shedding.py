"""Load shedding: scoring gets four fifths of a process, so that administrators and probes always get in.

What is beyond is refused at once, before anything is read or verified: a refusal that costs nothing keeps an overloaded
process able to say so. One process serves at most `WEB_CONNECTIONS` connections with one request each.
"""

from observability import metrics
from security.roles import Role
from web.http.errors import OverloadedError

SHEDDABLE_ROLES = frozenset({Role.SERVICE, Role.READ})
"""Whose routes may be refused; those of administrators and the public ones, health first, may not."""


class LoadShedder:
    """Counts what is under way in this process; gevent runs one greenlet at a time, so a plain number counts right.

    Args:
        most: requests that may be under way at once.
    """

    __slots__ = ("_most", "_under_way")

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way = 0

    @property
    def under_way(self) -> int:
        """How many requests are under way."""
        return self._under_way

    def enter(self) -> None:
        """Takes a place, to be given back by `leave`.

        Raises:
            OverloadedError: there is none.
        """
        if self._under_way >= self._most:
            metrics.requests_shed_total.inc()
            raise OverloadedError
        self._under_way += 1

    def leave(self) -> None:
        """Gives a place back."""
        self._under_way -= 1
