"""Load shedding: scoring gets four fifths of a process, so that administrators and probes always get in.

Further requests are refused at once, before anything is read or verified: such a refusal costs next to nothing, so an
overloaded process can still give it. One process serves at most `WEB_CONNECTIONS` connections with one request each.
"""

from observability import metrics
from security.roles import Role
from web.http.errors import OverloadedError

SHEDDABLE_ROLES = frozenset({Role.SERVICE, Role.READ})
"""Roles whose routes may be refused; routes of administrators and public ones, health among them, may not."""


class LoadShedder:
    """Counts the requests under way in this process; gevent runs one greenlet at a time, so a plain number is exact.

    Args:
        most: bound of the requests under way at once.
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
