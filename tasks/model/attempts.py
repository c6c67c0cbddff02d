"""When a version that failed to load is worth another try: soon at first, then ever more rarely."""

import errno
import time
from collections.abc import Callable

_FIRST_SECONDS = 2.0
_LONGEST_SECONDS = 60.0
_SURE_AFTER = 3
"""Failures in a row from which an error that often passes by itself no longer counts as one."""

_PASSING = frozenset(
    {
        *(errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN),
        *(errno.ETIMEDOUT, errno.EBUSY, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ECONNRESET),
    }
)
"""What a disk or a mounted folder may answer once and not again; a file that is absent or a link is no such case."""


class Attempts:
    """The failures in a row of one subject, a version or the registry; another subject begins anew.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._subject: str | None = None
        self._reason = ""
        self._count = 0
        self._next_at = 0.0

    def failed(self, subject: str, reason: str) -> bool:
        """Notes a failure; returns whether it is news: another subject, or another reason than the last one's."""
        is_news = (subject, reason) != (self._subject, self._reason)
        self._count = self._count + 1 if subject == self._subject else 1
        self._subject, self._reason = subject, reason
        self._next_at = self._clock() + min(_FIRST_SECONDS * 2 ** (self._count - 1), _LONGEST_SECONDS)
        return is_news

    def succeeded(self) -> None:
        """Forgets the failures."""
        self._subject, self._reason, self._count = None, "", 0

    def is_due(self, subject: str) -> bool:
        """Returns whether the subject may be tried now: it did not fail before, or its pause is over."""
        return subject != self._subject or self._clock() >= self._next_at

    def may_pass(self, error: BaseException) -> bool:
        """Returns whether an error just noted is of a kind that often passes, and has not come too often in a row."""
        cause = error.__cause__
        return isinstance(cause, OSError) and cause.errno in _PASSING and self._count < _SURE_AFTER
